package changes

import (
	"bytes"
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"trunkline/appliance/plan"
	"trunkline/appliance/plan/diff"
	"trunkline/appliance/runtime"
	"trunkline/appliance/sizing"
)

var update = flag.Bool("update", false, "rewrite golden files")

// before is a small appliance, planned by hand: what sizing computes is not what
// is tested here.
func before() *plan.Plan {
	at := netip.MustParseAddrPort
	return &plan.Plan{
		FormatVersion: plan.FormatVersion, Trunkline: "v1", Complete: true,
		SpecDigest: "sha256:" + strings.Repeat("a1", 32),
		Verdict:    "Saturates first: call slots, at 14,000 concurrent calls, 1.03 times the planned 13,600. To raise it: raise state.memory (edge.hcl:66).",
		Appliance: &runtime.Appliance{
			Name: "edge-fra1",
			Hardware: runtime.Hardware{Threads: 2, MemoryBytes: 4 << 30, NICs: []runtime.NIC{
				{Name: "wan", MAC: "52:54:00:12:34:56", Addresses: []netip.Prefix{netip.MustParsePrefix("203.0.113.10/27")}},
			}},
			Listeners: []runtime.Listener{
				{Name: "carrier-a", Transport: "udp", Address: at("203.0.113.10:5060"), Workers: 1, RecvBuffer: 1 << 20, Sources: nets("198.51.100.0/24")},
				{Name: "carrier-b", Transport: "udp", Address: at("203.0.113.10:5061"), Workers: 1, Sources: nets("192.0.2.0/24")},
			},
			Dispatchers: []runtime.Dispatcher{{
				Name: "core", ID: 1, Algorithm: runtime.AlgorithmRoundRobin,
				Failover: runtime.Failover{On: []runtime.CodeSpan{{First: 500, Last: 599}, {First: 408, Last: 408}}, OnTimeout: true},
				Destinations: []runtime.Destination{
					{Name: "fs1", URI: "sip:10.0.0.11:5060", Address: at("10.0.0.11:5060"), Listener: "carrier-a"},
					{Name: "fs2", URI: "sip:10.0.0.12:5060", Address: at("10.0.0.12:5060"), Listener: "carrier-a"},
				},
			}},
			Routes: []runtime.Route{
				{Name: "de", From: []string{"carrier-b"}, Prefix: "+49", To: []string{"core"}},
				{Name: "rest", To: []string{"core"}},
			},
			Limits:      runtime.Limits{CPS: 240, ConcurrentCalls: 14000},
			Transaction: runtime.Transaction{InviteTimeout: runtime.Duration(30 * time.Second)},
			Firewall:    runtime.FirewallInput{Enabled: true, SourceRate: 2160},
		},
		Budget: &sizing.Budget{
			OfferedCalls: sizing.Figure{Value: 12000, Inputs: []sizing.Input{{Name: "workload.cps", Value: 200, Unit: "calls/s"}}},
			CallsHeld:    sizing.Figure{Value: 13600, Unit: "calls"},
			TotalWorkers: sizing.Figure{Value: 2, Unit: "1"},
			Memory:       []sizing.MemoryItem{{Name: "free", Bytes: sizing.Figure{Value: 2 << 30, Unit: "B"}}},
			Ceilings: []sizing.Ceiling{
				{Resource: "call slots", Axis: sizing.AxisConcurrent, At: sizing.Figure{Value: 14000}, Headroom: 14000.0 / 13600},
				{Resource: "limit of calls/s", Axis: sizing.AxisCPS, At: sizing.Figure{Value: 240}, Headroom: 1.2},
			},
			Findings: []sizing.Finding{{ID: "x", Severity: sizing.SeverityWarning, Summary: "One carrier has no spare", Detail: "Add one."}},
			Sysctls:  []sizing.Sysctl{{Key: "net.core.rmem_max", Value: "1048576"}},
		},
		Files: []plan.FileSum{
			{Path: "etc/hostname", Mode: "0644", SHA256: strings.Repeat("0a", 32), Content: "1"},
			{Path: "etc/nftables/trunkline.nft", Mode: "0644", SHA256: strings.Repeat("0b", 32), Content: "2"},
			{Path: "etc/systemd/network/10-wan.link", Mode: "0644", SHA256: strings.Repeat("0c", 32), Content: "3"},
		},
	}
}

// after is before with a change of every kind.
func after() *plan.Plan {
	p := before()
	p.SpecDigest = "sha256:" + strings.Repeat("b2", 32)
	p.Verdict = "Saturates first: limit of calls/s, at 240 calls/s, 0.60 times the planned 400. To raise it: raise limits.cps (edge.hcl:64)."
	a, b := p.Appliance, p.Budget
	a.Hardware.NICs[0].MAC = "52:54:00:12:34:57"
	a.Listeners = a.Listeners[:1]
	a.Listeners[0].Sources = nets("198.51.100.0/25", "192.0.2.64/26")
	a.Listeners[0].Workers, a.Listeners[0].RecvBuffer = 2, 3<<20
	d := &a.Dispatchers[0]
	d.Failover.On = d.Failover.On[:1]
	d.Probe = &runtime.Probe{Interval: runtime.Duration(30 * time.Second)}
	d.Destinations = []runtime.Destination{d.Destinations[1], d.Destinations[0], {Name: "fs3", URI: "sip:10.0.0.13:5060"}}
	a.Routes = a.Routes[1:]
	a.Limits.ConcurrentCalls = 0
	a.Transaction.InviteTimeout = runtime.Duration(20 * time.Second)
	a.Firewall.Enabled = false
	b.OfferedCalls.Inputs = []sizing.Input{{Name: "workload.cps", Value: 400, Unit: "calls/s"}}
	b.Memory[0].Bytes.Value = 1 << 30
	b.Ceilings = []sizing.Ceiling{{Resource: "limit of calls/s", Axis: sizing.AxisCPS, At: sizing.Figure{Value: 240}, Headroom: 0.6}}
	b.Findings = []sizing.Finding{{ID: "y", Severity: sizing.SeverityError, Summary: "Below the planned load: limit of calls/s", Detail: "Raise limits.cps.", At: "edge.hcl:64"}}
	b.Sysctls[0].Value = "3145728"
	p.Errored = true
	p.Files[0].SHA256 = strings.Repeat("1a", 32)
	p.Files = []plan.FileSum{p.Files[0], {Path: "etc/systemd/network/10-wan.link", Mode: "0644", SHA256: strings.Repeat("1c", 32), Content: "4"}}
	return p
}

func nets(in ...string) (out []netip.Prefix) {
	for _, s := range in {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func compare(t *testing.T, a, b *plan.Plan) *diff.Diff {
	t.Helper()
	const link = "etc/systemd/network/10-wan.link"
	d, err := diff.Compare(
		diff.Input{Label: "git:main (0123456789ab)", Plan: a, Files: map[string][]byte{link: []byte("[Match]\nMACAddress=52:54:00:12:34:56\n")}},
		diff.Input{Label: "sites/edge-fra1", Plan: b, Files: map[string][]byte{link: []byte("[Match]\nMACAddress=52:54:00:12:34:57\n")}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestText(t *testing.T) {
	same := after()
	same.SpecDigest = before().SpecDigest
	words := before()
	words.SpecDigest = after().SpecDigest
	words.Files[0].SHA256 = after().Files[0].SHA256
	file := before()
	file.SpecDigest = after().SpecDigest
	file.Files[1].SHA256, file.Files[1].Content = strings.Repeat("1b", 32), "5"
	for name, tt := range map[string]struct {
		a, b *plan.Plan
		o    Options
	}{
		"short":  {before(), after(), Options{Width: 80}},
		"full":   {before(), after(), Options{Width: 100, Full: true}},
		"colour": {before(), after(), Options{Width: 80, Color: true}},
		"back":   {after(), before(), Options{}},
		"none":   {before(), before(), Options{}},
		"file":   {before(), file, Options{}},
		"words":  {before(), words, Options{}},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Text(&b, compare(t, tt.a, tt.b), tt.o); err != nil {
				t.Fatal(err)
			}
			golden(t, name, b.Bytes())
			if !tt.o.Color && bytes.ContainsRune(b.Bytes(), '\x1b') {
				t.Error("colour that nobody asked for")
			}
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

// However much changes, no removal is left out of the short view.
func TestRemovalsAreNeverCut(t *testing.T) {
	a, b := before(), before()
	b.SpecDigest = after().SpecDigest
	for i := range 200 {
		name := strconv.Itoa(i)
		a.Appliance.Routes = append(a.Appliance.Routes, runtime.Route{Name: "gone-" + name})
		b.Appliance.Routes = append(b.Appliance.Routes, runtime.Route{Name: "new-" + name})
	}
	var out bytes.Buffer
	if err := Text(&out, compare(t, a, b), Options{}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), `- route "gone-`); n != 200 {
		t.Errorf("%d of 200 removals are shown", n)
	}
	if n := strings.Count(out.String(), `+ route "new-`); n != shortGroup {
		t.Errorf("%d additions are shown, want %d", n, shortGroup)
	}
	if !strings.Contains(out.String(), "and 180 more: the full view shows them") {
		t.Error("nothing says that something is left out")
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no room") }

func TestWriterErrors(t *testing.T) {
	if err := Text(broken{}, compare(t, before(), after()), Options{}); err == nil {
		t.Error("a failed write is not told")
	}
}
