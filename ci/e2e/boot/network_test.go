package boot

import (
	"fmt"
	"net/netip"
	"os"
	"testing"

	"trunkline/image/vm/netlab"
)

// Addresses of the example spec and of those around it.
const (
	gateway  = "203.0.113.1"   // the NIC's gateway: our end of the tap
	listener = "203.0.113.10"  // carrier-a
	coreSide = "203.0.113.11"  // core
	carrier  = "198.51.100.10" // within carrier-a's sources
	stranger = "192.0.2.66"    // within nobody's
	fs1, fs2 = "10.0.0.11", "10.0.0.12"
	mac      = "52:54:00:12:34:56"
	tap      = "tap0"
)

// network is a namespace with a tap interface for the machine.
type network struct {
	t   *testing.T
	lab *netlab.Lab
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	lab, err := netlab.New(fmt.Sprintf("trunkline-e2e-%d", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := lab.Tap(tap, netip.MustParsePrefix(gateway+"/27")); err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{carrier, stranger, fs1, fs2} {
		if err := lab.Address("lo", netip.MustParsePrefix(a+"/32")); err != nil {
			t.Fatal(err)
		}
	}
	return &network{t: t, lab: lab}
}
