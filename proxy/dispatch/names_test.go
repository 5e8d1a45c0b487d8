package dispatch

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/resolve"
	"trunkline/proxy/resolve/nameserver"
)

var withinLoopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// named is a set "core" of one destination d1 at gw.example., beside those given.
func named(probe *runtime.Probe, others ...runtime.Destination) runtime.Dispatcher {
	d := runtime.Destination{Name: "d1", URI: "sip:gw.example", Host: "gw.example", Listener: "core"}
	return runtime.Dispatcher{Name: "core", Algorithm: "first", Probe: probe, Destinations: append([]runtime.Destination{d}, others...)}
}

// zone is a name server with records, until the test ends.
func zone(t testing.TB, records ...string) *nameserver.Server {
	t.Helper()
	s, err := nameserver.Start("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if err := s.Set(records...); err != nil {
		t.Fatal(err)
	}
	return s
}

// resolved are sets whose names have been resolved once.
func resolved(t testing.TB, s *nameserver.Server, d ...runtime.Dispatcher) (*Sets, *resolve.Names) {
	t.Helper()
	sets := newSets(t, d...)
	names, err := sets.Names([]runtime.Listener{{Name: "core", Transport: "udp", Address: netip.MustParseAddrPort("127.0.0.1:5060"), Sources: withinLoopback}},
		resolve.Options{Servers: []netip.AddrPort{s.Addr()}, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	_ = names.Warm(t.Context(), time.Minute) // the tests look at what came of it
	return sets, names
}

// srv are records of gw.example: SRV with these priorities, for 127.0.0.1 at port 7001
// and up.
func srv(priorities ...int) []string {
	out := []string{"a.example. 3600 A 127.0.0.1"}
	for i, p := range priorities {
		out = append(out, fmt.Sprintf("_sip._udp.gw.example. 3600 SRV %d 1 %d a.example.", p, 7001+i))
	}
	return out
}

// ports are the ports that a request is sent to, one after the other.
func ports(d *Destination) string {
	var out []string
	for tried := uint32(0); ; {
		t, ok := d.Next(&tried)
		if !ok {
			return strings.Join(out, " ")
		}
		out = append(out, fmt.Sprint(t.Addr.Port()))
	}
}

// at is the target of a port.
func at(t testing.TB, d *Destination, port int) Target {
	t.Helper()
	for _, x := range d.known() {
		if int(x.Addr.Port()) == port {
			return x
		}
	}
	t.Fatalf("%s does not lead to port %d", d.Where(), port)
	return Target{}
}

func TestNextOfAnAddress(t *testing.T) {
	d := newSets(t, testSet("core", "first", 1, nil)).Destinations()[0]
	if got := ports(d); got != "6001" {
		t.Errorf("a request goes to %q, want the one address once", got)
	}
}

// Events as in TestStateMachine, each with the last digit of the target's port.
func TestTargets(t *testing.T) {
	for _, tt := range []struct {
		name          string
		fail, recover int
		events        string
		states        string // of the destination, one after each event
		next          string // where a request goes in the end
	}{
		{"all well", 2, 2, "P1 P2 P3", "aaa", "7001 7002 7003"},
		{"one down", 2, 2, "p1 p1", "aa", "7002 7003"},
		{"calls bring a target down as well", 2, 2, "c1 c1", "aa", "7002 7003"},
		{"all in doubt", 2, 2, "p1 p2 p3", "aat", "7001 7002 7003"},
		{"all down", 2, 2, "p1 p1 p2 c2 p3 p3", "aaaati", ""},
		{"one comes back", 1, 2, "p1 p2 p3 P2 P2", "aaiia", "7002"},
		{"successes of two are not added up", 1, 2, "p1 p2 p3 P1 P2", "aaiii", ""},
		{"disabled by hand, and enabled with a clean record", 1, 1, "p1 p2 D0 A0", "aada", "7001 7002 7003"},
		{"probing by hand: each waits for its first", 2, 2, "X0 P2", "xa", "7002"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sets, _ := resolved(t, zone(t, srv(1, 2, 3)...), named(testProbe(tt.fail, tt.recover)))
			d := sets.Destinations()[0]
			if d.State() != Active || sets.Set(0).Usable() != 1 {
				t.Fatalf("resolved, it is %v", d.State())
			}
			letter := map[State]byte{Active: 'a', Trying: 't', Inactive: 'i', Disabled: 'd', Probing: 'x'}
			by := map[byte]State{'A': Active, 'D': Disabled, 'X': Probing}
			got := ""
			for _, e := range strings.Fields(tt.events) {
				var x Target
				if e[1] != '0' {
					x = at(t, d, 7000+int(e[1]-'0'))
				}
				switch e[0] {
				case 'P', 'p':
					d.probed(x, outcome{ok: e[0] == 'P', what: "outcome"})
				case 'C', 'c':
					sets.Report(d, x.Slot, e[0] == 'C')
				default:
					if err := sets.SetState("core", "d1", by[e[0]]); err != nil {
						t.Fatal(err)
					}
				}
				got += string(letter[d.State()])
			}
			if got != tt.states {
				t.Errorf("states %s, want %s", got, tt.states)
			}
			if next := ports(d); next != tt.next {
				t.Errorf("a request goes to %q, want %q", next, tt.next)
			}
		})
	}
}

// What is known of a target outlives another answer; what is new begins anew.
func TestNameLeadsElsewhere(t *testing.T) {
	server := zone(t, srv(1, 2)...)
	sets, _ := resolved(t, server, named(testProbe(1, 2)))
	d := sets.Destinations()[0]
	d.probed(at(t, d, 7001), outcome{what: "503"})
	if got := ports(d); got != "7002" {
		t.Fatalf("with 7001 down a request goes to %q", got)
	}
	lead := func(ports ...int) {
		t.Helper()
		r := &resolve.Result{}
		for i, p := range ports {
			slot := i + 5
			for _, x := range d.known() {
				if int(x.Addr.Port()) == p {
					slot = x.Slot
				}
			}
			r.Targets = append(r.Targets, resolve.Target{Addr: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(p)), Transport: "udp", Slot: slot})
		}
		d.lead(r)
	}
	state := func(port int) State { return State(d.targets[at(t, d, port).Slot].state.Load()) }

	lead(7001, 7002, 7003)
	if state(7001) != Inactive || state(7002) != Active || state(7003) != Active {
		t.Errorf("beside a new target: %v %v %v", state(7001), state(7002), state(7003))
	}
	gone := at(t, d, 7002)
	lead(7001)
	if d.State() != Inactive {
		t.Errorf("with the one left that is down it is %v", d.State())
	}
	d.probed(gone, outcome{ok: true, what: "200"})
	sets.Report(d, gone.Slot, true)
	if d.State() != Inactive || d.Stats().LastProbe == "200" {
		t.Error("who is left behind still counts")
	}
	select {
	case <-d.health.wake:
	default: // woken by the new target before
	}
	lead(7001, 7004)
	if d.State() != Probing || state(7004) != Probing {
		t.Errorf("a new target of a destination that is down is %v, the destination %v", state(7004), d.State())
	}
	select {
	case <-d.health.wake:
	default:
		t.Error("the new target is not probed at once")
	}
	d.probed(at(t, d, 7004), outcome{ok: true, what: "200"})
	if d.State() != Active {
		t.Errorf("it answers, and the destination is %v", d.State())
	}
	d.lead(&resolve.Result{Err: fmt.Errorf("there is no name gw.example")})
	if d.State() != Inactive || sets.Set(0).Usable() != 0 || len(d.known()) != 0 {
		t.Errorf("leading nowhere it is %v", d.State())
	}
}

// Before its name has led anywhere, a destination takes no calls; the state it is to
// start in, or was given by hand, is that of its first targets.
func TestFirstTargets(t *testing.T) {
	for _, tt := range []struct {
		state  string
		byHand State // Trying: nothing
		before State
		after  State
	}{
		{"", Trying, Inactive, Active},
		{"probing", Trying, Inactive, Probing},
		{"inactive", Trying, Inactive, Inactive},
		{"disabled", Trying, Disabled, Disabled},
		{"disabled", Active, Inactive, Active},
		{"", Disabled, Disabled, Disabled},
		{"", Probing, Inactive, Probing},
	} {
		t.Run(fmt.Sprintf("%s, by hand %v", tt.state, tt.byHand), func(t *testing.T) {
			cfg := named(testProbe(1, 1))
			cfg.Destinations[0].State = tt.state
			server := zone(t)
			sets, _ := resolved(t, server, cfg)
			d := sets.Destinations()[0]
			if tt.byHand != Trying {
				if err := sets.SetState("core", "d1", tt.byHand); err != nil {
					t.Fatal(err)
				}
			}
			st := d.Stats()
			if d.State() != tt.before || ports(d) != "" || len(st.Resolved.Targets) != 0 || !strings.Contains(st.Resolved.Trouble, "there is no name gw.example") {
				t.Errorf("before: %v, want %v, and %+v", d.State(), tt.before, st.Resolved)
			}
			d.lead(&resolve.Result{Targets: []resolve.Target{{Addr: netip.MustParseAddrPort("127.0.0.1:7001"), Transport: "udp"}}})
			if d.State() != tt.after {
				t.Errorf("after: %v, want %v", d.State(), tt.after)
			}
		})
	}
}

func TestNamesRefuses(t *testing.T) {
	listeners := []runtime.Listener{{Name: "core", Transport: "udp", Address: netip.MustParseAddrPort("127.0.0.1:5060"), Sources: withinLoopback},
		{Name: "web", Transport: "wss", Address: netip.MustParseAddrPort("127.0.0.1:443")}}
	servers := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53")}
	for _, tt := range []struct {
		name    string
		change  func(*runtime.Destination)
		servers []netip.AddrPort
		want    string
	}{
		{"no server", func(*runtime.Destination) {}, nil, "give hardware a dns attribute"},
		{"unknown listener", func(d *runtime.Destination) { d.Listener = "cor" }, servers, `dispatcher "core": destination "d1": there is no listener "cor"`},
		{"listener of WebSocket", func(d *runtime.Destination) { d.Listener = "web" }, servers, `cannot be reached over "wss"`},
		{"other transport", func(d *runtime.Destination) { d.URI, d.Transport = "sip:gw.example;transport=tcp", "tcp" }, servers, "is to be reached over tcp, and its listener speaks udp"},
		{"no name", func(d *runtime.Destination) { d.Host = "a..b" }, servers, "neither an address nor a name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := named(nil)
			tt.change(&cfg.Destinations[0])
			if _, err := newSets(t, cfg).Names(listeners, resolve.Options{Servers: tt.servers}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want it to contain %q", err, tt.want)
			}
		})
	}
	if names, err := newSets(t, testSet("core", "first", 2, nil)).Names(nil, resolve.Options{}); names != nil || err != nil {
		t.Errorf("no name is configured: %v, %v", names, err)
	}
	both := named(nil)
	both.Destinations[0].Address = netip.MustParseAddrPort("127.0.0.1:5060")
	if _, err := New(&runtime.Appliance{Dispatchers: []runtime.Dispatcher{both}}); err == nil || !strings.Contains(err.Error(), "a name and an address") {
		t.Errorf("a name and an address: %v", err)
	}
}

// Every target is probed over the network, and its replies are its own: one that is
// dead takes no call, and the destination goes on.
func TestTargetsAreProbed(t *testing.T) {
	s := openSockets(t, map[string]string{"core": "127.0.0.1"})
	s.listener("core").Sources = withinLoopback
	good, stop := agent(t, "127.0.0.2:0", 200)
	busy, _ := agent(t, "127.0.0.3:0", 503)
	_, dead := udp(t, "127.0.0.4")
	server := zone(t, "a.example. 3600 A 127.0.0.2", "b.example. 3600 A 127.0.0.3", "c.example. 3600 A 127.0.0.4",
		fmt.Sprintf("_sip._udp.gw.example. 3600 SRV 1 1 %d c.example.", dead.Port()),
		fmt.Sprintf("_sip._udp.gw.example. 3600 SRV 2 1 %d b.example.", busy.Port()),
		fmt.Sprintf("_sip._udp.gw.example. 3600 SRV 3 1 %d a.example.", good.Port()))
	sets := newSets(t, named(quickProbe(2, 2)))
	names, err := sets.Names(s.listeners, resolve.Options{Servers: []netip.AddrPort{server.Addr()}, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if err := names.Warm(context.Background(), time.Minute); err != nil {
		t.Fatal(err)
	}
	p := s.run(t, sets)
	d := sets.Destinations()[0]
	await(t, "the good target alone", func() bool { return ports(d) == fmt.Sprint(good.Port()) })
	if d.State() != Active || p.Stats().Targets != 3 {
		t.Errorf("state %v, %d targets are probed", d.State(), p.Stats().Targets)
	}
	var states []string
	for _, x := range d.Stats().Resolved.Targets {
		states = append(states, x.Server+" "+x.State)
	}
	if got := strings.Join(states, ", "); got != "c.example inactive, b.example inactive, a.example active" {
		t.Errorf("targets: %s", got)
	}
	if !p.Deliver("core", []byte("SIP/2.0 200 OK\r\n\r\n"), netip.MustParseAddrPort("127.0.0.3:1")) || p.Deliver("core", []byte("x"), netip.MustParseAddrPort("127.0.0.9:1")) {
		t.Error("replies are taken from others than the targets, or not from them")
	}
	stop()
	await(t, "inactive with all targets down", func() bool { return d.State() == Inactive })
	d.lead(&resolve.Result{Err: fmt.Errorf("gone")})
	await(t, "replies of former targets are not taken", func() bool {
		return !p.Deliver("core", []byte("x"), netip.MustParseAddrPort("127.0.0.2:1"))
	})
}
