package load

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"trunkline/appliance/runtime"
)

// soak says how long and how hard.
type soak struct {
	program string
	long    time.Duration // of the load
	steady  int           // sipload's calls a second; 0: what makes the proxy use aim of a core
	mixed   int           // calls a second of the scripts
	pause   time.Duration // between failures of destinations
}

// The load of the long soak, as a share of one core. The race detector makes every
// message cost several times as much, and a core shared with others is soon too little.
const (
	aim     = 0.7
	aimRace = 0.35
)

// Bounds of the rate that brings the proxy there, calls a second.
const (
	trialRate   = 200
	highestRate = 5000 // the spec sizes for 6,000, and sipload shares the machine
)

// Calls that end in every way and in no way, over UDP and TCP, while destinations fail
// and come back, connections are reset on either side at any moment, datagrams are lost
// and garbage comes: afterwards nothing is left of them, the figures add up, and what
// failed works again. TRUNKLINE_SOAK=2m makes it longer and loads the proxy to 70 % of
// a core; TRUNKLINE_SOAK_PROGRAM says which sbcd, TRUNKLINE_SOAK_RATE a rate in place of
// the one found out, for a machine that others use too.
func TestSoak(t *testing.T) {
	if text := os.Getenv("TRUNKLINE_SOAK"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("TRUNKLINE_SOAK: %v", err)
		}
		program := os.Getenv("TRUNKLINE_SOAK_PROGRAM")
		if program == "" {
			program = "sbcd"
		}
		rate := 0
		if text := os.Getenv("TRUNKLINE_SOAK_RATE"); text != "" {
			if rate, err = strconv.Atoi(text); err != nil || rate < 1 {
				t.Fatalf("TRUNKLINE_SOAK_RATE %q: write calls a second, 1 or more", text)
			}
		}
		soak{program: program, long: d, steady: rate, mixed: 60, pause: 2 * time.Second}.run(t)
		return
	}
	for _, program := range []string{"sbcd", "sbcd-race"} {
		t.Run(program, func(t *testing.T) {
			soak{program: program, long: 6 * time.Second, steady: 60, mixed: 30, pause: 200 * time.Millisecond}.run(t)
		})
	}
}

// timers are those of the soak: short, so that what is given up is given up soon.
func timers(a *runtime.Appliance) {
	d := func(ms int) runtime.Duration { return runtime.Duration(time.Duration(ms) * time.Millisecond) }
	a.Transaction = runtime.Transaction{T1: d(150), T2: d(600), ReplyTimeout: d(700), InviteTimeout: d(3000), Wait: d(2000), CallLifetime: d(10000)}
	for i := range a.Listeners {
		if c := a.Listeners[i].Connections; c != nil {
			c.Idle = d(5000)
		}
	}
	for i := range a.Dispatchers {
		if p := a.Dispatchers[i].Probe; p != nil {
			p.Interval, p.Timeout = d(400), d(300)
		}
	}
}

func (s soak) run(t *testing.T) {
	if dir := os.Getenv("TRUNKLINE_BIN"); dir != "" {
		if _, err := os.Stat(filepath.Join(dir, s.program)); err != nil {
			t.Fatalf("%v: run `make build build-race`", err)
		}
	}
	p := startAs(t, s.program, "testdata/soak", timers)
	w := newWorld(context.Background())
	c, err := newCast(w)
	if err != nil {
		t.Fatal(err)
	}
	before := p.ready(c)
	steady := s.steady
	if steady == 0 {
		steady = p.aimed(s.aim())
	}
	loads, cancel := context.WithTimeout(context.Background(), s.long)
	defer cancel()
	began := p.mustRead()
	start := time.Now()
	done := make(chan string, 5)
	go func() { done <- fmt.Sprintf("%d outages of destinations", c.flap(loads, w, p, s.pause)) }()
	go func() { done <- fmt.Sprintf("%d calls of the scripts", c.calls(loads, s.mixed)) }()
	go func() { done <- fmt.Sprintf("%d connections with junk", c.junk(loads, 50*time.Millisecond)) }()
	go func() {
		r := p.steadily(steady, s.long)
		if r.Run.Caller.Answered == 0 {
			t.Errorf("none of sipload's calls was answered: %+v, %v", r.Run.Caller, r.Run.Problems)
		}
		done <- fmt.Sprintf("%d calls by sipload, %d answered, %d failed %v %q", r.Run.Caller.Started, r.Run.Caller.Answered, r.Run.Caller.Failed, r.Run.Caller.FailedCode, r.Run.Problems)
	}()
	go func() {
		p.sipload("--target", soakUDP, "--flow", "garbage", "--uac", "127.66.0.1:0", "--garbage-sources", "100", "--rate", "300", "--duration", s.long.String())
		done <- "garbage at 300 datagrams a second"
	}()
	memory := p.watch(loads)
	loaded := p.mustRead()
	wall := time.Since(start)
	for range cap(done) {
		t.Log(<-done)
	}
	p.settle(t, before)
	w.stop()
	for _, x := range c.all {
		x.close()
	}
	w.wg.Wait()
	s.report(t, w, memory, share(began, loaded, wall), loaded.Counters["refused_overload"])
}

// steadily is the part of the load that nothing is wrong with: calls that are answered,
// refused and cancelled.
func (p *proxy) steadily(rate int, long time.Duration) result {
	return p.sipload("--target", soakUDP, "--uac", soakCaller, "--uas", soakCallees, "--to", "80", "--rate", strconv.Itoa(rate), "--duration", long.String(),
		"--ring", "300ms", "--hold", "1s", "--reject", "486", "--reject-share", "0.2", "--cancel", "0.2", "--cancel-after", "100ms", "--sockets", "4")
}

// ready waits until all destinations are active, with the connections their probes make.
func (p *proxy) ready(c *cast) figures {
	p.t.Helper()
	var f figures
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		f = p.mustRead()
		probed := true
		for _, d := range f.Destinations {
			probed = probed && d.State == "active" && (d.Probes > d.ProbesFailed || c.failing[d.Set+"/"+d.Name] == nil)
		}
		if probed && len(f.held()) == 0 {
			return p.atRest(f)
		}
	}
	p.t.Fatalf("the destinations are not all active: %v", f.states())
	return f
}

// atRest is the most of everything over a second of rest: what answers the question
// itself has goroutines and descriptors too, not always the same number.
func (p *proxy) atRest(f figures) figures {
	p.t.Helper()
	for range 20 {
		time.Sleep(50 * time.Millisecond)
		x := p.mustRead()
		f.goroutines, f.descriptors = max(f.goroutines, x.goroutines), max(f.descriptors, x.descriptors)
	}
	return f
}

// mustRead is read where a failure ends the test.
func (p *proxy) mustRead() figures {
	p.t.Helper()
	f, err := p.read()
	if err != nil {
		p.t.Fatal(err)
	}
	return f
}

func (s soak) aim() float64 {
	if s.program == "sbcd" {
		return aim
	}
	return aimRace
}

// aimed is the rate of calls at which the proxy uses aim of a core, from what a few
// seconds of calls cost; less where the machine, with whatever else it does, does not
// carry that without a failed call.
func (p *proxy) aimed(aim float64) int {
	p.t.Helper()
	rate := trialRate
	for try := range 7 {
		const seconds = 5
		before := p.mustRead()
		r := p.steadily(rate, seconds*time.Second).Run.Caller
		after := p.mustRead()
		each := (after.cpu - before.cpu).Seconds() / float64(max(r.Started, 1))
		p.t.Logf("%d calls a second: %.0f us of CPU each, %d of %d failed", rate, each*1e6, r.Failed, r.Started)
		switch aimed := min(int(aim/max(each, 1e-6)), highestRate); {
		case r.Failed > 0:
			rate = max(rate/2, 10)
		case try < 2: // a call costs less at a high rate: fewer wake-ups
			rate = aimed
		default:
			return min(rate, aimed)
		}
	}
	return rate * 7 / 10
}

// watch samples the proxy's memory, bytes, every second until ctx ends.
func (p *proxy) watch(ctx context.Context) (out []int) {
	for n := 0; ctx.Err() == nil; n++ {
		if f, err := p.read(); err == nil {
			out = append(out, f.resident)
			if n%10 == 0 {
				p.t.Logf("after %d s: %d MiB resident, %d of them Go's heap, %d for messages; %d transactions, %d calls, %d connections",
					n, f.resident>>20, f.heap>>20, f.Transactions.BytesReserved>>20, f.Transactions.Live, f.Calls.Live, f.connections())
			}
		}
		wait(ctx, time.Second)
	}
	return out
}

// settle waits until nothing is held, all destinations are active and no goroutine, no
// connection and no descriptor is more than before the load, and checks the sums.
func (p *proxy) settle(t *testing.T, before figures) {
	t.Helper()
	var f figures
	var left []string
	for end := time.Now().Add(2 * patience); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		f = p.mustRead()
		left = f.held()
		for _, name := range slices.Sorted(maps.Keys(f.states())) {
			if state := f.states()[name]; state != "active" {
				left = append(left, name+" "+state)
			}
		}
		if n := f.connections() - before.connections(); n != 0 {
			left = append(left, fmt.Sprintf("%+d connections", n))
		}
		if n := f.goroutines - before.goroutines; n > 0 {
			left = append(left, fmt.Sprintf("%+d goroutines", n))
		}
		if n := f.descriptors - before.descriptors; n > 0 {
			left = append(left, fmt.Sprintf("%+d descriptors", n))
		}
		if len(left) == 0 {
			left = f.sums()
		}
		if len(left) == 0 {
			break
		}
	}
	if len(left) > 0 {
		t.Errorf("left after two minutes: %s", strings.Join(left, "; "))
	}
	t.Logf("ended: %v; %d transactions at most; counters %v", f.Calls.Ended, f.Transactions.Peak, nonZero(f.Counters))
	for _, l := range f.Listeners {
		if l.Connections != nil {
			t.Logf("listener %s: %+v", l.Name, *l.Connections)
		}
	}
}

func nonZero(m map[string]uint64) map[string]uint64 {
	out := maps.Clone(m)
	maps.DeleteFunc(out, func(_ string, n uint64) bool { return n == 0 })
	return out
}

// report fails for what must not be, and says what was.
func (s soak) report(t *testing.T, w *world, memory []int, cpu float64, overload uint64) {
	t.Helper()
	// Where others keep the proxy from the CPU it refuses calls, and others come too late:
	// what calls come to is judged where that was not so. What is left of them always is.
	for _, problem := range w.problems {
		if overload == 0 {
			t.Error(problem)
		} else {
			t.Logf("for want of CPU (%d calls refused): %s", overload, problem)
		}
	}
	t.Logf("the proxy used %.0f %% of a core", 100*cpu)
	for _, o := range slices.Sorted(maps.Keys(w.outcomes)) {
		t.Logf("%6d %s", w.outcomes[o], o)
	}
	if half := len(memory) / 2; half > 0 {
		first, second := slices.Max(memory[:half]), slices.Max(memory[half:])
		t.Logf("memory: at most %d MiB in the first half, %d MiB in the second", first>>20, second>>20)
		// The first half of a short run is the time in which the tables are touched first.
		if s.long >= time.Minute && second > first+first/10+16<<20 {
			t.Errorf("memory grows: at most %d bytes in the first half, %d in the second", first, second)
		}
	}
}
