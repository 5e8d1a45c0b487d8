package bake

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"trunkline/appliance/spec"
)

// inNamespace starts networkd alone in its own network and mount namespace, with
// the baked files ($1) as its only configuration and cards ($2) whose cables are out,
// waits for a condition ($3), and shows what came of it. A read-only /sys tells
// networkd that no udev will announce the cards.
const inNamespace = `
set -eu
mount -t tmpfs none /run
mkdir -p /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
chown -R systemd-network:systemd-network /run/systemd
mount -t sysfs -o ro none /sys
mkdir -p /run/empty /etc/systemd/network
mount --bind "$1" /etc/systemd/network
mount --bind /run/empty /usr/lib/systemd/network
i=0
for card in $2; do
	i=$((i+1)); ip link add "$card" type veth peer name "cable$i"
done
SYSTEMD_LOG_LEVEL=warning /usr/lib/systemd/systemd-networkd 2>/run/log &
pid=$!
n=0
while [ $n -lt 150 ] && ! sh -c "$3"; do
	n=$((n+1)); sleep 0.1
done
ip -o addr show
ip route show
ip -6 route show
ip -d link show
kill $pid; wait $pid || true
echo "log:"
cat /run/log
`

// networkd runs the script on the network files of a spec.
func networkd(t *testing.T, s *spec.Spec, cards, until string) (state, log string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root for a network namespace")
	}
	for _, tool := range []string{"unshare", "ip", "/usr/lib/systemd/systemd-networkd"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("this machine lacks a tool: %v", err)
		}
	}
	files, err := Files(makePlan(t, s), s)
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
	out, err := exec.CommandContext(ctx, "unshare", "--net", "--mount", "--fork", "--kill-child", "sh", "-c", inNamespace, "sh", dir, cards, until).CombinedOutput()
	if err != nil {
		if strings.Contains(string(out), "unshare failed") {
			t.Skipf("this machine forbids namespaces: %s", out)
		}
		t.Fatalf("%v\n%s", err, out)
	}
	state, log, _ = strings.Cut(string(out), "log:\n")
	return state, log
}

// The real networkd must take the files: every address, gateway and route, before
// the cable is in, and nothing learned from the network.
func TestNetworkd(t *testing.T) {
	_, s := load(t)
	nic := *s.Hardware.NICs[0]
	nic.Addresses = append(nic.Addresses, netip.MustParsePrefix("2001:db8::10/64"))
	nic.Gateways = append(nic.Gateways, netip.MustParseAddr("2001:db8::1"))
	six := *s
	six.Hardware.NICs = []*spec.NIC{&nic}
	six.Hardware.Routes = []*spec.StaticRoute{
		{Name: "four", NIC: nic.Name, Destination: netip.MustParsePrefix("10.8.0.0/16"), Via: netip.MustParseAddr("203.0.113.2")},
		{Name: "six", NIC: nic.Name, Destination: netip.MustParsePrefix("2001:db8:8::/48"), Via: netip.MustParseAddr("fe80::8")},
	}
	state, log := networkd(t, &six, "wan", "ip -o addr show dev wan | grep -q 203.0.113.11/27 && ip route show | grep -q '^10.8' && ip -6 route show | grep -q '^default' && ip -6 route show | grep -q 2001:db8:8:")
	for _, want := range []string{"203.0.113.10/27", "203.0.113.11/27", "2001:db8::10/64", "default via 203.0.113.1 dev wan", "default via 2001:db8::1 dev wan",
		"10.8.0.0/16 via 203.0.113.2 dev wan", "2001:db8:8::/48 via fe80::8 dev wan"} {
		if !strings.Contains(state, want) {
			t.Errorf("no %q in:\n%s", want, state)
		}
	}
	for _, bad := range []string{"tentative", "dynamic", "169.254."} {
		if strings.Contains(state, bad) {
			t.Errorf("%q in:\n%s", bad, state)
		}
	}
	if strings.Contains(log, "10-wan") {
		t.Errorf("networkd complains:\n%s", log)
	}
}

// aboutFile is a complaint of systemd's parser: file:line, or a whole file ignored.
var aboutFile = regexp.MustCompile(`(?m)^.*/10-[^ ]*\.(link|netdev|network):.*$`)

// The files of bonds and VLANs: networkd must understand every line, and where the
// kernel has the drivers make the interfaces. (In the image it always has: the boot
// test looks at that.)
func TestNetworkdStacks(t *testing.T) {
	_, s := loadFrom(t, networkSpec)
	able := true
	for _, kind := range []string{"ip link add bond9 type bond", "ip link add x type veth peer name y && ip link add link x name z type vlan id 9"} {
		able = able && exec.Command("unshare", "--net", "sh", "-c", kind).Run() == nil
	}
	until := "ip route show | grep -q '^10.0.0.0/8'"
	if !able {
		until = "test -s /run/log" // it says what it cannot make, all files read
	}
	state, log := networkd(t, s, "wan0 wan1 lan0 lan1 mgmt", until)
	if bad := aboutFile.FindAllString(log, -1); len(bad) > 0 {
		t.Errorf("networkd complains:\n%s", strings.Join(bad, "\n"))
	}
	if !able {
		t.Log("this machine's kernel makes no bonds or VLANs: that they come up is seen in the image (ci/e2e/network)")
		return
	}
	for _, want := range []string{
		"wan0: .* master wan ", "lan1: .* master lan ", "bond mode 802.3ad miimon 100 ", "lacp_rate fast", "xmit_hash_policy layer3\\+4", "bond mode active-backup miimon 100 ",
		"carriers@wan: .* mtu 9000 ", "peers@wan: .* mtu 1500 ", "vlan protocol 802.1Q id 4094 ", "carriers .*203.0.113.10/27", "lan .*10.0.0.10/24",
		"default via 203.0.113.1 dev carriers", "10.0.0.0/8 via 10.0.0.1 dev lan", "2001:db8:99::/48 via fe80::9 dev mgmt", "198.18.0.7 via 10.0.9.1 dev mgmt",
	} {
		if !regexp.MustCompile(want).MatchString(state) {
			t.Errorf("no %q in:\n%s", want, state)
		}
	}
}
