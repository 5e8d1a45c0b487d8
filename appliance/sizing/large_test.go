package sizing

import (
	"fmt"
	"net/netip"
	"testing"

	"trunkline/appliance/spec"
)

// large is a spec of 1,000 listeners, 200 sets and 5,000 destinations.
func large() *spec.Spec {
	s := edge()
	s.Hardware.Cores, s.Hardware.Memory = 64, 256<<30
	carrier := *s.Listeners[0]
	s.Listeners, s.Dispatchers = nil, nil
	nic := s.Hardware.NICs[0]
	for i := range 1000 {
		l := carrier
		l.Name, l.Share = fmt.Sprintf("l%d", i), 1.0/1000
		l.Address = netip.AddrFrom4([4]byte{10, 0, byte(i / 250), byte(1 + i%250)})
		nic.Addresses = append(nic.Addresses, netip.PrefixFrom(l.Address, 16))
		s.Listeners = append(s.Listeners, &l)
	}
	for i := range 200 {
		d := &spec.Dispatcher{Name: fmt.Sprintf("d%d", i), ID: i + 1, Range: line(1)}
		for j := range 25 {
			n := 25*i + j
			d.Destinations = append(d.Destinations, &spec.Destination{Name: fmt.Sprintf("x%d", n), MaxCPS: 100, MaxCalls: 5000, Range: line(1),
				Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(n / 250), byte(1 + n%250)}), 5060)})
		}
		s.Dispatchers = append(s.Dispatchers, d)
	}
	return s
}

// BenchmarkLarge is sizing alone; well below a second.
func BenchmarkLarge(b *testing.B) {
	s := large()
	for b.Loop() {
		Size(s, nil)
	}
}
