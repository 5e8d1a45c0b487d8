package media

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trunkline/proxy/media"
	"trunkline/proxy/media/mediatest"
)

const (
	calls    = 2000
	together = 100
)

func describing(version int) string {
	return mediatest.Description(netip.MustParseAddrPort("127.0.0.1:4000"), version)
}

// behave is a callee, told by the caller's X-End what to do.
func behave(ctx context.Context) func(*agent, *message) {
	return func(a *agent, inv *message) {
		in := a.open(inv.get("call-id"))
		until := func(within time.Duration, repeat func(), method string) *message {
			return await(ctx, in, within, repeat, func(m *message) bool {
				if m.code() == 0 && m.method() == "INVITE" && m.get("cseq") != inv.get("cseq") { // a re-INVITE
					a.reply(m, 200, describing(2))
				}
				return m.code() == 0 && m.method() == method
			})
		}
		answer := func() {
			ok := func() { a.reply(inv, 200, describing(1)) }
			ok()
			until(3*time.Second, ok, "ACK")
		}
		switch inv.get("x-end") {
		case "silence":
		case "busy":
			a.reply(inv, 486, "")
		case "early, then busy":
			a.reply(inv, 183, describing(1))
			a.reply(inv, 486, "")
		case "rings for ever":
			a.reply(inv, 180, "")
		case "cancelled":
			a.reply(inv, 183, describing(1))
			if c := until(4*time.Second, nil, "CANCEL"); c != nil {
				a.reply(c, 200, "")
				a.reply(inv, 487, "")
			}
		case "BYE without an answer":
			answer()
		default:
			a.reply(inv, 183, describing(1))
			a.reply(inv, 180, "")
			answer()
			if bye := until(10*time.Second, nil, "BYE"); bye != nil {
				a.reply(bye, 200, "")
			}
		}
	}
}

// ways are what callers do; those whose INVITE must be answered count what was not.
var ways = []struct {
	end      string
	answered bool
	run      func(ctx context.Context, d *dialog, ok *message)
}{
	{"silence", false, nil},
	{"busy", false, nil},
	{"early, then busy", false, nil},
	{"rings for ever", false, nil},
	{"cancelled", false, nil},
	{"cancelled at once", false, nil},
	{"BYE without an answer", true, func(ctx context.Context, d *dialog, _ *message) { d.bye(ctx, 500*time.Millisecond) }},
	{"BYE", true, func(ctx context.Context, d *dialog, _ *message) { d.bye(ctx, 5*time.Second) }},
	{"re-INVITE", true, func(ctx context.Context, d *dialog, _ *message) {
		d.cseq++
		if m := d.final(ctx, "INVITE", "", describing(2), 5*time.Second, nil); m != nil && m.code() == 200 {
			d.send(target, d.build("ACK", "a2", "", ""))
		}
		d.bye(ctx, 5*time.Second)
	}},
	{"never ended", true, func(context.Context, *dialog, *message) {}},
}

func (d *dialog) bye(ctx context.Context, within time.Duration) {
	d.cseq++
	d.final(ctx, "BYE", "", "", within, nil)
}

// place makes one call. It reports whether the call went as it should.
func place(ctx context.Context, a *agent, id string, n int) string {
	w := ways[n]
	d := a.call(id)
	body := describing(1)
	if w.answered && n%2 == 1 && w.end == "BYE" && len(id)%2 == 0 {
		body = "" // the callee offers
	}
	cancel := sync.OnceFunc(func() { d.send(target, d.build("CANCEL", "r1", "", "")) })
	extra := "X-End: " + w.end + "\r\n"
	if w.end == "cancelled at once" {
		time.AfterFunc(3*time.Millisecond, cancel)
	}
	wrong := ""
	m := d.final(ctx, "INVITE", extra, body, 15*time.Second, func(p *message) {
		if strings.Contains(p.body, "m=audio 4000") {
			wrong = "a description went around: " + p.start
		}
		if w.end == "cancelled" && p.code() > 100 {
			cancel()
		}
	})
	switch {
	case m == nil:
		return "no final reply"
	case strings.Contains(m.body, "m=audio 4000"):
		return "a description went around: " + m.start
	case wrong != "":
		return wrong
	case m.code() != 200:
		if w.answered {
			return "refused: " + m.start
		}
		return ""
	}
	d.established(m)
	ack := ""
	if body == "" {
		ack = describing(1)
	}
	d.send(target, d.build("ACK", "a1", "", ack))
	if w.run != nil {
		w.run(ctx, d, m)
	} else { // it was answered before the CANCEL came
		d.bye(ctx, 5*time.Second)
	}
	return ""
}

// Calls that end in every way in random order, while an instance dies and comes back and sbcd
// is killed twice: no instance holds a session in the end, and nothing is left in sbcd.
func TestEveryEnd(t *testing.T) {
	one, two := mediatest.Start(t), mediatest.Start(t)
	s := newService(t, one.Control, two.Control)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, at := range []string{"127.93.0.21:5060", "127.93.0.22:5060"} {
		newAgent(t, at, behave(ctx))
	}
	a := newAgent(t, "127.93.0.10:5060", func(*agent, *message) {})
	var wg sync.WaitGroup
	var done atomic.Int64
	var mu sync.Mutex
	wrong := map[string]int{}
	next := make(chan int)
	for range together {
		wg.Go(func() {
			for n := range next {
				way := rand.N(len(ways))
				if why := place(ctx, a, fmt.Sprintf("call%d", n), way); why != "" {
					mu.Lock()
					wrong[ways[way].end+": "+why]++
					mu.Unlock()
				}
				done.Add(1)
			}
		})
	}
	for n := range calls {
		switch n {
		case calls / 5:
			one.Kill()
		case 3 * calls / 5:
			one.Begin()
		case 2 * calls / 5, 4 * calls / 5:
			s.kill()
			s.start()
		}
		next <- n
	}
	close(next)
	wg.Wait()
	t.Logf("%d calls, %d of them not as they should be: %v", done.Load(), len(wrong), wrong)
	for why, n := range wrong {
		t.Errorf("%d calls: %s", n, why)
	}
	for until := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		st := s.stats()
		m := st.Media
		left := int64(m.Deletes+m.Waiting) + st.Calls.Live + int64(st.Transactions.Live)
		for _, i := range m.Instances {
			left += i.Sessions
		}
		if left += int64(len(one.Sessions()) + len(two.Sessions())); left == 0 {
			t.Logf("nothing is left; calls ended %v", st.Calls.Ended)
			return
		}
		if time.Now().After(until) {
			t.Fatalf("%d at the instances, %d calls, %d transactions are left; %+v", len(one.Sessions())+len(two.Sessions()), st.Calls.Live, st.Transactions.Live, m)
		}
	}
}

// Media goes through an instance both ways, and the instance counts it.
func TestMediaFlows(t *testing.T) {
	d := mediatest.Start(t)
	mediaFlows(t, d, newService(t, d.Control))
}

// mediaFlows makes a call through a daemon, with media both ways, and ends it.
func mediaFlows(t *testing.T, d *mediatest.Daemon, s *service) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	socket := func() (*net.UDPConn, netip.AddrPort) {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c, c.LocalAddr().(*net.UDPAddr).AddrPort()
	}
	mine, mineAt := socket()
	theirs, theirsAt := socket()
	offered := make(chan *message, 1)
	callee := func(a *agent, inv *message) {
		in := a.open(inv.get("call-id"))
		offered <- inv
		ok := func() { a.reply(inv, 200, mediatest.Description(theirsAt, 1)) }
		ok()
		await(ctx, in, patience, ok, func(m *message) bool { return m.method() == "ACK" })
		if bye := await(ctx, in, patience, nil, func(m *message) bool { return m.method() == "BYE" }); bye != nil {
			a.reply(bye, 200, "")
		}
	}
	newAgent(t, "127.93.0.21:5060", callee)
	newAgent(t, "127.93.0.22:5060", callee)
	c := newAgent(t, "127.93.0.10:5060", func(*agent, *message) {}).call("flows")
	ok := c.final(ctx, "INVITE", "", mediatest.Description(mineAt, 1), patience, nil)
	if ok == nil || ok.code() != 200 {
		t.Fatalf("INVITE: %+v", ok)
	}
	c.established(ok)
	c.send(target, c.build("ACK", "a1", "", ""))
	toThem, found1 := ok.audio()
	toMe, found2 := (<-offered).audio()
	if !found1 || !found2 || toThem == theirsAt || toMe == mineAt {
		t.Fatalf("audio at %s and %s", toThem, toMe)
	}
	through(t, mine, toThem, theirs, 'x')
	through(t, theirs, toMe, mine, 'y')
	names := d.Sessions()
	if len(names) != 1 {
		t.Fatalf("sessions %q", names)
	}
	b, err := media.Query(ctx, d.Control, names[0])
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(b, []byte("5:bytesi")) - bytes.Count(b, []byte("5:bytesi0e")); n < 2 {
		t.Errorf("bytes of %d streams in %.2000s", n, b)
	}
	c.cseq++
	if m := c.final(ctx, "BYE", "", "", patience, nil); m == nil || m.code() != 200 {
		t.Errorf("BYE: %+v", m)
	}
	for until := time.Now().Add(patience); len(d.Sessions()) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("the session is left; %+v", s.stats().Media)
		}
	}
}

// through sends packets of RTP until one has come through.
func through(t *testing.T, from *net.UDPConn, to netip.AddrPort, at *net.UDPConn, mark byte) {
	t.Helper()
	buf := make([]byte, 2048)
	for n := range 400 {
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
			if k == len(p) && buf[k-1] == mark {
				return
			}
		}
	}
	t.Fatalf("no media came through from %s", from.LocalAddr())
}
