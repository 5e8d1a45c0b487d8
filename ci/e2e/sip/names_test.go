package sip

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"trunkline/proxy/resolve/nameserver"
)

// byName has the set core reach one destination by name in place of its two addresses.
var byName = []string{
	`memory   = "4GiB"`, "memory   = \"4GiB\"\n  dns      = [\"203.0.113.5\"]",
	`sources   = ["127.0.0.21/32"]`, `sources   = ["127.0.0.20/30"]`,
	`destination "fs1" {`, `destination "gw" {`,
	fs1URI, `uri      = "sip:gw.example"`,
	"  destination \"fs2\" {\n    " + fs2URI + "\n    listener = \"core\"\n  }\n", "",
}

// startWithNames runs sbcd with a spec whose destination has a name, and a name server
// with these records in place of the resolver the spec names.
func startWithNames(t *testing.T, records ...string) (*sbcd, *nameserver.Server) {
	t.Helper()
	server, err := nameserver.Start("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	set(t, server, records...)
	text := fmt.Sprintf(spec, "")
	for i := 0; i < len(byName); i += 2 {
		if !strings.Contains(text, byName[i]) {
			t.Fatalf("the spec does not hold %q", byName[i])
		}
		text = strings.ReplaceAll(text, byName[i], byName[i+1])
	}
	config := compile(t, text)
	b, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	planned := `"203.0.113.5:53"`
	if strings.Count(string(b), planned) != 1 {
		t.Fatalf("appliance.json does not name %s once:\n%s", planned, b)
	}
	b = []byte(strings.Replace(string(b), planned, `"`+server.Addr().String()+`"`, 1))
	if err := os.WriteFile(config, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return runProxy(t, config), server
}

func set(t *testing.T, server *nameserver.Server, records ...string) {
	t.Helper()
	if err := server.Set(records...); err != nil {
		t.Fatal(err)
	}
}

// named is what the status says of the destination.
type named struct {
	State    string
	Calls    int
	Attempts int
	Failed   int
	Resolved struct {
		Targets []struct{ Address, Server, State string }
		Stale   bool
		Trouble string
	}
}

// leadsTo are the addresses of the destination's targets.
func (n named) leadsTo() string {
	var out []string
	for _, t := range n.Resolved.Targets {
		out = append(out, t.Address)
	}
	return strings.Join(out, " ")
}

func (s *sbcd) named() named {
	s.t.Helper()
	var st struct {
		Engine struct{ Destinations []json.RawMessage }
	}
	s.statusInto(&st)
	if len(st.Engine.Destinations) != 1 {
		s.t.Fatalf("%d destinations", len(st.Engine.Destinations))
	}
	var n named
	if err := json.Unmarshal(st.Engine.Destinations[0], &n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// eventually waits for the destination to be so.
func (s *sbcd) eventually(what string, ok func(named) bool) {
	s.t.Helper()
	until := time.Now().Add(time.Minute)
	for {
		n := s.named()
		if ok(n) {
			return
		}
		if time.Now().After(until) {
			s.t.Fatalf("not within a minute: %s: %+v\n%s", what, n, s.out.String())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// callTakenAt places a call that a callee at an address takes.
func (s *sbcd) callTakenAt(ip, port string) {
	s.t.Helper()
	callee := startCalleeAt(s.t, "uas_call", ip, port)
	startAgent(s.t, "uac_failover", callerIP, carrier).wait()
	callee.wait()
	if got := strings.Join(collapse(callee.labels()), ","); got != answered {
		s.t.Errorf("%s saw\n  %s, want\n  %s", ip, got, answered)
	}
	s.eventuallyIdle(time.Minute)
}

// From the spec to the wire: where DNS leads a call.
func TestDestinationByName(t *testing.T) {
	for _, tt := range []struct {
		name     string
		records  []string
		targets  string // in the order they are tried
		ip, port string // that takes the call
		failed   int    // targets tried before
	}{
		{"address, and the port of the transport", []string{"gw.example. 60 A 127.0.0.21"}, "127.0.0.21:5060", fs1, "5060", 0},
		{"SRV: the first target is dead, the second takes the call", []string{
			"_sip._udp.gw.example. 60 SRV 20 1 5070 b.example.", "_sip._udp.gw.example. 60 SRV 10 1 5060 a.example.",
			"a.example. 60 A 127.0.0.21", "b.example. 60 A 127.0.0.22",
		}, "127.0.0.21:5060 127.0.0.22:5070", fs2, "5070", 1},
		{"NAPTR", []string{
			`gw.example. 60 NAPTR 10 10 "s" "SIP+D2T" "" _sip._tcp.trunk.example.`, `gw.example. 60 NAPTR 20 10 "s" "SIP+D2U" "" _sip._udp.trunk.example.`,
			"_sip._udp.trunk.example. 60 SRV 0 0 5080 b.example.", "_sip._udp.gw.example. 60 SRV 0 0 5060 a.example.",
			"a.example. 60 A 127.0.0.21", "b.example. 60 A 127.0.0.22",
		}, "127.0.0.22:5080", fs2, "5080", 0},
		{"a target outside the sources is left out", []string{
			"_sip._udp.gw.example. 60 SRV 10 1 5060 out.example.", "_sip._udp.gw.example. 60 SRV 20 1 5060 b.example.",
			"out.example. 60 A 127.0.0.99", "b.example. 60 A 127.0.0.22",
		}, "127.0.0.22:5060", fs2, "5060", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			proxy, _ := startWithNames(t, tt.records...)
			if n := proxy.named(); n.leadsTo() != tt.targets || n.State != "active" {
				t.Errorf("state %s, it leads to %s, want %s", n.State, n.leadsTo(), tt.targets)
			}
			proxy.callTakenAt(tt.ip, tt.port)
			// INVITE and BYE: the BYE goes where the INVITE was answered, by its Route.
			if n := proxy.named(); n.Failed != tt.failed || n.Attempts != 1+tt.failed || n.Calls != 0 {
				t.Errorf("%d attempts, %d failed, %d calls left, want %d, %d and none", n.Attempts, n.Failed, n.Calls, 1+tt.failed, tt.failed)
			}
		})
	}
}

// Records change, and calls follow when the TTL ends; the name server dies, and the last
// answer stays in use.
func TestNameChangesAndServerDies(t *testing.T) {
	proxy, server := startWithNames(t, "gw.example. 1 A 127.0.0.21")
	proxy.callTakenAt(fs1, "5060")
	set(t, server, "gw.example. 1 A 127.0.0.22")
	proxy.eventually("the new address", func(n named) bool { return n.leadsTo() == "127.0.0.22:5060" })
	proxy.callTakenAt(fs2, "5060")
	server.Close()
	proxy.eventually("stale", func(n named) bool {
		return n.Resolved.Stale && strings.Contains(n.Resolved.Trouble, "server 127.0.0.1")
	})
	if n := proxy.named(); n.leadsTo() != "127.0.0.22:5060" || n.State != "active" {
		t.Errorf("without a name server: %+v", n)
	}
	proxy.callTakenAt(fs2, "5060")
}

// A name that does not resolve does not hold up the start: calls are refused, the status
// says why, and they go through when the name is there.
func TestNameUnresolvedAtStart(t *testing.T) {
	proxy, server := startWithNames(t)
	n := proxy.named()
	if n.State != "inactive" || n.leadsTo() != "" || !strings.Contains(n.Resolved.Trouble, "there is no name gw.example") {
		t.Errorf("at the start: %+v", n)
	}
	startAgent(t, "uac_503", callerIP, carrier).wait()
	proxy.eventuallyIdle(time.Minute)
	set(t, server, "gw.example. 60 A 127.0.0.22")
	proxy.eventually("active", func(n named) bool { return n.State == "active" })
	proxy.callTakenAt(fs2, "5060")
}
