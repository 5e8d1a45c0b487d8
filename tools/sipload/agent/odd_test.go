package agent

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"trunkline/tools/sipload/wire"
)

type netipAddrPort = netip.AddrPort

// joined hands messages from one side to the other without a copy of the world's
// bookkeeping.
type joined struct {
	now    time.Duration
	caller *Caller
	callee *Callee
	queue  [16]struct {
		down bool
		n    int
		b    [2000]byte
	}
	head, tail int
	m          wire.Message
}

type side struct {
	j    *joined
	down bool
}

func (s side) Send(_ int, _ netip.AddrPort, b []byte) {
	q := &s.j.queue[s.j.tail%len(s.j.queue)]
	q.down, q.n = s.down, copy(q.b[:], b)
	s.j.tail++
}

func (j *joined) settle() {
	for ; j.head < j.tail; j.head++ {
		q := &j.queue[j.head%len(j.queue)]
		raw := q.b[:q.n]
		if err := j.m.Parse(raw); err != nil {
			panic(err)
		}
		if q.down {
			j.callee.Receive(j.now, 0, callerAt, &j.m, raw)
		} else {
			j.caller.Receive(j.now, 0, &j.m, raw)
		}
	}
}

// change replaces text in the nth packet that is what.
func change(what, old, with string) func(packet) []packet {
	return nth(what, 1, func(p packet) []packet {
		s := string(p.b)
		if !strings.Contains(s, old) {
			panic(old + " is not in\n" + s)
		}
		p.b = []byte(strings.Replace(s, old, with, 1))
		return []packet{p}
	})
}

// What a broken proxy may do to a message is noticed, and named.
func TestUnexpected(t *testing.T) {
	for _, c := range []struct {
		name   string
		via    func(packet) []packet
		caller CallerConfig
		callee CalleeConfig
		reason string
		below  bool // the callee notices
	}{
		{name: "second Via left", via: change("180 INVITE", "Via: ", "Via: SIP/2.0/UDP 127.0.0.9;branch=z9hG4bKx\r\nVia: "), reason: "wrong_via"},
		{name: "branch", via: change("180 INVITE", "branch=z9hG4bK0", "branch=z9hG4bKf"), reason: "wrong_transaction"},
		{name: "no cookie", via: change("180 INVITE", "branch=z9hG4bK", "branch=z9hG4bk"), reason: "wrong_transaction"},
		{name: "From tag", via: change("180 INVITE", ";tag=0", ";tag=f"), reason: "wrong_transaction"},
		{name: "CSeq", via: change("180 INVITE", "CSeq: 1", "CSeq: 9"), reason: "wrong_transaction"},
		{name: "CSeq method", via: change("180 INVITE", "1 INVITE", "1 BYE"), reason: "wrong_transaction"},
		{name: "Call-ID", via: change("180 INVITE", "Call-ID: 0", "Call-ID: x"), reason: "unknown_call"},
		{name: "Call-ID of another run", via: change("180 INVITE", "-00c0ffee", "-00c0ffed"), reason: "unknown_call"},
		{name: "no To tag", via: change("180 INVITE", "0000beef", ";x="), reason: ""}, // shortened, still a tag
		{name: "To tag away", via: change("180 INVITE", ";tag=00000000000000010000beef", ";gone=1"), reason: "no_to_tag"},
		{name: "no Contact", via: change("200 INVITE", "Contact:", "X-Contact:"), reason: "no_contact"},
		{name: "Contact is a name", via: change("200 INVITE", "<sip:127.0.40.21:5060>", "<sip:callee.example>"), reason: "unroutable"},
		{name: "Contact too long", via: change("200 INVITE", "<sip:127", "<sip:"+strings.Repeat("a", 1000)+"@127"), reason: "too_long"},
		{name: "too many routes", via: change("200 INVITE", "Contact:", "Record-Route: <sip:127.0.0.1;lr>"+strings.Repeat(",<sip:127.0.0.1;lr>", wire.MaxLines)+"\r\nContact:"), reason: "too_long"},
		{name: "2xx of another branch", via: nth("200 INVITE", 1, func(p packet) []packet {
			q := p
			q.b = []byte(strings.Replace(string(p.b), "0000beef", "0000dead", 1))
			q.at += 5 * ms
			return []packet{p, q}
		}), caller: CallerConfig{Hold: time.Second}, reason: "wrong_state"},
		{name: "refusal after 2xx", via: nth("200 INVITE", 1, func(p packet) []packet {
			q := p
			q.b = []byte(strings.Replace(string(p.b), "200 OK", "500 No", 1))
			q.at += 5 * ms
			return []packet{p, q}
		}), caller: CallerConfig{Hold: time.Second}, reason: "wrong_state"},
		{name: "BYE refused", via: change("200 BYE", "200 OK", "481 No"), reason: "bye_refused"},
		{name: "CANCEL refused", via: change("200 CANCEL", "200 OK", "481 No"), caller: CallerConfig{Cancel: 1}, callee: CalleeConfig{Ring: time.Second}, reason: "cancel_refused"},
		{name: "a response to a CANCEL never sent", via: change("180 INVITE", "1 INVITE", "1 CANCEL"), reason: "wrong_state"},

		{name: "method", via: change("BYE", "BYE ", "FOO "), reason: "", below: true},
		{name: "BYE of no call", via: change("BYE", "Call-ID: ", "Call-ID: x"), reason: "unknown_call", below: true},
		{name: "BYE with another tag", via: change("BYE", "0000beef", "0000dead"), reason: "wrong_transaction", below: true},
		{name: "BYE while it rings", via: nth("INVITE", 1, func(p packet) []packet {
			q := p
			q.b = []byte(strings.ReplaceAll(string(p.b), "INVITE", "BYE"))
			q.at += ms
			return []packet{p, q}
		}), callee: CalleeConfig{Ring: time.Second}, reason: "wrong_state", below: true},
		{name: "ACK of no call", via: change("ACK", "Call-ID: ", "Call-ID: x"), reason: "unknown_call", below: true},
		{name: "ACK with another tag", via: change("ACK", "0000beef", "0000dead"), reason: "wrong_transaction", below: true},
		{name: "CANCEL of no call", via: change("CANCEL", "Call-ID: ", "Call-ID: x"), caller: CallerConfig{Cancel: 1}, callee: CalleeConfig{Ring: time.Second}, reason: "unknown_call", below: true},
		{name: "INVITE of a dialog there is not", via: change("INVITE", "To: <sip:", "To: <sip:x@y>;tag=1;x=<sip:"), reason: "unknown_call", below: true},
		{name: "INVITE merged", via: nth("INVITE", 1, func(p packet) []packet {
			q := p
			q.b = []byte(strings.Replace(string(p.b), "branch=z9hG4bK0", "branch=z9hG4bKf", 1))
			q.at += ms
			return []packet{p, q}
		}), callee: CalleeConfig{Ring: time.Second}, reason: "merged_invite", below: true},
		{name: "head too long", via: change("INVITE", "Via: ", "Record-Route: <sip:127.0.0.9;lr;x="+strings.Repeat("y", headSize)+">\r\nVia: "), reason: "too_long", below: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.caller, c.callee)
			w.via = c.via
			defer func() { // a broken message may not be read at all: that is for the receiver's user to count
				if t.Failed() {
					t.Log(w.script())
				}
			}()
			if c.name == "method" {
				w.via = nth("BYE", 1, func(p packet) []packet {
					p.b = []byte(strings.ReplaceAll(string(p.b), "BYE", "FOO"))
					return []packet{p}
				})
				w.runLoosely()
				if w.callee.Odd.Map()["unknown_method"] != 1 || !strings.Contains(w.script(), "> BYE, > BYE, < 200 BYE") {
					t.Errorf("%v, %s", w.callee.Odd.Map(), w.script())
				}
				return
			}
			w.runLoosely()
			o := &w.caller.Odd
			if c.below {
				o = &w.callee.Odd
			}
			if c.reason == "" {
				w.nothingOdd()
			} else if o.Map()[c.reason] == 0 || len(o.Samples) == 0 {
				t.Errorf("unexpected: caller %v, callee %v, want %s", w.caller.Odd.Map(), w.callee.Odd.Map(), c.reason)
			}
		})
	}
}

func (w *world) runLoosely() { w.run(1, 0, 3*time.Minute) }

// A dialog leads only where it may, and along its route set.
func TestRouteSet(t *testing.T) {
	for _, c := range []struct{ name, record, hop, uri, routes string }{
		{"none", "", "127.0.40.21:5060", "sip:127.0.40.21:5060", ""},
		{
			"loose, over two lines", "Record-Route: <sip:127.0.40.3:5080;lr>, <sip:127.0.40.4;lr;x=\"a,b\">\r\nRecord-Route: <sip:a@127.0.40.5:5090;transport=udp;lr>\r\n",
			"127.0.40.5:5090", "sip:127.0.40.21:5060",
			"Route: <sip:a@127.0.40.5:5090;transport=udp;lr>\r\nRoute: <sip:127.0.40.4;lr;x=\"a,b\">\r\nRoute: <sip:127.0.40.3:5080;lr>\r\n",
		},
		{
			"strict", "Record-Route: <sip:127.0.40.3;lr>, <sip:127.0.40.4>\r\n", "127.0.40.4:5060", "sip:127.0.40.4",
			"Route: <sip:127.0.40.3;lr>\r\nRoute: <sip:127.0.40.21:5060>\r\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, CallerConfig{}, CalleeConfig{})
			w.via = func(p packet) []packet {
				if p.is("200 INVITE") {
					p.b = []byte(strings.Replace(string(p.b), "Contact:", c.record+"Contact:", 1))
				}
				if p.is("ACK") || p.is("BYE") {
					if line, _, _ := strings.Cut(string(p.b), "\r\n"); p.to.String() != c.hop || !strings.HasSuffix(line, " "+c.uri+" SIP/2.0") ||
						!strings.Contains(string(p.b), ";rport\r\n"+c.routes+"Max-Forwards") {
						t.Errorf("sent to %v:\n%s", p.to, p.b)
					}
					p.to = calleeAt
				}
				return []packet{p}
			}
			w.run(1, 0, time.Minute)
			w.nothingOdd()
			if w.caller.Counts.Completed != 1 {
				t.Errorf("%+v", w.caller.Counts)
			}
		})
	}
	w := newWorld(t, CallerConfig{}, CalleeConfig{})
	w.caller.c.Permitted = func(netip.Addr) bool { return false }
	w.run(1, 0, time.Minute)
	if w.caller.Odd.Map()["unroutable"] == 0 || w.caller.Counts.Failed != 1 || strings.Contains(w.script(), "ACK") {
		t.Errorf("%v, %s", w.caller.Odd.Map(), w.script())
	}
	w = newWorld(t, CallerConfig{}, CalleeConfig{})
	w.callee.c.Permitted = func(netip.Addr) bool { return false }
	w.run(1, 0, time.Minute)
	if w.callee.Odd.Map()["unroutable"] != 7 || strings.Contains(w.script(), "180") {
		t.Errorf("%v, %s", w.callee.Odd.Map(), w.script())
	}
}
