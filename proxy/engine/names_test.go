package engine

import (
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/resolve/nameserver"
)

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

// byName makes one destination with a name of the destinations of set "core", which are
// its targets then, the first one first.
func byName(t testing.TB, a *runtime.Appliance) {
	t.Helper()
	core := &a.Dispatchers[0]
	records := []string{"host.example. 3600 A " + core.Destinations[0].Address.Addr().String()}
	for i, d := range core.Destinations {
		records = append(records, fmt.Sprintf("_sip._udp.gw.example. 3600 SRV %d 1 %d host.example.", i, d.Address.Port()))
	}
	core.Destinations = []runtime.Destination{{Name: "gw", URI: "sip:gw.example", Host: "gw.example", Listener: "in", MaxCalls: 1}}
	a.Resolvers = []netip.AddrPort{zone(t, records...).Addr()}
}

// A call goes to another target of its destination when one fails as a server does, and
// keeps its place there; whatever else a target says is what the destination says.
func TestFailoverWithinName(t *testing.T) {
	t.Parallel()
	const first, second, overflow = 0, 1, 2
	for _, tt := range []struct {
		name string
		fail func(uas *agent, inv *sipMsg)
		next int // of the agents
	}{
		{"503", func(uas *agent, inv *sipMsg) { uas.respond(inv, 503, "No") }, second},
		{"500 after 180", func(uas *agent, inv *sipMsg) { uas.respond(inv, 180, "Ringing"); uas.respond(inv, 500, "No") }, second},
		{"silence", func(*agent, *sipMsg) {}, second},
		{"100 and no more", func(uas *agent, inv *sipMsg) { uas.respond(inv, 100, "Trying") }, second},
		{"606", func(uas *agent, inv *sipMsg) { uas.respond(inv, 606, "No") }, overflow},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log lines
			r := newLoggedRig(t, 2, func(a *runtime.Appliance) {
				byName(t, a)
				a.Transaction.ReplyTimeout, a.Transaction.InviteTimeout = duration(time.Second), duration(2*time.Second)
			}, log.logger(slog.LevelInfo))
			c := r.alice.newCall(r.out)
			c.invite("")
			inv := r.uas[first].request("INVITE")
			tt.fail(r.uas[first], inv)
			uas := r.uas[tt.next]
			uas.respond(uas.request("INVITE"), 200, "OK")
			c.established(c.reply(200, "INVITE"))
			c.inDialog("ACK", "", "")
			uas.request("ACK")
			st := r.e.Stats()
			places := map[string]int64{}
			for _, d := range st.Destinations {
				places[d.Set] = d.Calls
			}
			want := map[string]int64{"core": 1, "overflow": 0, "callers": 0}
			if tt.next == overflow {
				want["core"], want["overflow"] = 0, 1
			}
			if fmt.Sprint(places) != fmt.Sprint(want) {
				t.Errorf("places %v, want %v", places, want)
			}
			m := log.wait(t, 1)[0]
			if m["failed_address"] != r.uas[first].addr.String() || m["next_address"] != uas.addr.String() {
				t.Errorf("the log says %v", m)
			}
			c.inDialog("BYE", "", "")
			uas.respond(uas.request("BYE"), 200, "OK")
			c.reply(200, "BYE")
			r.settle(0)
		})
	}
}

// When all targets have failed the call goes to the next set, and none is tried twice.
func TestNameExhausted(t *testing.T) {
	t.Parallel()
	r := newRig(t, 3, func(a *runtime.Appliance) { byName(t, a) })
	c := r.alice.newCall(r.out)
	c.invite("")
	for _, uas := range r.uas[:3] {
		uas.respond(uas.request("INVITE"), 503, "No")
		uas.request("ACK")
	}
	last := r.uas[3]
	last.respond(last.request("INVITE"), 486, "Busy Here")
	last.request("ACK")
	c.reply(486, "INVITE")
	c.hop("ACK")
	r.settle(0)
	r.count("failovers", 3)
}

// A target that fails often is passed over, by its own record.
func TestDeadTargetIsPassedOver(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, func(a *runtime.Appliance) {
		byName(t, a)
		a.Dispatchers[0].Probe = &runtime.Probe{Interval: duration(time.Hour), Timeout: duration(time.Second), FailThreshold: 1, RecoverThreshold: 1, From: "sip:probe@sbc.example",
			Accept: []runtime.CodeSpan{{First: 200, Last: 299}}}
	})
	answer := func(c *caller) {
		t.Helper()
		uas := r.uas[1]
		uas.respond(uas.request("INVITE"), 200, "OK")
		c.established(c.reply(200, "INVITE"))
		c.inDialog("ACK", "", "")
		uas.request("ACK")
		c.inDialog("BYE", "", "")
		uas.respond(uas.request("BYE"), 200, "OK")
		c.reply(200, "BYE")
		r.settle(0)
	}
	c := r.alice.newCall(r.out)
	c.invite("")
	r.uas[0].request("INVITE")
	answer(c)
	c = r.alice.newCall(r.out)
	c.invite("")
	answer(c)
	r.uas[0].quiet(20*time.Millisecond, "the second call", func(m *sipMsg) bool { return m.get("Call-ID") == c.callID })
	r.count("failovers", 1)
	d := r.e.Stats().Destinations[0]
	if d.State != "active" || d.Resolved == nil || d.Resolved.Targets[0].State != "inactive" || d.Resolved.Targets[1].State != "active" {
		t.Errorf("destination %s, %+v", d.State, d.Resolved)
	}
}

// A name that leads nowhere takes no calls; the next set does.
func TestNameLeadsNowhere(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, func(a *runtime.Appliance) {
		byName(t, a)
		a.Dispatchers[0].Destinations[0].Host = "no.example"
	})
	c := r.alice.newCall(r.out)
	c.invite("")
	r.uas[1].respond(r.uas[1].request("INVITE"), 486, "Busy Here")
	c.reply(486, "INVITE")
	c.hop("ACK")
	r.settle(0)
	if d := r.e.Stats().Destinations[0]; d.State != "inactive" || d.Address != "no.example" || d.Resolved.Trouble == "" {
		t.Errorf("destination %+v, %+v", d.DestinationStats, d.Resolved)
	}
}

// Who is connected to must prove to be the host of the URI, wherever its name leads.
func TestPeerNames(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, func(a *runtime.Appliance) { byName(t, a) })
	name := peerNames(r.e.dests, 1)
	for _, uas := range r.uas[:2] {
		if got := name(uas.addr); got != "gw.example" {
			t.Errorf("%s is to be %q", uas.addr, got)
		}
	}
	if got := name(r.uas[2].addr); got != "" {
		t.Errorf("an address is to be %q", got)
	}
	if got := peerNames(r.e.dests, 0)(r.uas[0].addr); got != "" {
		t.Errorf("at another listener it is to be %q", got)
	}
}

// Nothing is allocated for a call to a name, nor for one that moves to another target.
func TestNamesAllocateNothing(t *testing.T) {
	second := newAgent(t, "127.0.21.1")
	p := newPath(t, func(a *runtime.Appliance) {
		d := &a.Dispatchers[0]
		d.Destinations = append(d.Destinations, runtime.Destination{Name: "fs2", URI: "sip:" + second.addr.String(), Address: second.addr, Listener: "in"})
		byName(t, a)
	})
	call := func() {
		p.n++
		p.w.handle(p.out, p.invite.fill(p.n), p.alice)
		p.answer(t, 503)
		p.answer(t, 180, 200)
		p.w.handle(p.out, p.ack.fill(p.n), p.alice)
		p.w.handle(p.out, p.bye.fill(p.n), p.alice)
		p.answer(t, 200)
		if p.n%64 == 0 {
			p.e.table.Advance(p.e.now(), p.w.fire)
		}
	}
	for range 500 {
		call() // the tables grow to their peak
	}
	if n := testing.AllocsPerRun(500, call); n != 0 {
		t.Errorf("%v allocations per call", n)
	}
	got := sum([]*worker{p.w})
	if got["failovers"] != p.n || p.e.calls.Live() != 0 {
		t.Errorf("%d failovers of %d calls, %d calls left", got["failovers"], p.n, p.e.calls.Live())
	}
}
