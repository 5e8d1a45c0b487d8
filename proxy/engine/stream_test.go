package engine

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"trunkline/appliance/runtime"
)

// freeTCP finds a TCP port that is free at an address.
func freeTCP(t testing.TB, ip string) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// overStreams makes both listeners of a rig ones over connections.
func overStreams(a *runtime.Appliance, transport string) {
	for i := range a.Listeners {
		a.Listeners[i].Transport = transport
	}
	for i := range a.Dispatchers {
		for k := range a.Dispatchers[i].Destinations {
			a.Dispatchers[i].Destinations[k].Transport = transport
		}
	}
	a.Transaction.ReplyTimeout = duration(10 * time.Second)
	a.Transaction.InviteTimeout = duration(20 * time.Second)
}

// streamAgent is a SIP element over TCP as a test drives it.
type streamAgent struct {
	t testing.TB
	net.Conn
	buf []byte
}

func newStreamAgent(t testing.TB, c net.Conn) *streamAgent {
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return &streamAgent{t: t, Conn: c}
}

// next reads a message without a body; keep-alives are left out.
func (a *streamAgent) next() *sipMsg {
	a.t.Helper()
	b := make([]byte, 4096)
	for {
		if head, rest, ok := strings.Cut(string(a.buf), "\r\n\r\n"); ok {
			m := parseMsg(head + "\r\n\r\n")
			n := 0
			_, _ = fmt.Sscan(m.get("Content-Length"), &n)
			if len(rest) >= n {
				m.body, a.buf = rest[:n], []byte(rest[n:])
				return m
			}
		}
		n, err := a.Read(b)
		if err != nil {
			a.t.Fatalf("reading a message: %v (have %q)", err, a.buf)
		}
		a.buf = append(a.buf, b[:n]...)
	}
}

func (a *streamAgent) say(s string) {
	a.t.Helper()
	if _, err := io.WriteString(a.Conn, strings.ReplaceAll(s, "\n", "\r\n")); err != nil {
		a.t.Fatal(err)
	}
}

func (a *streamAgent) invite(callID string) {
	a.t.Helper()
	a.say(fmt.Sprintf("INVITE sip:bob@example.net SIP/2.0\nVia: SIP/2.0/TCP %s;branch=z9hG4bK%s\nFrom: <sip:alice@a>;tag=1\nTo: <sip:bob@b>\nCall-ID: %s\nCSeq: 1 INVITE\nMax-Forwards: 70\nContact: <sip:alice@%s;transport=tcp>\nContent-Length: 0\n\n",
		a.LocalAddr(), callID, callID, a.LocalAddr()))
}

// answer replies to a request with what every reply repeats of it.
func (a *streamAgent) answer(req *sipMsg, code int) {
	a.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %d X\n", code)
	for _, name := range []string{"Via", "Record-Route", "From", "To", "Call-ID", "CSeq"} {
		for _, v := range req.all(name) {
			if name == "To" && !strings.Contains(v, "tag=") {
				v += ";tag=uas"
			}
			fmt.Fprintf(&b, "%s: %s\n", name, v)
		}
	}
	a.say(b.String() + "Contact: <sip:bob@127.0.21.7:5060;transport=tcp>\nContent-Length: 0\n\n")
}

// caller connects to the outer listener.
func (r *rig) caller() *streamAgent {
	r.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.11.5")}}
	c, err := d.Dial("tcp", r.out.String())
	if err != nil {
		r.t.Fatal(err)
	}
	return newStreamAgent(r.t, c)
}

func accept(t testing.TB, l net.Listener) *streamAgent {
	t.Helper()
	_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Second))
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return newStreamAgent(t, c)
}

func calleeListener(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.21.7:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// A call over TCP: what is written names the transport, nothing is sent twice, replies and
// the callee's BYE go back by the connection the INVITE came by.
func TestCallOverTCP(t *testing.T) {
	t.Parallel()
	callee := calleeListener(t)
	r := newRig(t, 1, func(a *runtime.Appliance) {
		overStreams(a, "tcp")
		a.Dispatchers[0].Destinations[0].Address = callee.Addr().(*net.TCPAddr).AddrPort()
	})
	alice := r.caller()
	alice.say("\n\n") // a keep-alive
	alice.invite("c1")
	bob := accept(t, callee)
	inv := bob.next()
	if via := inv.get("Via"); !strings.HasPrefix(via, "SIP/2.0/TCP "+r.in.String()+";branch=") {
		t.Errorf("Via: %s", via)
	}
	if rr := inv.all("Record-Route"); len(rr) != 2 || rr[0] != "<sip:"+r.in.String()+";transport=tcp;lr>" || rr[1] != "<sip:"+r.out.String()+";transport=tcp;lr>" {
		t.Errorf("Record-Route: %q", rr)
	}
	pong := make([]byte, 2)
	if _, err := io.ReadFull(alice, pong); err != nil || string(pong) != "\r\n" {
		t.Errorf("pong: %q, %v", pong, err)
	}
	if m := alice.next(); m.code() != 100 {
		t.Errorf("got %s", m.start)
	}
	bob.answer(inv, 180)
	bob.answer(inv, 200)
	for _, code := range []int{180, 200} {
		if m := alice.next(); m.code() != code {
			t.Errorf("got %s, want %d", m.start, code)
		}
	}
	routes := "Route: " + strings.Join(inv.all("Record-Route"), ", ") + "\n"
	bob.say(fmt.Sprintf("BYE sip:alice@%s;transport=tcp SIP/2.0\nVia: SIP/2.0/TCP 127.0.21.7;branch=z9hG4bKbye\n%sFrom: <sip:bob@b>;tag=uas\nTo: <sip:alice@a>;tag=1\nCall-ID: c1\nCSeq: 1 BYE\nMax-Forwards: 70\nContent-Length: 0\n\n", alice.LocalAddr(), routes))
	bye := alice.next()
	if bye.method() != "BYE" || len(bye.all("Route")) != 0 {
		t.Fatalf("got %s", bye.raw)
	}
	alice.answer(bye, 200)
	if m := bob.next(); m.code() != 200 {
		t.Errorf("got %s", m.start)
	}
	r.settle(0)
	st := r.e.Stats()
	if n := st.Counters["retransmissions_sent"]; n != 0 {
		t.Errorf("%d retransmissions over TCP", n)
	}
	if st.Listeners[0].Connections.Accepted != 1 || st.Listeners[1].Connections.Dials != 1 {
		t.Errorf("%+v, %+v", st.Listeners[0].Connections, st.Listeners[1].Connections)
	}
}

// A destination that cannot be connected to, or whose connection ends before it replies, is
// left at once: none of the timers that run to 10 s here has a part in it.
func TestLostConnectionFailsOver(t *testing.T) {
	t.Parallel()
	closed := freeTCP(t, "127.0.21.8")
	dies, works := calleeListener(t), calleeListener(t)
	r := newRig(t, 2, func(a *runtime.Appliance) {
		overStreams(a, "tcp")
		a.Dispatchers[0].Destinations[0].Address = closed
		a.Dispatchers[0].Destinations[1].Address = dies.Addr().(*net.TCPAddr).AddrPort()
		a.Dispatchers[1].Destinations[0].Address = works.Addr().(*net.TCPAddr).AddrPort()
		a.Transaction.ReplyTimeout = duration(time.Minute)
		a.Transaction.InviteTimeout = duration(2 * time.Minute)
	})
	alice := r.caller()
	alice.invite("c2")
	first := accept(t, dies)
	if m := first.next(); m.method() != "INVITE" {
		t.Errorf("got %s", m.start)
	}
	_ = first.Close()
	bob := accept(t, works)
	inv := bob.next()
	bob.answer(inv, 486)
	if m := bob.next(); m.method() != "ACK" {
		t.Errorf("got %s", m.start)
	}
	for _, code := range []int{100, 486} {
		if m := alice.next(); m.code() != code {
			t.Errorf("got %s, want %d", m.start, code)
		}
	}
	r.count("transport_failures", 2)
	r.count("failovers", 2)
}

// The last one gone, the caller gets 503.
func TestLostConnectionIsAnswered(t *testing.T) {
	t.Parallel()
	closed := freeTCP(t, "127.0.21.8")
	r := newRig(t, 1, func(a *runtime.Appliance) {
		overStreams(a, "tcp")
		a.Dispatchers[0].Destinations[0].Address = closed
		a.Dispatchers[1].Destinations[0].Address = closed
		a.Transaction.ReplyTimeout = duration(time.Minute)
		a.Transaction.InviteTimeout = duration(2 * time.Minute)
	})
	alice := r.caller()
	alice.invite("c3")
	for _, code := range []int{100, 503} {
		if m := alice.next(); m.code() != code {
			t.Errorf("got %s, want %d", m.start, code)
		}
	}
}

// What cannot be cut into messages is answered with 400 before the connection ends.
func TestStreamWithoutLength(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, func(a *runtime.Appliance) { overStreams(a, "tcp") })
	for _, length := range []string{"", "Content-Length: -3\n", "Content-Length: 1\nContent-Length: 2\n"} {
		alice := r.caller()
		alice.say("OPTIONS sip:x@example.net SIP/2.0\nVia: SIP/2.0/TCP h;branch=z9hG4bKx\nFrom: <sip:a@a>;tag=1\nTo: <sip:b@b>\nCall-ID: x\nCSeq: 1 OPTIONS\nMax-Forwards: 7\n" + length + "\n")
		if m := alice.next(); m.code() != 400 {
			t.Errorf("%q: got %s", length, m.start)
		}
		if _, err := alice.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("%q: the connection goes on: %v", length, err)
		}
	}
}

// certificates makes a CA, and a certificate of it for some addresses, as PEM.
func certificates(t testing.TB, addresses ...string) (caPEM, cert, key []byte) {
	t.Helper()
	make1 := func(tmpl, parent *x509.Certificate, signer *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if signer == nil {
			signer = k
		}
		tmpl.SerialNumber = big.NewInt(time.Now().UnixNano())
		tmpl.NotBefore, tmpl.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &k.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		return der, k
	}
	root := &x509.Certificate{Subject: pkix.Name{CommonName: "CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	rootDER, rootKey := make1(root, root, nil)
	leaf := &x509.Certificate{Subject: pkix.Name{CommonName: "leaf"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	for _, a := range addresses {
		leaf.IPAddresses = append(leaf.IPAddresses, net.ParseIP(a))
	}
	der, k := make1(leaf, root, rootKey)
	kd, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	enc := func(kind string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}) }
	return enc("CERTIFICATE", rootDER), enc("CERTIFICATE", der), enc("PRIVATE KEY", kd)
}

// Another stack at both ends, over TCP and over TLS with certificates that both sides
// verify: calls are answered, refused and ended.
func TestSipgoOverStreams(t *testing.T) {
	for _, transport := range []string{"tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			caPEM, cert, key := certificates(t, "127.0.10.1", "127.0.20.1", "127.0.21.9", "127.0.11.9")
			dir := t.TempDir()
			for name, b := range map[string][]byte{"edge.ca": caPEM, "edge.cert": cert, "edge.key": key} {
				if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("CREDENTIALS_DIRECTORY", dir)
			pair, err := tls.X509KeyPair(cert, key)
			if err != nil {
				t.Fatal(err)
			}
			pool := x509.NewCertPool()
			pool.AppendCertsFromPEM(caPEM)
			peer := &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}

			var seen acks
			callee := streamUAS(t, transport, "127.0.21.9", peer, &seen)
			r := newRig(t, 1, func(a *runtime.Appliance) {
				overStreams(a, transport)
				a.Dispatchers[0].Destinations[0].Address = callee
				for _, name := range []string{"ca", "cert", "key"} {
					a.Secrets = append(a.Secrets, runtime.Secret{Name: name, Credential: "edge." + name})
				}
				for i := range a.Listeners {
					if transport == "tls" {
						a.Listeners[i].TLS = &runtime.TLS{Certificate: "cert", Key: "key", ClientCA: "ca", MinVersion: "1.2"}
					}
				}
			})
			ua, err := sipgo.NewUA(sipgo.WithUserAgenTLSConfig(peer))
			if err != nil {
				t.Fatal(err)
			}
			defer ua.Close()
			cli, err := sipgo.NewClient(ua, sipgo.WithClientHostname("127.0.11.9"), sipgo.WithClientConnectionAddr(freeTCP(t, "127.0.11.9").String()), sipgo.WithClientLogger(slog.New(slog.DiscardHandler)))
			if err != nil {
				t.Fatal(err)
			}
			dialogs := sipgo.NewDialogClientCache(cli, sip.ContactHeader{Address: sip.Uri{Scheme: "sip", User: "alice", Host: "127.0.11.9", Port: 5060}})
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			const calls = 10
			for i := range calls {
				to := sip.Uri{Scheme: "sip", User: "bob", Host: r.out.Addr().String(), Port: int(r.out.Port()), UriParams: sip.NewParams()}
				to.UriParams.Add("transport", transport)
				busy := i%5 == 4
				if busy {
					to.User = "busy"
				}
				d, err := dialogs.Invite(ctx, to, []byte(sdp))
				if err != nil {
					t.Fatalf("INVITE: %v", err)
				}
				err = d.WaitAnswer(ctx, sipgo.AnswerOptions{})
				if busy {
					var refused *sipgo.ErrDialogResponse
					if !errors.As(err, &refused) || refused.Res.StatusCode != 486 {
						t.Errorf("a busy callee gave %v", err)
					}
					d.Close()
					continue
				}
				if err != nil {
					t.Fatalf("answer: %v; %v", err, nonZero(r.e.Stats().Counters))
				}
				if err := d.Ack(ctx); err != nil {
					t.Errorf("ACK: %v", err)
				}
				select {
				case <-seen.of(d.InviteRequest.CallID().Value()):
				case <-ctx.Done():
					t.Fatal("the callee got no ACK")
				}
				if err := d.Bye(ctx); err != nil {
					t.Errorf("BYE: %v", err)
				}
				d.Close()
			}
			r.settle(0)
			st := r.e.Stats()
			if st.Calls.Ended["bye"] != calls*4/5 || st.Calls.Ended["rejected"] != calls/5 || st.Counters["retransmissions_sent"] != 0 {
				t.Errorf("calls ended: %v, counters %v", st.Calls.Ended, nonZero(st.Counters))
			}
			if c := st.Listeners[1].Connections; c.Dials != 1 {
				t.Errorf("connections toward the callee: %+v", c)
			}
		})
	}
}

// A destination over TCP is probed over TCP, and active once it has answered.
func TestProbeOverTCP(t *testing.T) {
	t.Parallel()
	callee := calleeListener(t)
	r := newRig(t, 1, func(a *runtime.Appliance) {
		overStreams(a, "tcp")
		d := &a.Dispatchers[0]
		d.Destinations[0].Address = callee.Addr().(*net.TCPAddr).AddrPort()
		d.Destinations[0].URI = "sip:" + callee.Addr().String() + ";transport=tcp"
		d.Destinations[0].State = "probing"
		d.Probe = &runtime.Probe{Interval: duration(200 * time.Millisecond), Timeout: duration(150 * time.Millisecond), FailThreshold: 3, RecoverThreshold: 1,
			From: "sip:probe@127.0.20.1", Accept: []runtime.CodeSpan{{First: 200, Last: 299}}}
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.e.Probe(ctx) }()
	defer func() { cancel(); <-done }()
	bob := accept(t, callee)
	for range 50 {
		m := bob.next()
		if !strings.HasPrefix(m.start, "OPTIONS ") {
			t.Fatalf("got %s", m.start)
		}
		if via := m.get("Via"); !strings.HasPrefix(via, "SIP/2.0/TCP "+r.in.String()+";branch=") {
			t.Fatalf("Via: %s", via)
		}
		bob.answer(m, 200)
		if r.e.sets.Destinations()[0].State().TakesCalls() {
			return
		}
	}
	t.Errorf("50 probes were answered, and the destination is %v", r.e.sets.Destinations()[0].State())
}
