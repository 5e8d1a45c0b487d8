package media_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/media"
	"trunkline/proxy/media/mediatest"
)

const patience = time.Minute

// out is a job that is over.
type out struct {
	tx     uint64
	verb   media.Verb
	result media.Result
	sdp    string
}

type bench struct {
	t    *testing.T
	c    *media.Client
	mu   sync.Mutex
	over []out
}

func start(t *testing.T, m *runtime.Media) *bench {
	t.Helper()
	b := &bench{t: t}
	c, err := media.New(media.Config{Media: m, Calls: 64, Log: slog.New(slog.DiscardHandler), Done: func(_ int, j *media.Job) {
		b.mu.Lock()
		b.over = append(b.over, out{j.Tx, j.Verb, j.Result, string(j.SDP)})
		b.mu.Unlock()
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Open(); err != nil {
		t.Fatal(err)
	}
	b.c = c
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { c.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return b
}

func instance(name string, at netip.AddrPort) runtime.MediaInstance {
	return runtime.MediaInstance{Name: name, Control: []netip.AddrPort{at}, Weight: 1}
}

func config(onFail string, i ...runtime.MediaInstance) *runtime.Media {
	return &runtime.Media{Timeout: runtime.Duration(300 * time.Millisecond), OnFail: onFail, Instances: i}
}

// ask sends a description and reports whether anybody was asked.
func (b *bench) ask(tx, session uint64, verb media.Verb, from media.Side, sdp string) bool {
	b.t.Helper()
	j := b.c.Take(session, int(session), fmt.Appendf(nil, "call-%d", session))
	if j == nil {
		return false
	}
	j.Tx = tx
	return b.c.Describe(j, verb, from, []byte(sdp))
}

// wait gives the job of a number once it is over.
func (b *bench) wait(tx uint64) out {
	b.t.Helper()
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(time.Millisecond) {
		b.mu.Lock()
		for _, o := range b.over {
			if o.tx == tx {
				b.mu.Unlock()
				return o
			}
		}
		b.mu.Unlock()
	}
	b.t.Fatalf("job %d is not over; %+v", tx, b.c.Stats())
	return out{}
}

func (b *bench) until(what string, ok func(media.Stats) bool) {
	b.t.Helper()
	for until := time.Now().Add(patience); !ok(b.c.Stats()); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			b.t.Fatalf("%s: not so; %+v", what, b.c.Stats())
		}
	}
}

// mediaAt is where a description wants its audio.
func mediaAt(t *testing.T, sdp string) netip.AddrPort {
	t.Helper()
	_, after, ok := strings.Cut(sdp, "\nm=audio ")
	var port uint16
	if _, err := fmt.Sscan(after, &port); !ok || err != nil {
		t.Fatalf("no audio in %q", sdp)
	}
	_, after, _ = strings.Cut(sdp, "\nc=IN IP4 ")
	return netip.AddrPortFrom(netip.MustParseAddr(strings.Fields(after)[0]), port)
}

func udp(t *testing.T) (*net.UDPConn, netip.AddrPort) {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// rtp sends packets to an address until one with the mark comes in at the other end.
func rtp(t *testing.T, from *net.UDPConn, to netip.AddrPort, at *net.UDPConn, mark byte) {
	t.Helper()
	buf := make([]byte, 2048)
	for n := range 200 {
		p := append([]byte{0x80, 8, 0, byte(n), 0, 0, 0, byte(n), 1, 2, 3, mark}, bytes.Repeat([]byte{mark}, 160)...)
		if _, err := from.WriteToUDPAddrPort(p, to); err != nil {
			t.Fatal(err)
		}
		_ = at.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		for {
			k, _, err := at.ReadFromUDPAddrPort(buf)
			if err != nil {
				break
			}
			if k == 172 && buf[171] == mark {
				return
			}
		}
	}
	t.Errorf("no media came through from %s", from.LocalAddr())
}

// A call through the daemon: offer, answer, media both ways, an offer by the callee, a second
// answer from another branch, and the delete.
func TestCall(t *testing.T) {
	d := mediatest.Start(t)
	b := start(t, config("next", instance("m1", d.Control)))
	alice, aliceAt := udp(t)
	bob, bobAt := udp(t)
	carol, carolAt := udp(t)
	if !b.ask(1, 7, media.Offer, media.Caller, mediatest.Description(aliceAt, 1)) {
		t.Fatal("nobody to ask")
	}
	offer := b.wait(1)
	b.ask(2, 7, media.Answer, media.Callee, mediatest.Description(bobAt, 1))
	answer := b.wait(2)
	if offer.result != media.OK || answer.result != media.OK {
		t.Fatalf("offer %+v, answer %+v", offer, answer)
	}
	toBob, toAlice := mediaAt(t, answer.sdp), mediaAt(t, offer.sdp)
	if toBob == bobAt || toAlice == aliceAt {
		t.Fatal("a description was not rewritten")
	}
	rtp(t, alice, toBob, bob, 'x')
	rtp(t, bob, toAlice, alice, 'y')

	// Another branch answers after it: the last answer counts, at the address of the offer.
	b.ask(3, 7, media.Answer, media.Callee, mediatest.Description(carolAt, 1))
	toCarol := mediaAt(t, b.wait(3).sdp)
	rtp(t, alice, toCarol, carol, 'z')

	// The callee offers.
	b.ask(4, 7, media.Offer, media.Callee, mediatest.Description(carolAt, 2))
	b.ask(5, 7, media.Answer, media.Caller, mediatest.Description(aliceAt, 2))
	again, back := b.wait(4), b.wait(5)
	if again.result != media.OK || back.result != media.OK {
		t.Fatalf("offer of the callee %+v, answer %+v", again, back)
	}
	rtp(t, carol, mediaAt(t, back.sdp), alice, 'v')

	if s := d.Sessions(); len(s) != 1 || len(s[0]) != 33 {
		t.Errorf("sessions %q", s)
	}
	if st := b.c.Stats(); st.Instances[0].Sessions != 1 {
		t.Errorf("%+v", st)
	}
	b.c.End(7, 7)
	b.until("deleted", func(s media.Stats) bool { return s.Deletes == 0 })
	if s := d.Sessions(); len(s) != 0 {
		t.Errorf("left %q", s)
	}
	if st := b.c.Stats(); st.Instances[0].Sessions != 0 || st.Instances[0].Commands["delete"]["ok"] != 1 {
		t.Errorf("%+v", st)
	}
}

// What the peer would have media take around the instance is not in what it writes.
func TestICE(t *testing.T) {
	d := mediatest.Start(t)
	b := start(t, config("next", instance("m1", d.Control)))
	sdp := mediatest.Description(netip.MustParseAddrPort("127.0.0.9:4000"), 1) +
		"a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=candidate:1 1 UDP 2130706431 127.0.0.9 4000 typ host\r\n"
	b.ask(1, 1, media.Offer, media.Caller, sdp)
	if o := b.wait(1); o.result != media.OK || !strings.Contains(o.sdp, "a=candidate") || strings.Contains(o.sdp, "127.0.0.9") {
		t.Errorf("%+v", o)
	}
	b.c.End(1, 1)
}

// Between IPv4 and IPv6 each side gets addresses of its own family.
func TestFamily(t *testing.T) {
	d := mediatest.Start(t)
	b := start(t, config("next", instance("m1", d.Control)))
	j := b.c.Take(1, 1, []byte("call-1"))
	j.Tx, j.Family = 1, 6
	if !b.c.Describe(j, media.Offer, media.Caller, []byte(mediatest.Description(netip.MustParseAddrPort("127.0.0.1:4000"), 1))) {
		t.Fatal("refused")
	}
	if o := b.wait(1); !strings.Contains(o.sdp, "c=IN IP6 ::1\r\n") {
		t.Errorf("%+v", o)
	}
	j = b.c.Take(1, 1, []byte("call-1"))
	j.Tx, j.Family = 2, 4
	if !b.c.Describe(j, media.Answer, media.Callee, []byte("v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 ::1\r\nt=0 0\r\nm=audio 5000 RTP/AVP 8\r\n")) {
		t.Fatal("refused")
	}
	if o := b.wait(2); !strings.Contains(o.sdp, "c=IN IP4 127.0.0.1\r\n") {
		t.Errorf("%+v", o)
	}
	b.c.End(1, 1)
}

func TestRefused(t *testing.T) {
	d := mediatest.Start(t)
	b := start(t, config("next", instance("m1", d.Control)))
	b.ask(1, 1, media.Offer, media.Caller, "this is no description")
	if o := b.wait(1); o.result != media.Refused {
		t.Errorf("%+v", o)
	}
	if b.ask(2, 2, media.Answer, media.Callee, "x") {
		t.Error("an answer without an offer found an instance")
	}
	b.c.End(1, 1)
	b.until("deleted", func(s media.Stats) bool { return s.Deletes == 0 })
}

// Jobs of one order come out in their order, those held among them.
func TestOrder(t *testing.T) {
	d := mediatest.Start(t)
	b := start(t, config("next", instance("m1", d.Control)))
	b.ask(1, 3, media.Offer, media.Caller, mediatest.Description(netip.MustParseAddrPort("127.0.0.1:4000"), 1))
	b.wait(1)
	const n = 200
	for i := range uint64(n) {
		j := b.c.Take(3, 3, []byte("call-3"))
		j.Tx, j.Order = 10+i, 99
		ok := false
		if i%3 == 0 {
			ok = b.c.Describe(j, media.Answer, media.Callee, []byte(mediatest.Description(netip.MustParseAddrPort("127.0.0.1:5000"), 1)))
		} else {
			ok = b.c.Hold(j)
		}
		if !ok {
			t.Fatal("refused")
		}
	}
	b.wait(10 + n - 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, o := range b.over[1:] {
		if o.tx != uint64(10+i) {
			t.Fatalf("place %d: job %d", i, o.tx-10)
		}
	}
	b.c.End(3, 3)
}

// An instance that is no more: offers go to the other one, sessions with it, and what it had is deleted
// once it is back.
func TestInstanceLost(t *testing.T) {
	d1, d2 := mediatest.Start(t), mediatest.Start(t)
	b := start(t, config("next", instance("m1", d1.Control), instance("m2", d2.Control)))
	sdp := mediatest.Description(netip.MustParseAddrPort("127.0.0.1:4000"), 1)
	at := map[int]int{}
	for i := range uint64(40) {
		b.ask(100+i, i+1, media.Offer, media.Caller, sdp)
		if o := b.wait(100 + i); o.result != media.OK {
			t.Fatalf("%+v", o)
		}
		at[b.c.Session(i+1, int(i+1)).Instance]++
	}
	if at[0] == 0 || at[1] == 0 {
		t.Fatalf("calls are at %v", at)
	}
	d1.Kill()
	for i := range uint64(20) { // some meet the instance before it is known to be down
		b.ask(200+i, i+41, media.Offer, media.Caller, sdp)
		if o := b.wait(200 + i); o.result != media.OK {
			t.Fatalf("%+v; %+v", o, b.c.Stats())
		}
		if n := b.c.Session(i+41, int(i+41)).Instance; n != 1 {
			t.Fatalf("a new call is at %d", n)
		}
	}
	b.until("down", func(s media.Stats) bool { return !s.Instances[0].Up && s.Instances[1].Up })
	for i := range uint64(40) { // a re-INVITE takes the session along
		b.ask(300+i, i+1, media.Offer, media.Callee, sdp)
		if o := b.wait(300 + i); o.result != media.OK {
			t.Fatalf("%+v", o)
		}
	}
	if n := len(d2.Sessions()); n != 60 {
		t.Errorf("%d sessions at the other one", n)
	}
	for i := range uint64(60) {
		b.c.End(i+1, int(i+1))
	}
	d1.Begin()
	b.until("up, nothing left", func(s media.Stats) bool {
		return s.Instances[0].Up && s.Deletes == 0 && s.Instances[0].Sessions == 0 && s.Instances[1].Sessions == 0
	})
	if n := len(d1.Sessions()) + len(d2.Sessions()); n != 0 {
		t.Errorf("%d sessions left", n)
	}
}

// An instance that says nothing: with on_fail "reject" its calls are refused, commands are
// repeated once, with the same cookie.
func TestSilent(t *testing.T) {
	conn, at := udp(t)
	b := start(t, config("reject", instance("m1", at)))
	b.ask(1, 1, media.Offer, media.Caller, "v=0\r\n")
	seen := map[string]int{}
	buf := make([]byte, 4096)
	go func() {
		for {
			n, _, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if strings.Contains(string(buf[:n]), "5:offer") {
				b.mu.Lock()
				seen[string(buf[:n])]++
				b.mu.Unlock()
			}
		}
	}()
	if o := b.wait(1); o.result != media.Lost {
		t.Errorf("%+v", o)
	}
	b.mu.Lock()
	if len(seen) != 1 {
		t.Errorf("commands %v", seen)
	}
	for _, n := range seen {
		if n != 2 {
			t.Errorf("sent %d times", n)
		}
	}
	b.mu.Unlock()
	b.until("down", func(s media.Stats) bool { return !s.Instances[0].Up })
	if b.ask(2, 2, media.Offer, media.Caller, "v=0\r\n") {
		t.Error("an instance that is down was asked")
	}
}

// The cap of an instance holds, and a call that ends makes room.
func TestMaxSessions(t *testing.T) {
	d := mediatest.Start(t)
	i := instance("m1", d.Control)
	i.MaxSessions = 2
	b := start(t, config("next", i))
	sdp := mediatest.Description(netip.MustParseAddrPort("127.0.0.1:4000"), 1)
	for n := range uint64(2) {
		if !b.ask(n+1, n+1, media.Offer, media.Caller, sdp) {
			t.Fatal("refused")
		}
		b.wait(n + 1)
	}
	if b.ask(3, 3, media.Offer, media.Caller, sdp) {
		t.Error("a third call of two was taken")
	}
	b.c.End(1, 1)
	if !b.ask(4, 4, media.Offer, media.Caller, sdp) {
		t.Error("no room after one has ended")
	}
	b.wait(4)
}
