package engine

import (
	"net/netip"
	goruntime "runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"trunkline/appliance/runtime"
)

// A send buffer filled by one destination that does not answer ARP is no transport
// failure of the others.
func TestFullSendBufferIsNoTransportFailure(t *testing.T) {
	e := newEngine(t, &runtime.Appliance{
		Listeners: []runtime.Listener{{Name: "out", Address: netip.MustParseAddrPort("10.98.0.1:5060"), Workers: 1, SendBuffer: 2048}},
		Transaction: runtime.Transaction{
			T1: duration(1e9), T2: duration(1e9), ReplyTimeout: duration(1e9), InviteTimeout: duration(1e9), Wait: duration(1e9),
		},
		State: runtime.State{Transactions: 100, Calls: 100, HighWater: 1},
	})
	if err := bindIsolated(t, e); err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	w := e.newWorker()
	for i := range 200 {
		if !w.send(0, make([]byte, 1000), netip.MustParseAddrPort("10.98.0.2:5060")) {
			t.Fatalf("packet %d counts as a transport failure", i)
		}
	}
	st := e.Stats()
	if n := st.Counters["send_errors"]; n != 0 {
		t.Errorf("%d send errors", n)
	}
	if st.Listeners[0].Sockets[0].SendFull == 0 {
		t.Error("the buffer was never full, so nothing was tested")
	}
}

// bindIsolated binds an engine in a network namespace of its own, on one end of a link
// whose other end is dumb.
func bindIsolated(t *testing.T, e *Engine) error {
	t.Helper()
	goruntime.LockOSThread()
	before, err := netns.Get()
	if err != nil {
		t.Skipf("network namespaces: %v", err)
	}
	defer before.Close()
	ns, err := netns.New()
	if err != nil {
		goruntime.UnlockOSThread()
		t.Skipf("a network namespace needs CAP_SYS_ADMIN: %v", err)
	}
	defer func() {
		ns.Close()
		if err := netns.Set(before); err != nil {
			t.Fatalf("the thread stays in the namespace: %v", err) // and, locked, ends with the goroutine
		}
		goruntime.UnlockOSThread()
	}()
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "near"}, PeerName: "far"}); err != nil {
		t.Skipf("a link between namespaces: %v", err)
	}
	for _, name := range []string{"near", "far"} {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		if name == "near" {
			a, err := netlink.ParseAddr("10.98.0.1/24")
			if err != nil {
				return err
			}
			if err := netlink.AddrAdd(l, a); err != nil {
				return err
			}
		}
		if err := netlink.LinkSetUp(l); err != nil {
			return err
		}
	}
	return e.Bind()
}
