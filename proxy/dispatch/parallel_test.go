package dispatch

import (
	"strings"
	"testing"
	"time"

	"trunkline/appliance/runtime"
)

func destinationNames(into [MaxParallel]*Destination, n int) string {
	var out []string
	for _, d := range into[:n] {
		out = append(out, d.Name())
	}
	return strings.Join(out, " ")
}

func TestPickAll(t *testing.T) {
	for _, tt := range []struct {
		name      string
		change    func(*runtime.Dispatcher)
		down      int // destination that is inactive, from 1; 0: none
		calls     int // that have a place before
		want      string
		full      int
		wantCalls []int64
	}{
		{"all", nil, 0, 0, "d1 d2 d3", 0, []int64{1, 1, 1}},
		{"those that take calls", nil, 2, 0, "d1 d3", 0, []int64{1, 0, 1}},
		{"disabled", func(d *runtime.Dispatcher) { d.Destinations[0].State = "disabled" }, 0, 0, "d2 d3", 0, []int64{0, 1, 1}},
		{"max_calls", func(d *runtime.Dispatcher) { d.Destinations[1].MaxCalls = 2 }, 0, 2, "d1 d3", 1, []int64{3, 2, 3}},
		{"max_cps", func(d *runtime.Dispatcher) { d.Destinations[2].MaxCPS = 1 }, 0, 1, "d1 d2", 1, []int64{2, 2, 1}},
		{"all full", func(d *runtime.Dispatcher) {
			for i := range d.Destinations {
				d.Destinations[i].MaxCalls = 1
			}
		}, 0, 1, "", 3, []int64{1, 1, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := testSet("core", "parallel", 3, testProbe(1, 1))
			if tt.change != nil {
				tt.change(&cfg)
			}
			sets := newSets(t, cfg)
			s := sets.Set(0)
			if tt.down > 0 {
				down(sets, s.dests[tt.down-1])
			}
			var into [MaxParallel]*Destination
			for range tt.calls {
				s.PickAll(Ask{Call: true}, new(Tried), &into)
			}
			var tried Tried
			n, full := s.PickAll(Ask{Call: true}, &tried, &into)
			if got := destinationNames(into, n); got != tt.want || full.Count != tt.full || (full.Last == nil) != (tt.full == 0) || tried.Count() != n {
				t.Errorf("%q, %d full, %d remembered; want %q, %d full", got, full.Count, tried.Count(), tt.want, tt.full)
			}
			for i, want := range tt.wantCalls {
				if got := s.dests[i].Calls(); got != want {
					t.Errorf("%s has %d calls, want %d", s.dests[i].Name(), got, want)
				}
			}
			if again, _ := s.PickAll(Ask{Call: true, Now: int64(time.Hour)}, &tried, &into); again != 0 && tt.full == 0 {
				t.Errorf("%q given twice", destinationNames(into, again))
			}
		})
	}
}

func TestPickAllIsBounded(t *testing.T) {
	sets := newSets(t, testSet("a", "parallel", MaxParallel, nil), testSet("b", "parallel", MaxParallel-1, nil), testSet("c", "parallel", 3, nil))
	var tried Tried
	var into [MaxParallel]*Destination
	for i, want := range []int{MaxParallel, MaxParallel - 1, 1} {
		if n, _ := sets.Set(i).PickAll(Ask{}, &tried, &into); n != want {
			t.Errorf("set %d: %d destinations, want %d", i, n, want)
		}
	}
	if _, err := New(&runtime.Appliance{Dispatchers: []runtime.Dispatcher{testSet("a", "parallel", MaxParallel+1, nil)}}); err == nil || !strings.Contains(err.Error(), "at most 8; it has 9") {
		t.Errorf("nine destinations: %v", err)
	}
	if n := testing.AllocsPerRun(100, func() {
		tried = Tried{}
		sets.Set(0).PickAll(Ask{}, &tried, &into)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
