package dispatch

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"trunkline/appliance/runtime"
)

// testSet is a configured set of n destinations, at 127.0.0.1 from port 6001 up.
func testSet(name, algorithm string, n int, probe *runtime.Probe) runtime.Dispatcher {
	d := runtime.Dispatcher{Name: name, Algorithm: algorithm, Probe: probe}
	for i := range n {
		a := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(6001+i))
		d.Destinations = append(d.Destinations, runtime.Destination{
			Name: fmt.Sprintf("d%d", i+1), URI: "sip:" + a.String(), Address: a, Listener: "core",
		})
	}
	return d
}

func testProbe(fail, recover int) *runtime.Probe {
	return &runtime.Probe{
		Interval: runtime.Duration(30 * time.Second), Timeout: runtime.Duration(4 * time.Second),
		FailThreshold: fail, RecoverThreshold: recover, From: "sip:probe@sbc.example",
		Accept: []runtime.CodeSpan{{First: 200, Last: 299}, {First: 404, Last: 404}},
	}
}

func newSets(t testing.TB, d ...runtime.Dispatcher) *Sets {
	t.Helper()
	s, err := New(&runtime.Appliance{Dispatchers: d})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*runtime.Dispatcher)
		want   string
	}{
		{"algorithm", func(d *runtime.Dispatcher) { d.Algorithm = "dice" }, `dispatcher "core": algorithm "dice" is not known: use one of hash-callid, hash-from, hash-to,`},
		{"twin", func(d *runtime.Dispatcher) { d.Destinations[1].Name = "d1" }, `dispatcher "core": destination "d1": there are two of this name`},
		{"no address", func(d *runtime.Dispatcher) { d.Destinations[0].Address = netip.AddrPort{} }, `destination "d1": address invalid AddrPort is not an address with a port`},
		{"no port", func(d *runtime.Dispatcher) { d.Destinations[0].Address = netip.MustParseAddrPort("192.0.2.1:0") }, `address 192.0.2.1:0 is not an address with a port`},
		{"interval", func(d *runtime.Dispatcher) { d.Probe.Interval = 0 }, "interval must be above 0"},
		{"timeout", func(d *runtime.Dispatcher) { d.Probe.Timeout = -1 }, "timeout must be above 0"},
		{"fail threshold", func(d *runtime.Dispatcher) { d.Probe.FailThreshold = 0 }, "fail_threshold must be at least 1"},
		{"recover threshold", func(d *runtime.Dispatcher) { d.Probe.RecoverThreshold = 0 }, "recover_threshold must be at least 1"},
		{"accept", func(d *runtime.Dispatcher) { d.Probe.Accept = nil }, "accept names no code"},
		{"load without limit", func(d *runtime.Dispatcher) { d.Algorithm = "call-load" }, `destination "d1": call-load goes by max_calls, which is not stated`},
		{"unknown state", func(d *runtime.Dispatcher) { d.Destinations[1].State = "off" }, `destination "d2": state "off" is not known: write one of active, inactive, disabled, probing`},
		{"state trying", func(d *runtime.Dispatcher) { d.Destinations[1].State = "trying" }, `state trying comes of failures and cannot be set`},
		{"waits without probes", func(d *runtime.Dispatcher) { d.Probe = nil; d.Destinations[0].State = "probing" }, `destination "d1": state probing waits for probes, and dispatcher "core" sends none: write disabled`},
		{"unknown next", func(d *runtime.Dispatcher) { d.Next = "over" }, `dispatcher "core": next: there is no dispatcher "over"`},
		{"follows itself", func(d *runtime.Dispatcher) { d.Next = "core" }, `next: "core" comes before it already: its calls would run in a circle`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := testSet("core", runtime.AlgorithmRoundRobin, 2, testProbe(5, 5))
			tt.change(&d)
			_, err := New(&runtime.Appliance{Dispatchers: []runtime.Dispatcher{d}})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want it to contain %q", err, tt.want)
			}
		})
	}
	twins := []runtime.Dispatcher{testSet("core", runtime.AlgorithmRoundRobin, 1, nil), testSet("core", runtime.AlgorithmRoundRobin, 1, nil)}
	if _, err := New(&runtime.Appliance{Dispatchers: twins}); err == nil {
		t.Error("two sets of one name were taken")
	}
}

func TestChains(t *testing.T) {
	set := func(name, next string) runtime.Dispatcher {
		d := testSet(name, runtime.AlgorithmRoundRobin, 1, nil)
		d.Next = next
		return d
	}
	sets := newSets(t, set("a", "c"), set("b", ""), set("c", "b"))
	for i, want := range []string{"[0 2 1]", "[1]", "[2 1]"} {
		if got := fmt.Sprint(sets.Chain(i)); got != want {
			t.Errorf("set %d is followed by %s, want %s", i, got, want)
		}
	}
	_, err := New(&runtime.Appliance{Dispatchers: []runtime.Dispatcher{set("a", "b"), set("b", "c"), set("c", "b")}})
	if err == nil || !strings.Contains(err.Error(), "circle") {
		t.Errorf("a circle was taken: %v", err)
	}
}

func TestLookups(t *testing.T) {
	s := newSets(t, testSet("core", runtime.AlgorithmRoundRobin, 2, testProbe(5, 5)), testSet("overflow", runtime.AlgorithmHashCallID, 1, nil))
	if s.Len() != 2 || s.Set(1).Name() != "overflow" || s.Set(0).Usable() != 2 {
		t.Errorf("sets: %d, second %q, %d usable in the first", s.Len(), s.Set(1).Name(), s.Set(0).Usable())
	}
	if set, ok := s.Named("overflow"); !ok || set != s.Set(1) {
		t.Error("overflow is not found by its name")
	}
	if _, ok := s.Named("nowhere"); ok {
		t.Error("a set nobody configured is found")
	}
	for i, d := range s.Destinations() {
		if d.Index != i {
			t.Errorf("destination %d says its index is %d", i, d.Index)
		}
	}
	d := s.Destinations()[2]
	if d.Set() != s.Set(1) || d.Name() != "d1" || d.Listener() != "core" || d.Address().Port() != 6001 || d.URI() != "sip:127.0.0.1:6001" {
		t.Errorf("third destination: %+v", d.Stats())
	}
}
