package engine

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"trunkline/proxy/message"
	"trunkline/proxy/transaction"
)

func flowTokensOf(t testing.TB) flowTokens {
	t.Helper()
	k, err := newFlowTokens(nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestFlowTokens(t *testing.T) {
	ours, others := flowTokensOf(t), flowTokensOf(t)
	ep := transaction.MakeEndpoint(netip.MustParseAddrPort("192.0.2.1:4000"), 1023).WithFlow(transaction.MaxFlow)
	good := string(ours.append(nil, flowInRoute, ep))
	if len(good) != flowTokenLen || !isFlowToken([]byte(good)) {
		t.Fatalf("token %q", good)
	}
	if u, err := message.ParseURI([]byte("sip:" + good + "@192.0.2.2:80;transport=ws;lr")); err != nil || string(u.User) != good {
		t.Fatalf("as a user part: %q, %v", u.User, err)
	}
	if l, flow, ok := ours.parse([]byte(good), flowInRoute); !ok || l != 1023 || flow != transaction.MaxFlow {
		t.Errorf("reads as listener %d, flow %d, %v", l, flow, ok)
	}
	wrong := map[string]string{
		"of a Via":       string(ours.append(nil, flowInVia, ep)),
		"of another key": string(others.append(nil, flowInRoute, ep)),
		"capitals":       strings.ToUpper(good),
		"longer":         good + "0",
		"shorter":        good[:len(good)-1],
		"mark alone":     flowMark,
		"empty":          "",
	}
	for i := range good { // every digit counts
		b := []byte(good)
		b[i] ^= 1
		wrong["changed at "+string(rune('0'+i%10))+good[:i]] = string(b)
	}
	// With the key of the process before, as the arena keeps it, what that one made is no forgery,
	// but its connection has ended.
	next := ours
	next.generation = (ours.generation + 1) & flowGenerations
	if l, flow, ok := next.parse([]byte(good), flowInRoute); !ok || l != 1023 || flow != transaction.GoneFlow {
		t.Errorf("in the next process it reads as listener %d, flow %d, %v", l, flow, ok)
	}
	for name, b := range wrong {
		if _, _, ok := ours.parse([]byte(b), flowInRoute); ok {
			t.Errorf("%s: %q passes", name, b)
		}
	}
}

// Only what append wrote is a token, and reading it back gives what was written.
func FuzzFlowToken(f *testing.F) {
	k := flowTokens{mac: transaction.NewHasher([16]byte{1, 2, 3}), generation: 5}
	before := k
	before.generation--
	ep := transaction.MakeEndpoint(netip.MustParseAddrPort("[2001:db8::1]:4000"), 3).WithFlow(77)
	f.Add(k.append(nil, flowInRoute, ep))
	f.Add(k.append(nil, flowInVia, ep))
	f.Add([]byte(flowMark + strings.Repeat("0", 32)))
	f.Add(before.append(nil, flowInRoute, ep))
	f.Add([]byte("alice"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, use := range []flowUse{flowInRoute, flowInVia} {
			l, flow, ok := k.parse(b, use)
			if !ok {
				continue
			}
			back := transaction.MakeEndpoint(netip.AddrPort{}, l).WithFlow(flow)
			if again := k.append(nil, use, back); !bytes.Equal(again, b) && flow != transaction.GoneFlow {
				t.Errorf("%q reads as listener %d, flow %d, which is %q", b, l, flow, again)
			}
		}
	})
}

func TestNeedsFlow(t *testing.T) {
	p := newPath(t)
	w := p.w
	from := netip.MustParseAddrPort("192.0.2.9:40001")
	for _, tt := range []struct {
		name, transport, via, contact string
		want                          bool
	}{
		{"WebSocket", "ws", "SIP/2.0/WS x.invalid;branch=z9hG4bK1", "sip:a@192.0.2.9:40001", true},
		{"WebSocket behind a proxy", "ws", "SIP/2.0/WS x.invalid;branch=z9hG4bK1, SIP/2.0/WS y.invalid;branch=z9hG4bK1", "sip:a@192.0.2.9", true},
		{"own address", "tcp", "SIP/2.0/TCP 192.0.2.9;branch=z9hG4bK1", "sip:a@192.0.2.9:40001;transport=tcp", false},
		{"own address, other port", "tcp", "SIP/2.0/TCP 192.0.2.9;branch=z9hG4bK1", "sip:a@192.0.2.9:5060;transport=tcp", false},
		{"other address", "tcp", "SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK1", "sip:a@10.0.0.1:5060;transport=tcp", true},
		{"name", "tls", "SIP/2.0/TLS x.invalid;branch=z9hG4bK1", "sip:a@x.invalid;transport=tls", true},
		{"ob", "tcp", "SIP/2.0/TCP 192.0.2.9;branch=z9hG4bK1", "sip:a@192.0.2.9:5060;transport=tcp;ob", true},
		{"alias", "tls", "SIP/2.0/TLS 192.0.2.9;branch=z9hG4bK1;alias", "sip:a@192.0.2.9:5061;transport=tls", true},
		{"behind a proxy", "tcp", "SIP/2.0/TCP 192.0.2.9;branch=z9hG4bK1, SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1", "sip:a@10.0.0.1", false},
		{"no Contact", "tcp", "SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK1", "", false},
		{"tel", "tcp", "SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK1", "tel:+4930", false},
		{"datagram", "udp", "SIP/2.0/UDP x.invalid;branch=z9hG4bK1", "sip:a@x.invalid", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := *p.e.dir.faces[0]
			f.transport, f.stream = tt.transport, tt.transport != "udp"
			kept := p.e.dir.faces[0]
			p.e.dir.faces[0] = &f
			defer func() { p.e.dir.faces[0] = kept }()
			contact := ""
			if tt.contact != "" {
				contact = "Contact: <" + tt.contact + ">\r\n"
			}
			var v message.View
			if err := v.Parse([]byte("INVITE sip:b@c SIP/2.0\r\nVia: " + tt.via + "\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n" + contact + "Content-Length: 0\r\n\r\n")); err != nil {
				t.Fatal(err)
			}
			up := p.e.dir.endpoint(from, 0)
			if f.stream {
				up = up.WithFlow(1)
			}
			if got := w.needsFlow(&v, up); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// Tokens are written and read without allocating.
func TestFlowAllocatesNothing(t *testing.T) {
	p := newPath(t)
	w := p.w
	up := p.e.dir.endpoint(p.alice, 0).WithFlow(9)
	to := p.e.dir.endpoint(p.bob, 1)
	var v message.View
	if err := v.Parse([]byte("INVITE sip:b@c SIP/2.0\r\nVia: SIP/2.0/TCP x.invalid;branch=z9hG4bK1\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:a@x.invalid>\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	var lines [2][]byte
	if n := testing.AllocsPerRun(100, func() {
		lines = w.recordRoutes(&v, up, to)
		w.via = w.appendViaEnd(w.via[:0], up)
		u, err := message.ParseURI(lines[1][len("Record-Route: <") : len(lines[1])-len(">\r\n")])
		var ro routing
		if ro.flowOf(p.e, u.User); err != nil || ro.flow != 9 || ro.egress != 0 || ro.forged {
			t.Fatalf("%q reads as %+v, %v", lines[1], ro, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
