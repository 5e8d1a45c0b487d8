package bake

import (
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trunkline/appliance/spec"
)

func prefixes(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// render gives the files of some hardware by what follows the directory's prefix.
func render(h *spec.Hardware) map[string]string {
	out := map[string]string{}
	for _, f := range slices.Concat(networkFiles(h, ""), clientFiles(h, "")) {
		out[strings.TrimPrefix(f.Path, networkDir)] = string(f.Data) + f.Link
	}
	return out
}

func TestNetworkFiles(t *testing.T) {
	card := func(name, mac string) *spec.NIC {
		return &spec.NIC{Name: name, Kind: spec.KindEthernet, MatchMAC: mac, MTU: 1500}
	}
	lan := &spec.NIC{Name: "lan", Kind: spec.KindEthernet, MTU: 9000, Addresses: prefixes("10.0.0.1/24", "2001:db8::1/64"),
		Gateways: []netip.Addr{netip.MustParseAddr("10.0.0.254"), netip.MustParseAddr("2001:db8::fe")}}
	for _, c := range []struct {
		name      string
		h         spec.Hardware
		file      string
		want, not []string
	}{
		{"both families", spec.Hardware{NICs: []*spec.NIC{lan}}, "lan.network",
			[]string{"MTUBytes=9000\n", "Address=10.0.0.1/24\n", "Address=2001:db8::1/64\nDuplicateAddressDetection=none\n",
				"Gateway=10.0.0.254\n", "Gateway=2001:db8::fe\n", "LinkLocalAddressing=ipv6\n", "DHCP=no\n", "IPv6AcceptRA=no\n", "LLMNR=no\n", "MulticastDNS=no\n"},
			[]string{"10.0.0.1/24\nDuplicate", "Bond=", "VLAN=", "[Route]"}},
		{"only card", spec.Hardware{NICs: []*spec.NIC{lan}}, "lan.link", []string{"[Match]\nType=ether\n", "Name=lan\n"}, []string{"MACAddress", "MTUBytes"}},
		{"card by its MAC, and no bond that shows it", spec.Hardware{NICs: []*spec.NIC{card("a", "52:54:00:00:00:01")}}, "a.link",
			[]string{"MACAddress=52:54:00:00:00:01\nType=ether\n"}, nil},
		{"parent is large before its VLANs are made", spec.Hardware{NICs: []*spec.NIC{lan, {Name: "v", Kind: spec.KindVLAN, Parent: "lan", VLAN: 7, MTU: 9000}}}, "lan.link",
			[]string{"MTUBytes=9000\n"}, nil},
		{"parent names its VLANs in order", spec.Hardware{NICs: []*spec.NIC{lan,
			{Name: "z", Kind: spec.KindVLAN, Parent: "lan", VLAN: 7}, {Name: "a", Kind: spec.KindVLAN, Parent: "lan", VLAN: 8}}}, "lan.network",
			[]string{"VLAN=z\nVLAN=a\n"}, nil},
		{"VLAN", spec.Hardware{NICs: []*spec.NIC{{Name: "v", Kind: spec.KindVLAN, Parent: "lan", VLAN: 4094}}}, "v.netdev",
			[]string{"Kind=vlan\n", "[VLAN]\nId=4094\n"}, []string{"MACAddress"}},
		{"LACP", spec.Hardware{NICs: []*spec.NIC{card("a", "52:54:00:00:00:01"), card("b", "52:54:00:00:00:02"),
			{Name: "pair", Kind: spec.KindBond, Mode: spec.BondLACP, Members: []string{"b", "a"}, MTU: 9000}}}, "pair.netdev",
			[]string{"Kind=bond\n", "MACAddress=52:54:00:00:00:02\n", "MTUBytes=9000\n", "Mode=802.3ad\n", "LACPTransmitRate=fast\n", "TransmitHashPolicy=layer3+4\n", "MIIMonitorSec=100ms\n"}, nil},
		{"LACP in a virtual machine knows its speed", spec.Hardware{Platform: spec.PlatformVM, NICs: []*spec.NIC{card("a", "52:54:00:00:00:01"),
			{Name: "pair", Kind: spec.KindBond, Mode: spec.BondLACP, Members: []string{"a"}}}}, "a.link",
			[]string{"AutoNegotiation=no\nBitsPerSecond=10000000000\nDuplex=full\n"}, nil},
		{"as fast as the other member", spec.Hardware{Platform: spec.PlatformVM, NICs: []*spec.NIC{card("a", "52:54:00:00:00:01"), {Name: "b", Kind: spec.KindEthernet, SpeedBits: 25_000_000_000},
			{Name: "pair", Kind: spec.KindBond, Mode: spec.BondLACP, Members: []string{"a", "b"}}}}, "a.link",
			[]string{"BitsPerSecond=25000000000\n"}, nil},
		{"real cards find theirs", spec.Hardware{Platform: spec.PlatformBaremetal, NICs: []*spec.NIC{card("a", "52:54:00:00:00:01"),
			{Name: "pair", Kind: spec.KindBond, Mode: spec.BondLACP, Members: []string{"a"}}}}, "a.link",
			nil, []string{"BitsPerSecond", "Duplex", "AutoNegotiation"}},
		{"one at a time", spec.Hardware{NICs: []*spec.NIC{card("a", "52:54:00:00:00:01"),
			{Name: "pair", Kind: spec.KindBond, Mode: spec.BondActiveBackup, Members: []string{"a"}}}}, "pair.netdev",
			[]string{"Mode=active-backup\n", "MIIMonitorSec=100ms\n"}, []string{"LACP", "TransmitHashPolicy"}},
		{"member", spec.Hardware{NICs: []*spec.NIC{card("a", "52:54:00:00:00:01"),
			{Name: "pair", Kind: spec.KindBond, Members: []string{"a"}}}}, "a.network",
			[]string{"Bond=pair\n", "LinkLocalAddressing=no\n", "ConfigureWithoutCarrier=yes\n"}, []string{"MTUBytes", "Address="}},
		{"bond of the only card keeps that card's MAC", spec.Hardware{NICs: []*spec.NIC{card("a", ""),
			{Name: "pair", Kind: spec.KindBond, Members: []string{"a"}}}}, "pair.link",
			[]string{"Type=bond\n", "MACAddressPolicy=none\n"}, []string{"Name=pair\n\n"}},
		{"routes of this NIC alone", spec.Hardware{NICs: []*spec.NIC{lan}, Routes: []*spec.StaticRoute{
			{NIC: "lan", Destination: netip.MustParsePrefix("10.8.0.0/16"), Via: netip.MustParseAddr("10.0.0.9")},
			{NIC: "wan", Destination: netip.MustParsePrefix("10.9.0.0/16"), Via: netip.MustParseAddr("192.0.2.1")}}}, "lan.network",
			[]string{"\n[Route]\nDestination=10.8.0.0/16\nGateway=10.0.0.9\n"}, []string{"10.9.0.0"}},
		{"three resolvers at most", spec.Hardware{DNS: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::2"),
			netip.MustParseAddr("10.0.0.3"), netip.MustParseAddr("10.0.0.4")}}, "etc/resolv.conf",
			[]string{"nameserver 10.0.0.1\nnameserver 2001:db8::2\nnameserver 10.0.0.3\n"}, []string{"10.0.0.4"}},
		{"time servers, and no others", spec.Hardware{NTP: []string{"10.0.0.123", "ntp.example.net"}}, timesyncConf,
			[]string{"[Time]\nNTP=10.0.0.123 ntp.example.net\nFallbackNTP=\n"}, nil},
		{"the time client is started", spec.Hardware{NTP: []string{"10.0.0.123"}}, timesyncWant, []string{timesyncUnit}, nil},
	} {
		got, ok := render(&c.h)[c.file]
		if !ok {
			t.Errorf("%s: no file %s", c.name, c.file)
		}
		for _, w := range c.want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: no %q in %s:\n%s", c.name, w, c.file, got)
			}
		}
		for _, n := range c.not {
			if strings.Contains(got, n) {
				t.Errorf("%s: %q in %s:\n%s", c.name, n, c.file, got)
			}
		}
	}
}

// Without dns and ntp nothing is there that could ask anybody.
func TestNoClientsUnlessStated(t *testing.T) {
	p, s := load(t)
	files, err := Files(p, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Path == "etc/resolv.conf" || strings.Contains(f.Path, "timesync") {
			t.Errorf("%s without dns and ntp in the spec", f.Path)
		}
	}
}

// Every interface of the spec has its files, and names in them are names of the spec.
func TestNetworkFilesNameEachOther(t *testing.T) {
	p, s := loadFrom(t, networkSpec)
	files, err := Files(p, s)
	if err != nil {
		t.Fatal(err)
	}
	known, have := map[string]bool{}, map[string]bool{}
	for _, n := range s.Hardware.NICs {
		known[n.Name] = true
	}
	for _, f := range files {
		name, ok := strings.CutPrefix(f.Path, networkDir)
		if !ok {
			continue
		}
		have[name] = true
		for line := range strings.Lines(string(f.Data)) {
			for _, key := range []string{"Bond=", "VLAN="} {
				if v, ok := strings.CutPrefix(line, key); ok && !known[strings.TrimSpace(v)] {
					t.Errorf("%s: %s", f.Path, line)
				}
			}
		}
	}
	for _, n := range s.Hardware.NICs {
		if !have[n.Name+".network"] || have[n.Name+".netdev"] == (n.Kind == spec.KindEthernet) || have[n.Name+".link"] != (n.Kind == spec.KindEthernet) {
			t.Errorf("%s %s: files %v", n.Kind, n.Name, have)
		}
	}
}

// The drop-in must be where systemd looks for it.
func TestTimeServersAreRead(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skipf("this machine has no systemd-analyze: %v", err)
	}
	_, s := loadFrom(t, networkSpec)
	root := t.TempDir()
	write(t, filepath.Join(root, "etc/systemd/timesyncd.conf"), "[Time]\n#NTP=\n")
	for _, f := range clientFiles(&s.Hardware, "") {
		if f.Link == "" {
			write(t, filepath.Join(root, f.Path), string(f.Data))
		}
	}
	out, err := exec.Command(analyze, "cat-config", "--root="+root, "systemd/timesyncd.conf").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "\nNTP=10.0.9.123 ntp.example.net\nFallbackNTP=\n") {
		t.Errorf("systemd does not read the drop-in: %v\n%s", err, out)
	}
}
