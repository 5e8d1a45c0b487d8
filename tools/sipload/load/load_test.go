package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"trunkline/tools/sipload/result"
)

const ms = time.Millisecond

// Straight from one side to the other nothing is lost, and every counter is exact.
func TestStraight(t *testing.T) {
	second := Step{Rate: 300, Warmup: 200 * ms, Duration: 800 * ms}
	for _, c := range []struct {
		name   string
		change func(*Options)
		step   Step
		want   func(*result.Run) bool
	}{
		{"call", func(o *Options) { o.Ring, o.Hold = 5*ms, 20*ms }, second, func(r *result.Run) bool {
			return r.Caller.Started == 300 && r.Caller.Completed == 300 && r.Callee.Invites == 300 && r.Callee.Completed == 300 &&
				r.Window.Calls > 0 && r.Window.Calls <= 300 && r.Latency["invite_200"].Count == 240 && r.Latency["bye_200"].Count == 240 &&
				r.Latency["invite_200"].Min >= 4990 && r.Latency["invite_100"].Count == 0 && r.Sockets.Sent == 1800 && r.Sockets.Received == 1800
		}},
		{"burst from many sockets", func(o *Options) { o.Flow, o.Ring, o.Sockets = FlowBurst, time.Hour, 50 }, Step{Rate: 2000, Duration: 500 * ms}, func(r *result.Run) bool {
			return r.Caller.Completed == 1000 && r.Caller.OutOfOrder == 0 && r.Latency["invite_180"].Count == 1000
		}},
		{"most calls", func(*Options) {}, Step{Rate: 300, Duration: time.Minute, Calls: 30}, func(r *result.Run) bool { return r.Caller.Completed == 30 }},
		{"groups", func(*Options) {}, Step{Rate: 400, Duration: 500 * ms, Group: 50}, func(r *result.Run) bool {
			// Those of a group that are sent after the first ones count their wait.
			return r.Caller.Completed == 200 && r.Latency["schedule_lag"].Count == 200
		}},
		{"refused", func(o *Options) { o.Flow = FlowReject }, second, func(r *result.Run) bool {
			return r.Caller.Rejected == 300 && r.Callee.Rejected == 300 && r.Latency["invite_refused"].Count == 240 && r.Caller.Failed == 0
		}},
		{"a share refused", func(o *Options) { o.Reject, o.RejectShare = 603, 0.1 }, second, func(r *result.Run) bool {
			return r.Caller.Rejected == 30 && r.Caller.Completed == 270
		}},
		{"a share cancelled", func(o *Options) { o.CancelShare, o.CancelAfter, o.Ring = 0.2, 5*ms, time.Second }, second, func(r *result.Run) bool {
			return r.Caller.Cancelled == 60 && r.Callee.Cancelled == 60 && r.Caller.Completed == 240
		}},
		{"OPTIONS", func(o *Options) { o.Flow = FlowOptions }, second, func(r *result.Run) bool {
			return r.Caller.Completed == 300 && r.Callee.Options == 300 && r.Callee.Invites == 0 && r.Latency["options_final"].Count == 240
		}},
		{"IPv6", func(o *Options) {
			o.Target, o.Caller, o.Callees = ap("[::1]:50140"), ap("[::1]:0"), []netip.AddrPort{ap("[::1]:50140")}
		}, second, func(r *result.Run) bool { return r.Caller.Completed == 300 }},
		{"large", func(o *Options) { o.Texts.BodySize, o.Texts.Headers = 3000, []string{"X-A: b"} }, second, func(r *result.Run) bool {
			return r.Caller.Completed == 300 && r.Sockets.SentBytes > 300*(3000+3000)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := straight("1")
			c.change(&o)
			r := measure(t, o, c.step)
			wantClean(t, r)
			if !c.want(r) {
				b, err := json.MarshalIndent(r, "", " ")
				t.Errorf("%s %v", b, err)
			}
		})
	}
}

// A relay that loses every nth datagram: what is lost is sent again, counted, and
// every call comes to its end.
func TestLossIsMadeGoodAndCounted(t *testing.T) {
	passed := 0
	o := relayed(t, "2", hasty, func(_ bool, b []byte, pass func([]byte)) {
		if passed++; passed%17 != 0 {
			pass(b)
		}
	})
	o.Hold = 100 * ms
	r := measure(t, o, Step{Rate: 200, Duration: time.Second})
	if r.Clean() || r.Caller.Completed != 200 || r.Callee.Completed != 200 || r.Caller.Failed != 0 {
		t.Errorf("%+v\n%+v\n%q", r.Caller, r.Callee, r.Problems)
	}
	if made := r.Caller.Retransmissions.Sum() + r.Callee.Retransmissions; made < 20 {
		t.Errorf("%d messages sent again, although about 70 were lost", made)
	}
	if len(r.Caller.Unexpected)+len(r.Callee.Unexpected) != 0 {
		t.Errorf("unexpected: %v %v\n%s", r.Caller.Unexpected, r.Callee.Unexpected, strings.Join(r.Samples, "\n---\n"))
	}
}

// callID is the Call-ID of a message of ours.
func callID(b []byte) string {
	_, rest, _ := bytes.Cut(b, []byte("\r\nCall-ID: "))
	id, _, _ := bytes.Cut(rest, []byte("\r\n"))
	return string(id)
}

// A relay that lets every 200 pass before its 180.
func TestDisorderIsCounted(t *testing.T) {
	held := map[string][]byte{}
	o := relayed(t, "3", patient, func(down bool, b []byte, pass func([]byte)) {
		switch {
		case !down && bytes.HasPrefix(b, []byte("SIP/2.0 180")):
			held[callID(b)] = bytes.Clone(b)
		case !down && bytes.Contains(b, []byte("\r\nCSeq: 1 INVITE\r\n")):
			pass(b)
			pass(held[callID(b)])
		default:
			pass(b)
		}
	})
	o.Flow = FlowBurst
	r := measure(t, o, Step{Rate: 200, Duration: 500 * ms})
	if r.Caller.OutOfOrder != 100 || r.Caller.Unrung != 100 || r.Caller.Completed != 100 || r.Clean() || !strings.Contains(strings.Join(r.Problems, "\n"), "100 provisional responses") {
		t.Errorf("%+v\n%q", r.Caller, r.Problems)
	}
}

// A proxy that stalls is charged with the calls that had to wait: latencies count
// from the schedule, and calls start on it.
func TestAStallShowsInEveryLatency(t *testing.T) {
	const calls = 100
	var held [][]byte
	o := relayed(t, "4", patient, func(down bool, b []byte, pass func([]byte)) {
		if !down || !bytes.HasPrefix(b, []byte("INVITE ")) {
			pass(b)
			return
		}
		if held = append(held, bytes.Clone(b)); len(held) == calls { // the last one frees all
			for _, h := range held {
				pass(h)
			}
		}
	})
	r := measure(t, o, Step{Rate: 200, Duration: 500 * ms})
	l := r.Latency["invite_200"]
	if l.Count != calls || r.Caller.Completed != calls {
		t.Fatalf("%+v", r.Caller)
	}
	// Call k waits for the last one, (99-k)*5 ms later: the median is 250 ms at least.
	if l.P50 < 240_000 || l.P90 < 440_000 || l.Max < 490_000 {
		t.Errorf("%+v", l)
	}
}

func TestNobodyThere(t *testing.T) {
	o := straight("5")
	o.Callees, o.Timers = nil, hasty
	r := measure(t, o, Step{Rate: 100, Duration: 100 * ms})
	// Each INVITE is sent again six times, five on a machine so busy that the call is given up before.
	if again := r.Caller.Retransmissions.INVITE; r.Caller.Failed != 10 || r.Caller.Timeouts.INVITE != 10 || again < 50 || again > 60 ||
		!strings.Contains(strings.Join(r.Problems, "\n"), "check that the proxy listens there") || r.Callee != nil {
		t.Errorf("%+v\n%q", r.Caller, r.Problems)
	}
}

// One engine places the calls and another one answers them.
func TestSidesInTwoEngines(t *testing.T) {
	o := straight("6")
	o.Timers = patient
	callees := Options{Callees: o.Callees, Timers: patient}
	down, err := Open(callees, 200, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer down.Close()
	ctx, stop := context.WithCancel(context.Background())
	answered := make(chan *result.Run)
	go func() {
		r, err := down.Run(ctx, Step{Rate: 0, Duration: time.Minute})
		if err != nil {
			t.Error(err)
		}
		answered <- r
	}()
	o.Callees = nil
	up := measure(t, o, Step{Rate: 200, Duration: 500 * ms})
	stop()
	r := <-answered
	wantClean(t, up)
	if r == nil || up.Caller.Completed != 100 || r.Callee.Completed != 100 || r.Caller != nil || r.Seconds > 50 {
		t.Errorf("%+v\n%+v", up.Caller, r)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, stop := context.WithTimeout(context.Background(), 200*ms)
	defer stop()
	o := straight("7")
	e, err := Open(o, 100, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	r, err := e.Run(ctx, Step{Rate: 100, Duration: time.Minute})
	if err != nil || r.Clean() || !strings.Contains(r.Problems[0], "interrupted") || r.Seconds > 50 || r.Caller.Failed != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if err := e.Idle(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Idle: %v", err)
	}
}

func TestRamp(t *testing.T) {
	// Loses the first INVITE of every call beyond the 60th: the steps at 100, 200 and
	// 300 a second have 20, 40 and 60 calls.
	calls := map[string]bool{}
	o := relayed(t, "8", hasty, func(down bool, b []byte, pass func([]byte)) {
		if down && bytes.HasPrefix(b, []byte("INVITE ")) && !calls[callID(b)] {
			if calls[callID(b)] = true; len(calls) > 60 {
				return
			}
		}
		pass(b)
	})
	o.Timers.T1, o.Timers.T2 = time.Second, 2*time.Second
	e, err := Open(o, 500, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var seen []float64
	ramp := Ramp{From: 100, To: 500, Step: 100, Duration: 200 * ms, Precise: true, Pause: ms}
	r, err := ramp.Run(context.Background(), e, func(s *result.Run) { seen = append(seen, s.Rate) })
	if err != nil {
		t.Fatal(err)
	}
	// The halving finds nothing clean any more.
	if r.Knee != 200 || r.Limit || len(r.Steps) != len(seen) || len(seen) < 5 || fmt.Sprint(seen[:5]) != "[100 200 300 250 225]" {
		t.Errorf("knee %g, at end %t, steps %v", r.Knee, r.Limit, seen)
	}
	for _, s := range r.Steps {
		if s.Caller.Failed != 0 {
			t.Errorf("%g a second: %q", s.Rate, s.Problems)
		}
	}
	o = straight("9")
	e2, err := Open(o, 200, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer e2.Close()
	r, err = Ramp{From: 100, To: 200, Step: 50, Duration: 100 * ms, Pause: ms}.Run(context.Background(), e2, func(*result.Run) {})
	if err != nil || r.Knee != 200 || !r.Limit || len(r.Steps) != 3 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestGarbage(t *testing.T) {
	target := ap("127.0.140.10:5061")
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(target))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const n = 1000
	roomFor(t, conn, 8<<20) // all of it: nothing is lost, however long this process has to wait for a CPU
	flood := func(seed uint64) (texts map[string]int, from map[netip.Addr]int, r *result.Run) {
		o := Options{Flow: FlowGarbage, Target: target, Caller: ap("127.0.140.10:0"), Seed: seed}
		texts, from = map[string]int{}, map[netip.Addr]int{}
		done := make(chan struct{})
		if err := conn.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		go func() {
			defer close(done)
			buf := make([]byte, 1<<16)
			for range n {
				k, src, err := conn.ReadFromUDPAddrPort(buf)
				if err != nil {
					return // the run is over
				}
				texts[string(buf[:k])]++
				from[src.Addr()]++
				if len(texts) == 1 {
					_, _ = conn.WriteToUDPAddrPort([]byte("SIP/2.0 400 Bad\r\n\r\n"), src)
					_, _ = conn.WriteToUDPAddrPort([]byte("what?"), src)
				}
			}
		}()
		r = measure(t, o, Step{Rate: 5_000, Duration: time.Minute, Calls: n})
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		<-done
		return texts, from, r
	}
	// What the loopback loses while this process waits for a CPU is sent once more, all of it.
	sent := func(seed uint64) (texts map[string]int, from map[netip.Addr]int, r *result.Run) {
		for range 5 {
			texts, from, r = flood(seed)
			got := 0
			for _, k := range texts {
				got += k
			}
			if got == n {
				return texts, from, r
			}
			t.Logf("%d of %d datagrams arrived: again", got, n)
		}
		t.Fatal("datagrams are lost each time")
		return nil, nil, nil
	}
	texts, from, r := sent(1)
	if len(from) != 64 || len(texts) < n/2 {
		t.Errorf("%d texts from %d addresses", len(texts), len(from))
	}
	for a := range from {
		if !DefaultSources.Contains(a) {
			t.Errorf("garbage came from %v", a)
		}
	}
	if r.Flood.Sent["random"] != n/5 || r.Flood.Replies["400"] == 0 || r.Flood.Other == 0 || !r.Clean() {
		t.Errorf("%+v %q", r.Flood, r.Problems)
	}
	again, _, _ := sent(1)
	if fmt.Sprint(again) != fmt.Sprint(texts) {
		t.Error("the same seed gave other garbage")
	}
	if other, _, _ := sent(2); fmt.Sprint(other) == fmt.Sprint(texts) {
		t.Error("another seed gave the same garbage")
	}
}

// roomFor gives a socket room for so many bytes, beyond the system's bound where the test may do so.
func roomFor(t *testing.T, conn *net.UDPConn, bytes int) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var forced error
	if err := raw.Control(func(fd uintptr) {
		forced = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, bytes)
	}); err != nil {
		t.Fatal(err)
	}
	if forced == nil {
		return
	}
	if err := conn.SetReadBuffer(bytes); err != nil {
		t.Fatal(err)
	}
}

func TestWatching(t *testing.T) {
	o := straight("11")
	o.Watch = os.Getpid()
	r := measure(t, o, Step{Rate: 500, Duration: time.Second})
	wantClean(t, r)
	if w := r.CPU.Watched; w == nil || w.User+w.System <= 0 || w.Resident == 0 || w.Threads == 0 || r.CPU.Self.PerThousand <= 0 || r.Sockets.TargetDrops == nil || r.Sockets.TargetSockets < 2 {
		t.Errorf("%+v %+v", r.CPU, r.Sockets)
	}
	o.Watch = 1 << 30
	e, err := Open(o, 10, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := e.Run(context.Background(), Step{Rate: 10, Duration: 100 * ms}); err == nil || !strings.Contains(err.Error(), "does not run") {
		t.Errorf("%v", err)
	}
}

func TestRunsAllocateNothingPerCall(t *testing.T) {
	allocations := func(rate float64) (n uint64) {
		o := straight("12")
		e, err := Open(o, 20_000, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := e.Run(context.Background(), Step{Rate: rate, Duration: 500 * ms})
		if err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		wantClean(t, r)
		return after.Mallocs - before.Mallocs
	}
	few, many := allocations(100), allocations(10_000)
	if per := (float64(many) - float64(few)) / (5000 - 50); per > 0.05 {
		t.Errorf("%.2f allocations per call (%d for 50 calls, %d for 5000)", per, few, many)
	}
}

func TestOptionsSayWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		change func(*Options)
		says   string
	}{
		{func(o *Options) { o.Flow = "x" }, "write one of call"},
		{func(o *Options) { o.Target, o.Callees = netip.AddrPort{}, nil }, "--target ADDRESS:PORT"},
		{func(o *Options) { o.Caller = netip.AddrPort{} }, "--uac"},
		{func(o *Options) { o.Target = ap("8.8.8.8:5060") }, "neither a loopback nor a private address"},
		{func(o *Options) { o.Callees = []netip.AddrPort{ap("203.0.113.1:5060")} }, "callee 203.0.113.1:5060"},
		{func(o *Options) { o.Caller = ap("[::1]:1") }, "one is IPv4, the other IPv6"},
		{func(o *Options) { o.Target = ap("127.0.0.1:0") }, "no port"},
		{func(o *Options) { o.Sockets = MaxSockets + 1 }, "at most 4096"},
		{func(o *Options) { o.Sockets, o.Caller = 10, ap("127.0.0.1:65530") }, "below port 65536"},
		{func(o *Options) { o.Hold = 2 * time.Hour }, "hold time"},
		{func(o *Options) { o.Reject = 200 }, "300 to 699"},
		{func(o *Options) { o.RejectShare = 2 }, "from 0 to 1"},
		{func(o *Options) { o.RejectShare = 1 }, "--reject"},
		{func(o *Options) { o.CancelShare = 1 }, "--ring"},
		{func(o *Options) { o.CancelShare, o.Flow = 1, FlowReject }, "--flow call"},
		{func(o *Options) { o.Timers.T1 = 1 }, "at least 1 ms"},
		{func(o *Options) { o.Watch = -1 }, "process id"},
		{func(o *Options) { o.Texts.Headers = []string{"x"} }, "Name: value"},
		{func(o *Options) { o.Flow, o.Sources = FlowGarbage, netip.MustParsePrefix("8.0.0.0/8") }, "loopback or private"},
		{func(o *Options) { o.Flow, o.Sources = FlowGarbage, netip.MustParsePrefix("127.0.0.0/30") }, "no more than the prefix has"},
		{func(o *Options) { o.Flow, o.Sources = FlowGarbage, netip.MustParsePrefix("::1/128") }, "one is IPv4"},
		{func(o *Options) { o.Flow, o.Target = FlowGarbage, netip.AddrPort{} }, "no target"},
		{func(o *Options) { o.Caller = ap("192.168.255.254:0") }, "no interface"},
	} {
		o := straight("13")
		c.change(&o)
		if e, err := Open(o, 10, 0); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want %q", err, c.says)
			if e != nil {
				e.Close()
			}
		}
	}
	for _, c := range []struct {
		s    interface{ Check() error }
		says string
	}{
		{Step{Rate: -1, Duration: time.Second}, "rate"},
		{Step{Rate: MaxRate + 1, Duration: time.Second}, "rate"},
		{Step{Rate: 1}, "duration"},
		{Step{Rate: 1, Duration: 59 * time.Minute, Warmup: 2 * time.Minute}, "at most 1h"},
		{Step{Rate: MaxRate, Duration: time.Hour}, "20000000 is the most"},
		{Step{Rate: 1, Duration: time.Second, Group: -1}, "groups"},
		{Ramp{From: 0, To: 1, Step: 1}, "FROM:TO:STEP"},
		{Ramp{From: 1, To: 1000, Step: 1}, "larger STEP"},
		{Ramp{From: 1, To: 2, Step: 1}, "duration"},
	} {
		if err := c.s.Check(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %q", c.s, err, c.says)
		}
	}
}

func TestGroupsAreDueTogether(t *testing.T) {
	for group, want := range map[int64]string{
		0: "[0s 100ms 200ms 300ms 400ms 500ms 600ms]", 1: "[0s 100ms 200ms 300ms 400ms 500ms 600ms]", 3: "[0s 0s 0s 300ms 300ms 300ms 600ms]",
	} {
		r := run{step: Step{Rate: 10, Group: group}}
		var due []time.Duration
		for k := range int64(7) {
			due = append(due, r.due(k))
		}
		if got := fmt.Sprint(due); got != want {
			t.Errorf("groups of %d are due at %s, want %s", group, got, want)
		}
	}
}
