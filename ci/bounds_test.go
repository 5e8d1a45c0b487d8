package ci

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/appliance/spec"
	"trunkline/proxy/dispatch"
	"trunkline/proxy/engine"
	"trunkline/proxy/route"
	"trunkline/proxy/transaction"
)

// appliance is a configuration of so many listeners, destinations (in one set),
// and sets named by one route.
func appliance(listeners, destinations, sets int) *runtime.Appliance {
	ms := func(n int) runtime.Duration { return runtime.Duration(time.Duration(n) * time.Millisecond) }
	a := &runtime.Appliance{
		FormatVersion: runtime.FormatVersion, Name: "bounds",
		Transaction: runtime.Transaction{T1: ms(500), T2: ms(4000), ReplyTimeout: ms(5000), InviteTimeout: ms(30000), Wait: ms(5000), CallLifetime: ms(3600000)},
		State:       runtime.State{Transactions: 1024, MessageBytes: 1 << 20, Calls: 1024, HighWater: 0.9},
		Routes:      []runtime.Route{{Name: "all"}},
	}
	for i := range listeners {
		a.Listeners = append(a.Listeners, runtime.Listener{
			Name: fmt.Sprintf("l%d", i), Transport: "udp", Workers: 1, SocketCount: 1, MaxMessage: 65507,
			Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1, byte(i / 250), byte(1 + i%250)}), 5060),
			Sources: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		})
	}
	for i := range max(sets, 1) {
		set := runtime.Dispatcher{Name: fmt.Sprintf("d%d", i), ID: i + 1, Algorithm: runtime.AlgorithmRoundRobin}
		n := 1
		if i == 0 {
			n = max(destinations-max(sets, 1)+1, 1)
		}
		for j := range n {
			address := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(2 + i), byte(j / 250), byte(1 + j%250)}), 5060)
			set.Destinations = append(set.Destinations, runtime.Destination{
				Name: fmt.Sprintf("x%d", j), URI: "sip:" + address.String(), Address: address, Listener: "l0"})
		}
		a.Dispatchers = append(a.Dispatchers, set)
		a.Routes[0].To = append(a.Routes[0].To, set.Name)
	}
	return a
}

// start makes the engine that `sbcd run` would.
func start(a *runtime.Appliance) (*engine.Engine, error) {
	router, err := route.New(a)
	if err != nil {
		return nil, err
	}
	sets, err := dispatch.New(a)
	if err != nil {
		return nil, err
	}
	return engine.New(a, router, sets, nil, slog.New(slog.DiscardHandler))
}

// What validate accepts, sbcd starts with: the bounds are in both, and meet.
func TestBoundsOfTheSpecAreThoseOfTheProxy(t *testing.T) {
	if spec.MaxListeners != transaction.MaxListeners {
		t.Errorf("the spec takes %d listeners, a branch tells %d apart", spec.MaxListeners, transaction.MaxListeners)
	}
	if _, err := start(appliance(spec.MaxListeners, spec.MaxDestinations, spec.MaxRouteSets)); err != nil {
		t.Errorf("validate accepts what sbcd refuses: %v", err)
	}
	for _, c := range []struct {
		a    *runtime.Appliance
		want string
	}{
		{appliance(spec.MaxListeners+1, 1, 1), "listeners"},
		{appliance(1, spec.MaxDestinations+1, 1), "destinations"},
		{appliance(1, spec.MaxRouteSets+1, spec.MaxRouteSets+1), "dispatcher sets"},
	} {
		if _, err := start(c.a); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("validate refuses %s that sbcd takes: raise the bound in appliance/spec (%v)", c.want, err)
		}
	}
}
