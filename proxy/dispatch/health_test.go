package dispatch

import (
	"reflect"
	"strings"
	"testing"

	"trunkline/appliance/runtime"
)

// Events: P probe answered, p probe failed, C call answered, c call without reply.
// States: a active, t trying, i inactive; one after each event.
func TestThresholds(t *testing.T) {
	tests := []struct {
		name          string
		fail, recover int
		events        string
		states        string
	}{
		{"one lost OPTIONS", 5, 5, "PpPP", "ataa"},
		{"one short of the threshold", 5, 5, "ppppP", "tttta"},
		{"threshold", 5, 5, "ppppp", "tttti"},
		{"a success ends the run", 3, 2, "ppPppPppp", "ttattatti"},
		{"threshold 1", 1, 1, "pPpP", "iaia"},
		{"recovers only after enough in a row", 2, 3, "ppPPpPPP", "tiiiiiia"},
		{"calls count as probes do", 3, 2, "pcc", "tti"},
		{"an answered call ends the run", 3, 2, "ccCcc", "ttatt"},
		{"calls do not bring it back", 2, 2, "ccCCCPP", "tiiiiia"},
		{"late calls do not keep it out", 2, 2, "ccPcP", "tiiia"},
		{"inactive anew after a new run", 2, 1, "ppPpPpp", "tiatati"},
	}
	letter := map[State]byte{Active: 'a', Trying: 't', Inactive: 'i'}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sets := newSets(t, testSet("core", runtime.AlgorithmRoundRobin, 2, testProbe(tt.fail, tt.recover)))
			d := sets.Destinations()[0]
			var got strings.Builder
			for _, e := range tt.events {
				switch e {
				case 'P':
					d.probed(Target{}, outcome{ok: true, what: "200"})
				case 'p':
					d.probed(Target{}, outcome{what: "503"})
				default:
					sets.Report(d, 0, e == 'C')
				}
				got.WriteByte(letter[d.State()])
				want := 2
				if d.State() == Inactive {
					want = 1
				}
				if d.set.Usable() != want {
					t.Errorf("%d usable in state %v", d.set.Usable(), d.State())
				}
			}
			if got.String() != tt.states {
				t.Errorf("events %s: states %s, want %s", tt.events, got.String(), tt.states)
			}
			if other := sets.Destinations()[1]; other.State() != Active || other.Stats().Changes != 0 {
				t.Error("the other destination changed as well")
			}
		})
	}
}

func TestUnprobedStaysActive(t *testing.T) {
	sets := newSets(t, testSet("core", runtime.AlgorithmRoundRobin, 1, nil))
	d := sets.Destinations()[0]
	for range 100 {
		sets.Report(d, 0, false)
	}
	if d.State() != Active {
		t.Errorf("state %v: nothing would bring it back", d.State())
	}
	if st := d.Stats(); st.Silent != 100 || st.Failures != 0 || st.State != "active" {
		t.Errorf("stats %+v", st)
	}
}

func TestStats(t *testing.T) {
	sets := newSets(t, testSet("core", runtime.AlgorithmRoundRobin, 1, testProbe(2, 1)))
	d := sets.Destinations()[0]
	d.probed(Target{}, outcome{ok: true, what: "200", rtt: 5})
	sets.Report(d, 0, false)
	d.probed(Target{}, outcome{what: "503", rtt: 7})
	got := d.Stats()
	if got.Since.IsZero() {
		t.Error("no time of the change")
	}
	got.Since = DestinationStats{}.Since
	want := DestinationStats{
		Set: "core", Name: "d1", Address: "127.0.0.1:6001", Listener: "core", State: "inactive", Failures: 2,
		Probes: 2, ProbesFailed: 1, LastProbe: "503", RoundTrip: 7, Estimate: 5, Silent: 1, Changes: 2,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("stats\n%+v, want\n%+v", got, want)
	}
}

// Whoever reports never waits for whoever reads.
func TestChangesNobodyReads(t *testing.T) {
	sets := newSets(t, testSet("core", runtime.AlgorithmRoundRobin, 1, testProbe(1, 1)))
	d := sets.Destinations()[0]
	for range cap(sets.changes) {
		down(sets, d)
		up(d)
	}
	if got, want := sets.lost.Load(), uint64(cap(sets.changes)); got != want {
		t.Errorf("%d changes counted as lost, want %d", got, want)
	}
	c := <-sets.changes
	if c.Destination != d || c.From != Active || c.To != Inactive || c.Cause != "call: no reply" || c.Failures != 1 {
		t.Errorf("first change %+v", c)
	}
	if c = <-sets.changes; c.From != Inactive || c.To != Active || c.Cause != "probe: 200" {
		t.Errorf("second change %+v", c)
	}
}
