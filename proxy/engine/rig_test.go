package engine

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"trunkline/appliance/runtime"
)

// rig is an engine on loopback with a caller in front of it and destinations behind.
type rig struct {
	t     testing.TB
	cfg   *runtime.Appliance
	e     *Engine
	alice *agent   // at an address listener "out" admits
	uas   []*agent // destinations of set "core", then of set "overflow"
	out   netip.AddrPort
	in    netip.AddrPort
	stop  func() // ends the engine before the test does

	records *keptRecords // of calls, where the configuration wants them
	state   string       // directory of the state partition
}

// freePort finds a UDP port that is free at an address.
func freePort(t testing.TB, ip string) netip.AddrPort {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 0)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

func duration(d time.Duration) runtime.Duration { return runtime.Duration(d) }

// newRig starts an engine: two listeners, set "core" with n destinations tried in
// turn, set "overflow" with one. change may alter the configuration first.
func newRig(t testing.TB, n int, change func(*runtime.Appliance)) *rig {
	t.Helper()
	return newLoggedRig(t, n, change, quiet)
}

// newLoggedRig is newRig with a log to look at.
func newLoggedRig(t testing.TB, n int, change func(*runtime.Appliance), log *slog.Logger) *rig {
	t.Helper()
	r := &rig{t: t, out: freePort(t, "127.0.10.1"), in: freePort(t, "127.0.20.1")}
	r.alice = newAgent(t, "127.0.11.1")
	listener := func(name string, a netip.AddrPort, source string) runtime.Listener {
		return runtime.Listener{
			Name: name, Transport: "udp", Address: a, Sources: []netip.Prefix{netip.MustParsePrefix(source)},
			Workers: 2, SocketCount: 2, RecvBuffer: 1 << 20, SendBuffer: 1 << 20, MaxMessage: 65535,
		}
	}
	r.cfg = &runtime.Appliance{
		FormatVersion: runtime.FormatVersion, Name: "test",
		Hardware:  runtime.Hardware{Threads: 2, MemoryBytes: 1 << 30},
		Listeners: []runtime.Listener{listener("out", r.out, "127.0.11.0/24"), listener("in", r.in, "127.0.21.0/24")},
		Limits:    runtime.Limits{RetryAfter: 7},
		Transaction: runtime.Transaction{
			// Long enough that nothing is repeated on a busy machine for an answer that is on its way.
			T1: duration(400 * time.Millisecond), T2: duration(1600 * time.Millisecond),
			ReplyTimeout: duration(4 * time.Second), InviteTimeout: duration(10 * time.Second),
			Wait: duration(500 * time.Millisecond), CallLifetime: duration(time.Minute),
		},
		State:  runtime.State{Transactions: 2000, MessageBytes: 16 << 20, Calls: 1000, HighWater: 0.9, BudgetBytes: 32 << 20},
		Routes: []runtime.Route{{Name: "all", From: []string{"out"}, To: []string{"core", "overflow"}}, {Name: "back", From: []string{"in"}, To: []string{"callers"}}},
	}
	set := func(name string, id, n int) runtime.Dispatcher {
		d := runtime.Dispatcher{
			Name: name, ID: id, Algorithm: runtime.AlgorithmRoundRobin,
			Failover: runtime.Failover{On: []runtime.CodeSpan{{First: 500, Last: 699}}, OnTimeout: true, Never: []int{603}},
		}
		for i := range n {
			a := newAgent(t, "127.0.21.1")
			r.uas = append(r.uas, a)
			d.Destinations = append(d.Destinations, runtime.Destination{
				Name: fmt.Sprintf("%s%d", name, i+1), URI: "sip:" + a.addr.String(), Address: a.addr, Listener: "in",
			})
		}
		return d
	}
	r.cfg.Dispatchers = []runtime.Dispatcher{set("core", 1, n), set("overflow", 2, 1), {
		Name: "callers", ID: 3, Algorithm: runtime.AlgorithmHashCallID,
		Destinations: []runtime.Destination{{Name: "alice", URI: "sip:" + r.alice.addr.String(), Address: r.alice.addr, Listener: "out"}},
	}}
	if change != nil {
		change(r.cfg)
	}
	r.e = newLoggedEngine(t, r.cfg, log)
	r.record()
	r.persist()
	r.stop = startEngine(t, r.e)
	return r
}

// startEngine runs an engine until the test ends or stop is called.
func startEngine(t testing.TB, e *Engine) (stop func()) {
	t.Helper()
	if err := e.Bind(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run did not return after its context ended")
		}
	})
	t.Cleanup(stop)
	return stop
}

// anyUAS waits for the INVITE of a call at whichever destination got it.
func (r *rig) anyUAS(method string) (*agent, *sipMsg) {
	r.t.Helper()
	until := time.Now().Add(patience)
	for time.Now().Before(until) {
		for _, a := range r.uas {
			if m := a.look(5*time.Millisecond, a.isNew(method)); m != nil {
				a.took(m)
				return a, m
			}
		}
	}
	r.t.Fatalf("no destination got a %s", method)
	return nil, nil
}

// settle waits until no transaction is live, then checks that nothing is held.
func (r *rig) settle(calls int64) {
	r.t.Helper()
	until := time.Now().Add(patience + 2*time.Second)
	for {
		st := r.e.Stats()
		if st.Transactions.Live == 0 && st.Calls.Live == calls {
			if st.Transactions.Bytes != 0 {
				r.t.Errorf("%d bytes of messages left with no transaction live", st.Transactions.Bytes)
			}
			if st.Concurrent.Live != calls {
				r.t.Errorf("concurrency count %d with %d calls", st.Concurrent.Live, calls)
			}
			var active int64
			for _, d := range st.Destinations {
				active += d.Calls
			}
			if active != calls {
				r.t.Errorf("destinations hold %d calls, %d are live", active, calls)
			}
			return
		}
		if time.Now().After(until) {
			r.t.Fatalf("not settled: %d transactions, %d calls live (want %d); counters %v", st.Transactions.Live, st.Calls.Live, calls, nonZero(st.Counters))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func nonZero(m map[string]uint64) map[string]uint64 {
	out := map[string]uint64{}
	for k, v := range m {
		if v != 0 {
			out[k] = v
		}
	}
	return out
}

// count waits until a counter has reached n, and sees that it is no more.
func (r *rig) count(name string, n uint64) {
	r.t.Helper()
	if got := r.atLeast(name, n); got > n {
		r.t.Errorf("counter %s is %d, want %d", name, got, n)
	}
}

// atLeast waits until a counter has reached n.
func (r *rig) atLeast(name string, n uint64) uint64 {
	r.t.Helper()
	until := time.Now().Add(patience)
	for {
		got, ok := r.e.Stats().Counters[name]
		if !ok {
			r.t.Fatalf("no counter %q", name)
		}
		if got >= n {
			return got
		}
		if time.Now().After(until) {
			r.t.Fatalf("counter %s is %d, want %d; all: %v", name, got, n, nonZero(r.e.Stats().Counters))
		}
		time.Sleep(5 * time.Millisecond)
	}
}
