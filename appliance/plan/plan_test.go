package plan

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/hcl/v2"

	"trunkline/appliance/runtime"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
)

func example(t *testing.T) *spec.Spec {
	t.Helper()
	s, diags, _ := spec.Load("../examples/edge-fra1", spec.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return s
}

func mustMake(t *testing.T, s *spec.Spec) *Plan {
	t.Helper()
	p, err := Make(s, sizing.Size(s, nil), Options{Version: "v0"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestExample(t *testing.T) {
	s := example(t)
	p := mustMake(t, s)
	if !strings.HasPrefix(p.Verdict, "Saturates first: limit of concurrent calls, at 14,000 concurrent calls, 1.03 times the planned 13,600. To raise it: raise limits.concurrent_calls (edge.hcl:") {
		t.Errorf("verdict: %s", p.Verdict)
	}
	if p.Errored || p.Complete || p.SpecDigest != s.Digest || p.FormatVersion != FormatVersion {
		t.Errorf("head: %+v", p)
	}
	a := p.Appliance
	core := a.Listeners[1]
	if len(a.Listeners[0].Peers) != 0 || len(core.Peers) != 3 || core.Peers[0] != netip.MustParsePrefix("10.0.0.11/32") {
		t.Errorf("peers: %v, %v", a.Listeners[0].Peers, core.Peers)
	}
	if core.Workers != core.SocketCount || core.Workers < 1 || core.RecvBuffer < 1<<20 {
		t.Errorf("listener: %+v", core)
	}
	if a.Caches[0].Path != "/etc/trunkline/caches/carriers.csv" || a.Caches[0].Rows != 6 {
		t.Errorf("cache: %+v", a.Caches[0])
	}
	if a.State.Transactions == 0 || a.State.MessageBytes == 0 || a.State.Calls < a.Limits.ConcurrentCalls || a.State.ProcessMemory == 0 || a.State.BudgetBytes == 0 {
		t.Errorf("state: %+v", a.State)
	}
	if a.Transaction.T1.D() != 500*time.Millisecond || a.Transaction.InviteTimeout.D() != 30*time.Second || a.Limits.RetryAfter != 5 {
		t.Errorf("timers: %+v %+v", a.Transaction, a.Limits)
	}
	if !strings.Contains(p.Ruleset, "table inet trunkline") || !strings.Contains(p.Ruleset, "198.51.100.0/24") {
		t.Errorf("ruleset: %s", p.Ruleset)
	}
	// What sbcd reads must be what the plan compiled.
	b, err := runtime.Encode(a)
	if err != nil {
		t.Fatal(err)
	}
	back, err := runtime.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(a, back, cmp.Comparer(func(x, y netip.Prefix) bool { return x == y }), cmp.Comparer(func(x, y netip.AddrPort) bool { return x == y }), cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
}

func TestJSONIsStable(t *testing.T) {
	one, err := Encode(mustMake(t, example(t)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Decode(one)
	if err != nil {
		t.Fatal(err)
	}
	two, err := Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one, two) {
		t.Error(cmp.Diff(string(one), string(two)))
	}
	if bytes.Contains(one, []byte("examples/edge-fra1")) {
		t.Error("the plan names the directory it was made in")
	}
}

func TestDecodeRefuses(t *testing.T) {
	good, err := Encode(mustMake(t, example(t)))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ from, to, want string }{
		"version":           {`"format_version": 1,`, `"format_version": 2,`, "make the plan again"},
		"appliance version": {"\n    \"format_version\": 1,", "\n    \"format_version\": 7,", "make the plan again"},
		"field":             {`"verdict"`, `"verdikt"`, "verdikt"},
		"budget":            {`"budget": {`, `"budget": null, "x": {`, "unknown field"},
		"text":              {`{`, `plan`, "not a plan"},
	} {
		_, err := Decode([]byte(strings.Replace(string(good), c.from, c.to, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := Decode([]byte(`{"format_version": 1}`)); err == nil {
		t.Error("a plan of nothing was taken")
	}
	if _, err := Decode(append(good, good...)); err == nil {
		t.Error("two plans were taken for one")
	}
}

func TestCompile(t *testing.T) {
	s := example(t)
	s.Routes = nil
	s.Dispatchers = s.Dispatchers[:1]
	s.Caches = []*spec.Cache{{Name: "late", Source: "file", File: "/var/lib/x.csv", Rows: 10, Warmup: "background", OnFail: "refuse"}}
	s.Limits.Burst, s.Limits.MessageSize = 0, 0
	s.Listeners[0].Sources = []netip.Prefix{
		netip.MustParsePrefix("198.51.100.9/24"), netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24"),
	}
	s.Dispatchers[0].Destinations[0].Listener = "" // no own network: the first of the family
	p := mustMake(t, s)
	a := p.Appliance
	if len(a.Routes) != 1 || a.Routes[0].To[0] != "core" {
		t.Errorf("implied route: %+v", a.Routes)
	}
	if a.Caches[0].Path != "/var/lib/x.csv" {
		t.Errorf("a cache of the appliance moved to %s", a.Caches[0].Path)
	}
	if a.Limits.Burst != a.Limits.CPS || a.Listeners[0].MaxMessage != maxDatagram {
		t.Errorf("defaults: %+v, %d", a.Limits, a.Listeners[0].MaxMessage)
	}
	if got := a.Listeners[0].Sources; len(got) != 2 || got[0].String() != "192.0.2.0/24" {
		t.Errorf("sources not masked, sorted and unique: %v", got)
	}
	if d := a.Dispatchers[0].Destinations[0]; d.Listener != "carrier-a" {
		t.Errorf("destination through %q", d.Listener)
	}
	if got := a.Listeners[0].Peers; len(got) != 1 {
		t.Errorf("peers: %v", got)
	}
}

// The room for emergency calls is part of the tables, which say how much of it is theirs.
func TestCompileEmergency(t *testing.T) {
	s := example(t)
	before := mustMake(t, s).Appliance
	s.Limits.Emergency = &spec.Emergency{Numbers: []string{"112"}, ResourcePriorities: []string{"esnet"}, Reserve: 7}
	a := mustMake(t, s).Appliance
	e := a.Limits.Emergency
	if e == nil || e.Numbers[0] != "112" || e.ResourcePriority[0] != "esnet" || e.Calls != 7 || e.Transactions != 14 || e.MessageBytes == 0 {
		t.Fatalf("emergency calls: %+v", e)
	}
	if a.State.Calls != before.State.Calls+e.Calls || a.State.Transactions != before.State.Transactions+e.Transactions || a.State.MessageBytes != before.State.MessageBytes+e.MessageBytes {
		t.Errorf("tables %+v, without emergency calls %+v", a.State, before.State)
	}
}

// A destination by name has a listener whether the spec names one or not, no peer, and
// as many resolvers as are asked; without one nobody is asked.
func TestDestinationByName(t *testing.T) {
	s := example(t)
	for i := range 4 {
		s.Hardware.DNS = append(s.Hardware.DNS, netip.AddrFrom4([4]byte{10, 0, 0, byte(53 + i)}))
	}
	if a := mustMake(t, s).Appliance; a.Resolvers != nil {
		t.Errorf("without names %v are asked", a.Resolvers)
	}
	x := s.Dispatchers[0].Destinations[0]
	x.URI, x.Host, x.Port, x.Address, x.Listener = "sip:gw.example.net:5070", "gw.example.net", 5070, netip.AddrPort{}, ""
	for _, tt := range []struct{ stated, want string }{{"", s.Listeners[0].Name}, {s.Listeners[1].Name, s.Listeners[1].Name}} {
		x.Listener = tt.stated
		a := mustMake(t, s).Appliance
		d := a.Dispatchers[0].Destinations[0]
		if d.Listener != tt.want || d.Host != "gw.example.net" || d.Port != 5070 || d.Address.IsValid() {
			t.Errorf("with listener %q in the spec: %+v", tt.stated, d)
		}
		if got := fmt.Sprint(a.Resolvers); got != "[10.0.0.53:53 10.0.0.54:53 10.0.0.55:53]" {
			t.Errorf("%s are asked", got)
		}
		for _, l := range a.Listeners {
			for _, p := range l.Peers {
				if !p.IsValid() || p.Addr().IsUnspecified() {
					t.Errorf("listener %s lets in %v", l.Name, p)
				}
			}
		}
	}
}

// A listener over TCP beside one over UDP takes what is too long, whether there is a
// messages block or not: it must let the destinations in, and the limit must be known.
func TestOverTCP(t *testing.T) {
	s := example(t)
	with := func(name string, port int) *spec.Listener {
		l := *s.Listeners[1]
		l.Name, l.Transport, l.Port, l.Sources = name, spec.TransportTCP, port, nil
		return &l
	}
	other := *with("elsewhere", 5060)
	other.Address = netip.MustParseAddr("203.0.113.99")
	s.Messages = spec.Messages{Fallback: true}
	if a := mustMake(t, s).Appliance; a.Messages != nil || a.Listeners[1].OverTCP != "" {
		t.Errorf("without TCP: %+v, %q", a.Messages, a.Listeners[1].OverTCP)
	}
	s.Listeners = append(s.Listeners, &other, with("core-other-port", 5070), with("core-tcp", 5060))
	a := mustMake(t, s).Appliance
	if a.Listeners[1].OverTCP != "core-tcp" {
		t.Errorf("long requests of %s leave by %q", a.Listeners[1].Name, a.Listeners[1].OverTCP)
	}
	for i, l := range a.Listeners {
		if i != 1 && l.OverTCP != "" {
			t.Errorf("long requests of %s leave by %q", l.Name, l.OverTCP)
		}
		if want := l.Name == "core-tcp" || i == 1; (len(l.Peers) > 0) != want {
			t.Errorf("peers of %s: %v", l.Name, l.Peers)
		}
	}
	if got, want := a.Listeners[len(a.Listeners)-1].Peers, a.Listeners[1].Peers; !slices.Equal(got, want) {
		t.Errorf("peers over TCP %v, over UDP %v", got, want)
	}
	if m := a.Messages; m == nil || m.UDPLimit != 1300 || !m.Fallback {
		t.Errorf("messages: %+v", m)
	}
}

func TestMakeErrors(t *testing.T) {
	s := example(t)
	s.Dispatchers[0].Destinations[0] = &spec.Destination{Name: "six", Address: netip.MustParseAddrPort("[2001:db8::1]:5060"),
		Range: hcl.Range{Filename: "core.hcl", Start: hcl.Pos{Line: 7}}}
	if _, err := Make(s, sizing.Size(s, nil), Options{}); err == nil || !strings.Contains(err.Error(), "core.hcl:7") || !strings.Contains(err.Error(), "add a listener") {
		t.Errorf("unreachable destination: %v", err)
	}
	b := sizing.Size(s, nil)
	b.Listeners = b.Listeners[:1]
	if _, err := Make(s, b, Options{}); err == nil {
		t.Error("a budget of another spec was taken")
	}
	if _, err := Make(nil, b, Options{}); err == nil {
		t.Error("no spec, no error")
	}
}

func TestErrored(t *testing.T) {
	s := example(t)
	s.Hardware.Memory = 256 << 20
	p := mustMake(t, s)
	if !p.Errored || p.Findings(sizing.SeverityError) == 0 {
		t.Errorf("a machine without memory is planned for: %+v", p.Budget.Findings)
	}
	if !strings.Contains(p.Verdict, "hardware.memory") {
		t.Errorf("verdict: %s", p.Verdict)
	}
}

func TestFirewall(t *testing.T) {
	s := example(t)
	s.Firewall.Enabled = false
	if p := mustMake(t, s); p.Ruleset != "" {
		t.Errorf("a firewall turned off has rules: %s", p.Ruleset)
	}
	s = example(t)
	s.Listeners[0].Transport = "carrier pigeon"
	if _, err := Make(s, sizing.Size(s, nil), Options{}); err == nil {
		t.Error("a listener nobody can filter was planned")
	}
}

func TestVerdict(t *testing.T) {
	for h, want := range map[float64]string{0.999: "0.99 times", 1: "1.00 times", 0.5: "0.50 times", 12.345: "12.35 times"} {
		b := &sizing.Budget{Ceilings: []sizing.Ceiling{{Resource: "worker CPU", Axis: "cps", At: sizing.Figure{Value: 1000 * h}, Headroom: h, Remedy: "do it"}}}
		if got := verdict(b); !strings.Contains(got, want) || !strings.HasSuffix(got, "the planned 1,000. To raise it: do it.") {
			t.Errorf("%v: %s", h, got)
		}
	}
	if got := verdict(&sizing.Budget{}); !strings.Contains(got, "workload.cps") {
		t.Errorf("no ceilings: %s", got)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"format_version":1,"appliance":{"format_version":1},"budget":{}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Decode(b)
		if err != nil {
			return
		}
		if _, err := Encode(p); err != nil {
			t.Fatal(err)
		}
	})
}
