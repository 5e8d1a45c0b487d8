package preflight

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"trunkline/appliance/runtime"
)

// sized is a plan for 8 threads and 4 GiB, of which 700 MiB are Other, 100 MiB state.
func sized() *runtime.Appliance {
	return &runtime.Appliance{
		Name: "edge",
		Hardware: runtime.Hardware{
			Threads: 8, MemoryBytes: 4 * gib, Mismatch: runtime.MismatchResize,
			Resize: &runtime.Resize{Datagrams: []float64{2, 6, 0, 0}, Other: 700 << 20, KernelShare: 0.015625, Slack: 0.25},
			NICs:   []runtime.NIC{{Name: "wan", Queues: []runtime.Queue{{Queue: 0, CPU: 1, RPS: []int{1, 5}}, {Queue: 1, CPU: 6}}}},
		},
		Listeners: []runtime.Listener{
			{Name: "carrier", Workers: 2, SocketCount: 2, RecvBuffer: 1 << 20, SendBuffer: 1 << 18, MaxMessage: 65507},
			{Name: "core", Workers: 5, SocketCount: 5, RecvBuffer: 1 << 20, SendBuffer: 1 << 18, MaxMessage: 65507},
			{Name: "fixed", Workers: 3, SocketCount: 3, RecvBuffer: 1 << 20, SendBuffer: 1 << 18},
			{Name: "local", Workers: 1, SocketCount: 1, Transport: "tcp", RecvBuffer: 1 << 20},
		},
		State: runtime.State{Transactions: 20000, Calls: 10000, MessageBytes: 60 << 20, BudgetBytes: 100 << 20, ProcessMemory: 200 << 20, HighWater: 0.9},
	}
}

func workers(a *runtime.Appliance) []int {
	var out []int
	for _, l := range a.Listeners {
		if l.Workers != l.SocketCount {
			return nil
		}
		out = append(out, l.Workers)
	}
	return out
}

func TestFitCPU(t *testing.T) {
	for threads, want := range map[int][]int{
		64: {2, 5, 3, 1}, 8: {2, 5, 3, 1}, // never more than planned
		7: {1, 2, 3, 1}, 6: {1, 1, 3, 1}, 1: {1, 1, 3, 1}, // each keeps one, and a stated number stays
	} {
		plan := sized()
		got, what, err := Fit(plan, threads, 4*gib)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(workers(got), want) {
			t.Errorf("%d threads: workers %v, want %v", threads, workers(got), want)
		}
		if got.State != plan.State || (what == "") != (threads >= 8) {
			t.Errorf("%d threads: %q, state %+v", threads, what, got.State)
		}
		if !reflect.DeepEqual(plan, sized()) {
			t.Fatalf("%d threads: the plan itself was changed", threads)
		}
		for _, q := range got.Hardware.NICs[0].Queues {
			for _, cpu := range append(q.RPS, q.CPU) {
				if cpu >= max(threads, 1) && threads < 8 {
					t.Errorf("%d threads: queue %+v", threads, q)
				}
			}
		}
	}
}

func TestFitMemory(t *testing.T) {
	last := sized().State.Calls + 1
	for _, memory := range []uint64{8 * gib, 4 * gib, gib, 860 << 20, 820 << 20, 790 << 20} {
		got, _, err := Fit(sized(), 8, memory)
		if err != nil {
			t.Fatalf("%d MiB: %v", memory>>20, err)
		}
		st := got.State
		used := float64(sized().Hardware.Resize.Other) + 0.015625*float64(got.Hardware.MemoryBytes) + 1.25*float64(st.BudgetBytes) + 10*2*(1<<20+1<<18)
		if used > float64(got.Hardware.MemoryBytes) {
			t.Errorf("%d MiB: %.0f MiB are planned", memory>>20, used/(1<<20))
		}
		full := memory >= gib
		if full != (st == sized().State) {
			t.Errorf("%d MiB: state %+v", memory>>20, st)
		}
		if st.Calls > last || !full && (st.Calls >= 10000 || st.Transactions >= 20000 || st.MessageBytes >= 60<<20 || st.ProcessMemory >= 200<<20) {
			t.Errorf("%d MiB: state %+v", memory>>20, st)
		}
		last = st.Calls
	}
	// Nothing is left for calls: that is an error that says how much is missing.
	for _, memory := range []uint64{512 << 20, 735 << 20, 1} {
		if _, _, err := Fit(sized(), 8, memory); err == nil || !strings.Contains(err.Error(), "carry no call") {
			t.Errorf("%d bytes: %v", memory, err)
		}
	}
	// Room kept for emergency calls stays whole.
	plan := sized()
	plan.Limits.Emergency = &runtime.Emergency{Calls: 50, Transactions: 200, MessageBytes: 1 << 20}
	got, _, err := Fit(plan, 8, 800<<20)
	if err != nil || got.State.Calls <= 50 || got.Limits.Emergency.Calls != 50 {
		t.Errorf("%+v (%v)", got, err)
	}
	if _, _, err := Fit(&runtime.Appliance{}, 1, gib); err == nil {
		t.Error("a plan without figures for it was resized")
	}
}

func TestDecide(t *testing.T) {
	small := Machine{Threads: 4, Memory: 800 << 20}
	cores, mem := Difference{KindCores, "4 of 8 hardware threads are there", "Give it 8"}, Difference{KindMemory, "800 MiB of memory are there", "Give it 4096"}
	card, link := Difference{KindNIC, `card "wan" is not there`, "Look"}, Difference{KindLink, "slow", "Look"}
	for _, c := range []struct {
		mismatch string
		found    []Difference
		outcome  string
		refusal  string
	}{
		{runtime.MismatchRefuse, nil, OutcomePlanned, ""},
		{runtime.MismatchRefuse, []Difference{cores, mem}, OutcomeRefused, "4 of 8 hardware threads are there. Give it 8 (and 1 more)"},
		{runtime.MismatchRefuse, []Difference{link}, OutcomeWarned, ""},
		{runtime.MismatchResize, []Difference{link, cores, mem}, OutcomeResized, ""},
		{runtime.MismatchResize, []Difference{cores, card}, OutcomeRefused, `card "wan" is not there. Look (and 1 more)`},
		{runtime.MismatchWarn, []Difference{cores, card}, OutcomeWarned, ""},
	} {
		r, err := Decide(sized(), c.mismatch, small, c.found)
		if r.Outcome != c.outcome || (err == nil) != (c.refusal == "") || err != nil && !strings.Contains(err.Error(), c.refusal) {
			t.Errorf("%s, %v: %s, %v", c.mismatch, c.found, r.Outcome, err)
		}
		if (r.Resized != "") != (c.outcome == OutcomeResized) || (r.Overridden == "") != (c.mismatch == runtime.MismatchResize) {
			t.Errorf("%s, %v: %+v", c.mismatch, c.found, r)
		}
	}
	if r, err := Decide(sized(), runtime.MismatchResize, Machine{Threads: 4, Memory: 500 << 20}, []Difference{mem}); err == nil || r.Outcome != OutcomeRefused {
		t.Errorf("nothing left: %+v, %v", r, err)
	}
}

// What preflight leaves is what the proxy starts with.
func TestReport(t *testing.T) {
	name := filepath.Join(t.TempDir(), "preflight.json")
	if r, err := Read(name); r != nil || err != nil {
		t.Errorf("%v, %v", r, err)
	}
	m := Machine{Threads: 4, Memory: 800 << 20}
	r, err := Decide(sized(), runtime.MismatchResize, m, []Difference{{KindCores, "a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Write(name); err != nil {
		t.Fatal(err)
	}
	back, err := Read(name)
	if err != nil {
		t.Fatal(err)
	}
	got, err := back.Apply(sized())
	want, _, _ := Fit(sized(), 4, 800<<20)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v (%v), want %+v", got, err, want)
	}
	for _, same := range []*Report{nil, {Outcome: OutcomeWarned}} {
		if got, err := same.Apply(sized()); err != nil || !reflect.DeepEqual(got, sized()) {
			t.Errorf("%v: %+v, %v", same, got, err)
		}
	}
	if err := os.WriteFile(name, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(name); err == nil {
		t.Error("half a report was taken")
	}
}
