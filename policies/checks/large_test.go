package checks_test

import (
	"fmt"
	"net/netip"
	"testing"

	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
	"trunkline/policies/checks"
)

// large is a spec of many listeners and destinations.
func large(t testing.TB, listeners, sets, destinations int) *spec.Spec {
	t.Helper()
	s, diags, _ := spec.Load("testdata/platform-after", spec.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	proto := *s.Listeners[0]
	s.Listeners, s.Dispatchers, s.Caches, s.Routes = nil, nil, nil, nil
	for i := range listeners {
		l := proto
		l.Name, l.Port, l.Share = fmt.Sprintf("l%d", i), 1024+i, 1/float64(listeners)
		s.Listeners = append(s.Listeners, &l)
	}
	for i := range sets {
		d := &spec.Dispatcher{Name: fmt.Sprintf("d%d", i), ID: i, Algorithm: "hash-callid"}
		for j := range destinations / sets {
			n := i*destinations/sets + j
			addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 5060)
			d.Destinations = append(d.Destinations, &spec.Destination{Name: fmt.Sprintf("x%d", n), URI: "sip:" + addr.String(),
				Address: addr, Listener: s.Listeners[n%len(s.Listeners)].Name})
		}
		s.Dispatchers = append(s.Dispatchers, d)
		s.Routes = append(s.Routes, &spec.Route{Name: d.Name, From: []string{s.Listeners[i%len(s.Listeners)].Name}, To: []string{d.Name}})
	}
	return s
}

// 1,000 listeners, 200 sets, 5,000 destinations.
func BenchmarkEvaluate(b *testing.B) {
	s := large(b, 1000, 200, 5000)
	p, err := plan.Make(s, sizing.Size(s, nil), plan.Options{})
	if err != nil {
		b.Fatal(err)
	}
	packs := []*checks.Pack{checks.Builtin()}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := checks.Evaluate(packs, checks.Input{Spec: s, Plan: func() (any, error) { return p, nil }}); err != nil {
			b.Fatal(err)
		}
	}
}

// A rule broken a thousand times does not bury the plan.
func TestFindingsAreBounded(t *testing.T) {
	s := large(t, 300, 200, 400)
	p, err := plan.Make(s, sizing.Size(s, nil), plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n, last := 0, ""
	for _, f := range p.Budget.Findings {
		if f.ID == "probe-missing" {
			n, last = n+1, f.Detail
		}
	}
	if n != 50 || last == "" {
		t.Fatalf("%d findings of probe-missing", n)
	}
}

// One appliance of a fleet.
func BenchmarkEvaluateSmall(b *testing.B) {
	s := after(b)
	p, err := planned(s)
	if err != nil {
		b.Fatal(err)
	}
	packs := []*checks.Pack{checks.Builtin()}
	for b.Loop() {
		if _, err := checks.Evaluate(packs, checks.Input{Spec: s, Plan: func() (any, error) { return p, nil }}); err != nil {
			b.Fatal(err)
		}
	}
}
