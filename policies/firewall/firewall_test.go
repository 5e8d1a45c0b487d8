package firewall

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trunkline/appliance/runtime"
)

var update = flag.Bool("update", false, "write the golden files")

func load(t *testing.T, name string) *runtime.Appliance {
	t.Helper()
	a, err := runtime.Load(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestText(t *testing.T) {
	for _, name := range []string{"edge", "bare", "services"} {
		t.Run(name, func(t *testing.T) {
			rs, err := Compile(load(t, name))
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".nft")
			if *update {
				if err := os.WriteFile(golden, []byte(rs.Text()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), rs.Text()); d != "" {
				t.Errorf("text differs (-golden +now), regenerate with -update:\n%s", d)
			}
			nftCheck(t, golden)
		})
	}
}

// nftCheck has nft judge a file without loading it.
func nftCheck(t *testing.T, file string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("nft -c needs CAP_NET_ADMIN: not root")
	}
	if out, err := exec.Command("nft", "-c", "-f", file).CombinedOutput(); err != nil {
		t.Errorf("nft -c -f %s: %v\n%s", file, err, out)
	}
}

func TestDisabled(t *testing.T) {
	a := load(t, "edge")
	a.Firewall.Enabled = false
	rs, err := Compile(a)
	if err != nil || !rs.Disabled || rs.Text() != "" {
		t.Errorf("got %+v, %v, text %q", rs, err, rs.Text())
	}
}

func TestCompileRefuses(t *testing.T) {
	tests := []struct {
		name string
		edit func(a *runtime.Appliance)
		want string
	}{
		{"any address", func(a *runtime.Appliance) { a.Listeners[0].Address = netip.MustParseAddrPort("0.0.0.0:5060") }, "give it one address and port"},
		{"no address", func(a *runtime.Appliance) { a.Listeners[0].Address = netip.AddrPort{} }, "give it one address and port"},
		{"same socket", func(a *runtime.Appliance) { a.Listeners[1].Address = a.Listeners[0].Address }, `"carrier-a" and "core" share 203.0.113.10:5060`},
		{"same socket, mapped", func(a *runtime.Appliance) {
			a.Listeners[1].Address = netip.MustParseAddrPort("[::ffff:203.0.113.10]:5060")
		}, "share 203.0.113.10:5060"},
		{"same name", func(a *runtime.Appliance) { a.Listeners[1].Name = "carrier-a" }, "rename one"},
		{"name that ends the rule", func(a *runtime.Appliance) { a.Listeners[0].Name = "x { }; flush ruleset" }, "use letters, digits"},
		{"transport", func(a *runtime.Appliance) { a.Listeners[0].Transport = "sctp" }, "write one of udp, tcp, tls, ws, wss"},
		{"no meter size", func(a *runtime.Appliance) { a.Firewall.MaxSources = 0 }, "a meter needs a size"},
		{"negative", func(a *runtime.Appliance) { a.Firewall.ICMPRate = -1 }, "cannot be negative"},
		{"service without address", func(a *runtime.Appliance) { service(a).Addresses = nil }, "name one of the appliance's"},
		{"service on any address", func(a *runtime.Appliance) { service(a).Addresses = []netip.Addr{netip.IPv4Unspecified()} }, "would open more than it"},
		{"service ports", func(a *runtime.Appliance) { service(a).LastPort = 1 }, "the lower one first"},
		{"service protocol", func(a *runtime.Appliance) { service(a).Protocol = "sctp" }, "write udp or tcp"},
		{"untracked connections", func(a *runtime.Appliance) { service(a).Untracked = true }, "connections are tracked"},
		{"service name", func(a *runtime.Appliance) { service(a).Name = "a b" }, "use letters"},
		{"service source", func(a *runtime.Appliance) { service(a).Sources = []netip.Prefix{{}} }, "invalid source"},
		{"prefix", func(a *runtime.Appliance) { a.Listeners[0].Sources[0] = netip.Prefix{} }, "invalid source"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := load(t, "edge")
			tt.edit(a)
			if _, err := Compile(a); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// service adds one that is right.
func service(a *runtime.Appliance) *runtime.Service {
	a.Firewall.Services = []runtime.Service{{Name: "control", Protocol: "tcp", Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.11")},
		FirstPort: 8443, LastPort: 8443, Sources: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}}}
	return &a.Firewall.Services[0]
}

// A transport has its own ports: what shares an address and port is told apart.
func TestTransportsShareAnAddress(t *testing.T) {
	a := load(t, "edge")
	tcp := a.Listeners[0]
	tcp.Name, tcp.Transport = "over-tcp", "tcp"
	a.Listeners = append(a.Listeners, tcp)
	if _, err := Compile(a); err != nil {
		t.Errorf("udp and tcp on one port: %v", err)
	}
	tls := tcp
	tls.Name, tls.Transport = "over-tls", "tls"
	a.Listeners = append(a.Listeners, tls)
	if _, err := Compile(a); err == nil || !strings.Contains(err.Error(), "share 203.0.113.10:5060") {
		t.Errorf("tcp and tls on one port: %v", err)
	}
}

func TestRanges(t *testing.T) {
	tests := []struct {
		in   string
		f    Family
		want string
	}{
		{"", IPv4, "[]"},
		{"10.0.0.0/25 10.0.0.128/25", IPv4, "[10.0.0.0/24]"},
		{"10.0.0.0/8 10.1.0.0/16 10.0.0.1/32", IPv4, "[10.0.0.0/8]"},
		{"10.0.0.3/32 10.0.0.1/32 10.0.0.2/32", IPv4, "[10.0.0.1-10.0.0.3]"},
		{"10.0.0.5/24", IPv4, "[10.0.0.0/24]"},
		{"0.0.0.0/0 255.255.255.255/32", IPv4, "[0.0.0.0/0]"},
		{"255.255.255.255/32 0.0.0.0/32", IPv4, "[0.0.0.0 255.255.255.255]"},
		{"::ffff:192.0.2.0/120", IPv4, "[192.0.2.0/24]"},
		{"10.0.0.0/8 2001:db8::/32 ::/0", IPv6, "[::/0]"},
		{"2001:db8::/33 2001:db8:8000::/33", IPv6, "[2001:db8::/32]"},
	}
	for _, tt := range tests {
		var ps []netip.Prefix
		for _, s := range strings.Fields(tt.in) {
			ps = append(ps, netip.MustParsePrefix(s))
		}
		if got := fmt.Sprint(ranges(tt.f, ps)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.in, got, tt.want)
		}
	}
}

// Whatever the prefixes, an address is in the ranges when a prefix has it, and the
// ranges are sorted with room between them.
func TestRangesProperty(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	addr := func() netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(3)), byte(r.IntN(256))}) }
	for range 300 {
		ps := make([]netip.Prefix, r.IntN(20))
		for i := range ps {
			ps[i] = netip.PrefixFrom(addr(), 20+r.IntN(13))
		}
		out := ranges(IPv4, ps)
		for i := 1; i < len(out); i++ {
			if out[i].From.Compare(out[i-1].To.Next()) <= 0 {
				t.Fatalf("%v: %v and %v overlap or touch", ps, out[i-1], out[i])
			}
		}
		for range 100 {
			a, want, got := addr(), false, false
			for _, p := range ps {
				want = want || p.Contains(a)
			}
			for _, x := range out {
				got = got || (x.From.Compare(a) <= 0 && a.Compare(x.To) <= 0)
			}
			if got != want {
				t.Fatalf("%v in %v: %v, prefixes say %v", a, out, got, want)
			}
		}
	}
}
