package media

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline/proxy/media/mediatest"
)

// A relay of the appliance itself: rtpengine with the file that is baked for it, but for the
// address of its media, which is a NIC's there and the loopback's here.
func TestMediaFlowsHere(t *testing.T) {
	bin, tree := baked(t, "testdata/local")
	const there, here = "interface = media/192.0.2.1\n", "interface = media/127.93.0.3\n"
	file := filepath.Join(tree, "etc/trunkline/media/here.conf")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(b), there); n != 1 {
		t.Fatalf("%q stands %d times in\n%s", there, n, b)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(b), there, here, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	// What the unit of the base layer executes: the same file, and these options alone.
	unit, err := os.ReadFile("../../../image/rootfs/units/rtpengine@.service")
	if err != nil {
		t.Fatal(err)
	}
	const command = "\nExecStart=/usr/bin/rtpengine --config-file=/etc/trunkline/media/%i.conf --foreground --log-stderr --no-log-timestamps\n"
	if !strings.Contains(string(unit), command) {
		t.Errorf("the unit executes something else than this test:\n%s", unit)
	}
	d := mediatest.StartFile(t, file, netip.MustParseAddrPort("127.0.0.1:2223"))
	mediaFlows(t, d, serve(t, bin, tree, nil))
}
