package plan_test

import (
	"fmt"
	"net/netip"
	"testing"

	"trunkline/appliance/bake"
	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
)

// large is the example with listeners and destinations beyond what one appliance
// has: 1,000 and 5,000.
func large(tb testing.TB) *spec.Spec {
	tb.Helper()
	s, diags, _ := spec.Load("../examples/edge-fra1", spec.Options{})
	if diags.HasErrors() {
		tb.Fatal(diags)
	}
	carrier, core := *s.Listeners[0], *s.Listeners[1]
	s.Listeners = nil
	nic := s.Hardware.NICs[0]
	for i := range 1000 {
		l := carrier
		if i%2 == 1 {
			l = core
		}
		l.Name = fmt.Sprintf("l%d", i)
		l.Address = netip.AddrFrom4([4]byte{10, 0, byte(i / 250), byte(1 + i%250)})
		l.Share = 1.0 / 1000
		nic.Addresses = append(nic.Addresses, netip.PrefixFrom(l.Address, 16))
		s.Listeners = append(s.Listeners, &l)
	}
	set := *s.Dispatchers[0]
	fs1 := *set.Destinations[0]
	s.Dispatchers = nil
	for i := range 500 {
		d := set
		d.Name, d.ID, d.Destinations = fmt.Sprintf("d%d", i), i+1, nil
		for j := range 10 {
			x := fs1
			n := 10*i + j
			x.Name = fmt.Sprintf("x%d", n)
			x.Address = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(n / 250), byte(1 + n%250)}), 5060)
			x.URI = "sip:" + x.Address.String()
			if x.Listener = ""; n%2 == 0 {
				x.Listener = fmt.Sprintf("l%d", n%1000)
			}
			d.Destinations = append(d.Destinations, &x)
		}
		s.Dispatchers = append(s.Dispatchers, &d)
	}
	s.Caches, s.Routes = nil, []*spec.Route{{Name: "all", To: []string{"d0"}}}
	return s
}

// BenchmarkLarge is sizing, plan and config layer of a large spec; well below a
// second, so that nobody waits for `trunkline plan`.
func BenchmarkLarge(b *testing.B) {
	s := large(b)
	for b.Loop() {
		p, err := plan.Make(s, sizing.Size(s, nil), plan.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := bake.Seal(p, s); err != nil {
			b.Fatal(err)
		}
		if _, err := plan.Encode(p); err != nil {
			b.Fatal(err)
		}
	}
}
