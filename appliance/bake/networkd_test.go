package bake

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline/appliance/spec"
)

// inNamespace starts networkd alone in its own network and mount namespace, with
// the baked files as its only configuration and a card whose cable is out. A
// read-only /sys tells networkd that no udev will announce the card.
const inNamespace = `
set -eu
mount -t tmpfs none /run
mkdir -p /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
chown -R systemd-network:systemd-network /run/systemd
mount -t sysfs -o ro none /sys
mkdir -p /run/empty /etc/systemd/network
mount --bind "$1" /etc/systemd/network
mount --bind /run/empty /usr/lib/systemd/network
ip link add wan type veth peer name cable
SYSTEMD_LOG_LEVEL=warning /usr/lib/systemd/systemd-networkd 2>/run/log &
pid=$!
n=0
while [ $n -lt 150 ] && ! { ip -o addr show dev wan | grep -q 203.0.113.11/27 && ip -6 route show | grep -q '^default'; }; do
	n=$((n+1)); sleep 0.1
done
ip -o addr show dev wan
ip route show
ip -6 route show
kill $pid; wait $pid || true
grep 10-wan /run/log || true
`

// The real networkd must take the files: every address and gateway, before the
// cable is in, and nothing learned from the network.
func TestNetworkd(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root for a network namespace")
	}
	for _, tool := range []string{"unshare", "ip", "/usr/lib/systemd/systemd-networkd"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("this machine lacks a tool: %v", err)
		}
	}
	_, s := load(t)
	nic := *s.Hardware.NICs[0]
	nic.Addresses = append(nic.Addresses, netip.MustParsePrefix("2001:db8::10/64"))
	nic.Gateways = append(nic.Gateways, netip.MustParseAddr("2001:db8::1"))
	six := *s
	six.Hardware.NICs = []*spec.NIC{&nic}
	files, err := Files(makePlan(t, &six), &six)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil { // networkd drops its privileges
		t.Fatal(err)
	}
	for _, f := range files {
		if name, ok := strings.CutPrefix(f.Path, "etc/systemd/network/"); ok {
			write(t, filepath.Join(dir, name), string(f.Data))
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "unshare", "--net", "--mount", "--fork", "--kill-child", "sh", "-c", inNamespace, "sh", dir).CombinedOutput()
	if err != nil {
		if strings.Contains(string(out), "unshare failed") {
			t.Skipf("this machine forbids namespaces: %s", out)
		}
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"203.0.113.10/27", "203.0.113.11/27", "2001:db8::10/64", "default via 203.0.113.1 dev wan", "default via 2001:db8::1 dev wan"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	for _, bad := range []string{"10-wan", "tentative", "dynamic", "169.254."} {
		if strings.Contains(string(out), bad) {
			t.Errorf("%q in:\n%s", bad, out)
		}
	}
}
