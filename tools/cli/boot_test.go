package cli

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline/appliance/plan"
	"trunkline/appliance/runtime"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
)

// exampleAppliance is the sized example.
func exampleAppliance(t *testing.T) *runtime.Appliance {
	t.Helper()
	s, diags, _ := spec.Load(example, spec.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	p, err := plan.Make(s, sizing.Size(s, nil), plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p.Appliance
}

func TestBootPlanOfTheExample(t *testing.T) {
	o, err := bootPlan(exampleAppliance(t), bootOptions{call: true, headless: true, port: 6000, timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if o.Name != "edge-fra1" || !o.Headless || o.MemoryMiB != 4096 || o.CPUs < 1 || o.CPUs > 2 || o.ReadyTimeout != time.Minute {
		t.Errorf("machine %+v", o)
	}
	if len(o.NICs) != 1 || o.NICs[0].Name != "wan" || o.NICs[0].MAC != "52:54:00:12:34:56" || len(o.NICs[0].Addresses) != 2 {
		t.Errorf("NICs %+v", o.NICs)
	}
	var forwards []string
	for _, f := range o.Forwards {
		forwards = append(forwards, strings.Join([]string{f.Listener, f.Host.String(), f.Guest.String(), f.As.String()}, " "))
	}
	want := []string{
		"carrier-a 127.0.0.1:6000 203.0.113.10:5060 198.51.100.1",
		"core 127.0.0.1:6001 203.0.113.11:5060 10.0.0.1",
	}
	if !slices.Equal(forwards, want) {
		t.Errorf("forwards %q, want %q", forwards, want)
	}
	ap := netip.MustParseAddrPort
	if o.Call == nil || o.Call.To != ap("203.0.113.10:5060") || o.Call.From.Addr() != netip.MustParseAddr("198.51.100.1") || o.Call.User != "" {
		t.Fatalf("call %+v", o.Call)
	}
	// All of them, or the appliance's probes would find a destination dead.
	if want := []netip.AddrPort{ap("10.0.0.11:5060"), ap("10.0.0.12:5060"), ap("10.0.0.21:5060")}; !slices.Equal(o.Call.Destinations, want) {
		t.Errorf("destinations %v, want %v", o.Call.Destinations, want)
	}
}

func TestTestCall(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*runtime.Appliance)
		from   string // and to, user
		fails  string
	}{
		{"a route's prefix is dialled", func(a *runtime.Appliance) {
			a.Routes = []runtime.Route{{Name: "de", From: []string{"core"}, Prefix: "+49", To: []string{"core"}}}
		}, "10.0.0.1:5068 203.0.113.11:5060 +495550100", ""},
		{"the caller is nobody else", func(a *runtime.Appliance) {
			a.Listeners[0].Sources = []netip.Prefix{netip.MustParsePrefix("10.0.0.11/32"), netip.MustParsePrefix("10.0.0.20/31")}
		}, "10.0.0.20:5068 203.0.113.10:5060 ", ""},
		{"only a cache knows the numbers", func(a *runtime.Appliance) {
			a.Routes = a.Routes[:1]
		}, "", "boot without --call"},
		{"nobody may call", func(a *runtime.Appliance) {
			a.Listeners[0].Sources, a.Listeners[1].Sources = nil, nil
		}, "", "boot without --call"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := exampleAppliance(t)
			tt.change(a)
			o, err := bootPlan(a, bootOptions{call: true, timeout: time.Minute})
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("error %v, want one with %q", err, tt.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := o.Call.From.String() + " " + o.Call.To.String() + " " + o.Call.User; got != tt.from {
				t.Errorf("call %q, want %q", got, tt.from)
			}
		})
	}
}

func TestBootOptionsAreChecked(t *testing.T) {
	a := exampleAppliance(t)
	for _, o := range []bootOptions{
		{timeout: 0}, {timeout: -time.Second}, {timeout: time.Minute, memory: -1},
		{timeout: time.Minute, port: -1}, {timeout: time.Minute, port: 65535},
	} {
		if _, err := bootPlan(a, o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
	o, err := bootPlan(a, bootOptions{timeout: time.Minute, memory: 512})
	if err != nil || o.MemoryMiB != 512 || o.Call != nil || o.Forwards[0].Host.Port() != 0 {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestCredentialsOfBoot(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "key.pem")
	if err := os.WriteFile(file, []byte("key"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := &runtime.Appliance{Name: "edge", Secrets: []runtime.Secret{{Name: "key", Credential: "edge.key"}, {Name: "ca", Credential: "edge.ca"}}}
	for _, c := range []struct {
		name, args string
		fails      string
	}{
		{"one on the disk", "edge.key=" + file, ""},
		{"all", "edge.key=" + file + " edge.ca=" + file, ""},
		{"one more", "edge.key=" + file + " edge.ca=" + file + " vmm.notify_socket=" + file, ""},
		{"one missing", "edge.key=" + file, "edge opens no listener without the secrets of its spec: add --credential edge.ca=FILE"},
		{"none", "", "add --credential edge.key=FILE --credential edge.ca=FILE"},
		{"no file", "edge.key=" + dir + "/none", "--credential edge.key: open " + dir + "/none: no such file"},
		{"no name", "=" + file, "write NAME=FILE"},
		{"no value", "edge.key", "write NAME=FILE"},
		{"twice", "edge.key=" + file + " edge.key=" + file, "--credential edge.key is given twice: leave one out"},
	} {
		var onDisk []string
		if c.name == "one on the disk" {
			onDisk = []string{"edge.other", "edge.ca"}
		}
		got, err := readCredentials(a, strings.Fields(c.args), onDisk)
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: %v, want %q", c.name, err, c.fails)
			}
			continue
		}
		if err != nil || string(got["edge.key"]) != "key" || onDisk == nil && string(got["edge.ca"]) != "key" {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
}

// What boot forwards and calls is over UDP: a TLS listener is left to the operator's own
// machine.
func TestBootPlanLeavesOutTLS(t *testing.T) {
	a := exampleAppliance(t)
	a.Listeners[0].Transport = "tls"
	o, err := bootPlan(a, bootOptions{timeout: time.Minute})
	if err != nil || len(o.Forwards) != 1 || o.Forwards[0].Listener != "core" {
		t.Errorf("forwards %+v, %v", o.Forwards, err)
	}
	a.Routes = []runtime.Route{{Name: "in", From: []string{a.Listeners[0].Name}, To: []string{"core"}}}
	if _, err := bootPlan(a, bootOptions{call: true, timeout: time.Minute}); err == nil || !strings.Contains(err.Error(), "listener over UDP") {
		t.Errorf("a test call: %v", err)
	}
}
