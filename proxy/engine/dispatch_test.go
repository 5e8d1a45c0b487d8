package engine

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"trunkline/appliance/runtime"
)

// patient lets destinations take their time, for a machine that is slow.
func patient(a *runtime.Appliance) {
	a.Transaction.ReplyTimeout, a.Transaction.InviteTimeout = duration(4*patience), duration(8*patience)
}

// sharesOf places n calls one after the other, answers and ends them, and returns how
// many each destination got. caller may change what a call looks like.
func (r *rig) sharesOf(n int, change func(i int, c *caller)) []int {
	r.t.Helper()
	out := make([]int, len(r.uas))
	for i := range n {
		c := r.alice.newCall(r.out)
		if change != nil {
			change(i, c)
		}
		c.invite("")
		uas, inv := r.find("INVITE", c.callID)
		uas.respond(inv, 480, "Temporarily Unavailable")
		c.final()
		c.hop("ACK")
		r.alice.forget()
		for k, a := range r.uas {
			if a == uas {
				out[k]++
			}
		}
	}
	return out
}

// Each algorithm places calls as it promises, through sockets. The first three
// destinations are of set core, the fourth of overflow.
func TestAlgorithmsPlaceCalls(t *testing.T) {
	t.Parallel()
	const n = 30
	for _, tt := range []struct {
		algorithm string
		change    func(d []runtime.Destination)
		want      string // shares; empty: all that hash, so that equal keys meet
	}{
		{"round-robin", nil, "[10 10 10 0]"},
		{"weight", func(d []runtime.Destination) { d[1].Weight, d[2].Weight = 2, 3 }, "[5 10 15 0]"},
		{"weight", func(d []runtime.Destination) { d[1].Weight, d[2].Weight, d[0].State = 2, 3, "disabled" }, "[0 12 18 0]"},
		{"relative-weight", func(d []runtime.Destination) { d[1].Weight, d[2].Weight, d[2].State = 4, 3, "disabled" }, "[6 24 0 0]"},
		{"priority", func(d []runtime.Destination) { d[0].Priority = 1 }, "[0 15 15 0]"},
		{"first", nil, "[30 0 0 0]"},
		{"first", func(d []runtime.Destination) { d[0].State = "disabled" }, "[0 30 0 0]"},
		{"call-load", func(d []runtime.Destination) { d[0].MaxCalls, d[1].MaxCalls, d[2].MaxCalls = 10, 20, 30 }, "[10 10 10 0]"}, // each ends before the next
		{"hash-callid", nil, ""},
		{"hash-from", nil, ""},
		{"hash-to", nil, ""},
		{"hash-ruri", nil, ""},
		{"hash-user", nil, ""},
		{"random", nil, ""},
		{"latency", nil, ""},
	} {
		t.Run(fmt.Sprint(tt.algorithm, tt.want), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 3, func(a *runtime.Appliance) {
				patient(a)
				a.Dispatchers[0].Algorithm = tt.algorithm
				if tt.change != nil {
					tt.change(a.Dispatchers[0].Destinations)
				}
			})
			got := r.sharesOf(n, nil)
			if tt.want != "" {
				near(t, got, tt.want)
			}
			if sum := got[0] + got[1] + got[2]; sum != n || got[3] != 0 {
				t.Errorf("calls by destination: %v", got)
			}
			met := 0
			for _, k := range got {
				if k > 0 {
					met++
				}
			}
			// From, To and number called are the same in all calls of the rig.
			switch together := strings.HasPrefix(tt.algorithm, "hash-") && tt.algorithm != "hash-callid"; {
			case together && met != 1:
				t.Errorf("calls of one key meet %d destinations: %v", met, got)
			case !together && tt.want == "" && met < 2:
				t.Errorf("all calls meet one destination: %v", got)
			}
			if tt.algorithm == "hash-user" {
				got = r.sharesOf(n, func(i int, c *caller) { c.uri = fmt.Sprintf("sip:+4930%d@%s", i, r.out) })
				if got[0] == 0 || got[1] == 0 || got[2] == 0 {
					t.Errorf("many numbers called do not spread: %v", got)
				}
			}
			r.settle(0)
		})
	}
}

// near compares shares, each of which may be one off.
func near(t *testing.T, got []int, want string) {
	t.Helper()
	var w [4]int
	if _, err := fmt.Sscanf(want, "[%d %d %d %d]", &w[0], &w[1], &w[2], &w[3]); err != nil {
		t.Fatal(err)
	}
	for i, k := range w {
		if d := got[i] - k; d < -1 || d > 1 {
			t.Errorf("calls by destination %v, want %s", got, want)
			return
		}
	}
}

// A set that is exhausted hands its calls to the set that follows it, with the failover
// rules of the set each attempt came from, and none is tried twice.
func TestChainedSets(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, func(a *runtime.Appliance) {
		patient(a)
		a.Dispatchers[0].Algorithm = "first"
		a.Dispatchers[0].Next = "overflow"
		a.Dispatchers[0].Failover.On = []runtime.CodeSpan{{First: 404, Last: 404}, {First: 500, Last: 599}}
		a.Routes[0].To = []string{"core"}
	})
	c := r.alice.newCall(r.out)
	c.invite("")
	for i, code := range []int{404, 503, 500} { // core's two, then overflow's
		uas, inv := r.find("INVITE", c.callID)
		if uas != r.uas[i] {
			t.Fatalf("attempt %d went to %s, want %s", i, uas.addr, r.uas[i].addr)
		}
		uas.respond(inv, code, "No")
	}
	if m := c.final(); m.code() != 503 {
		t.Errorf("exhausted: %s", m.start)
	}
	c.hop("ACK")
	r.alice.forget()
	// What is no failure of overflow's rules goes to the caller, though core's have it.
	c = r.alice.newCall(r.out)
	c.invite("")
	for i, code := range []int{404, 404, 404} {
		uas, inv := r.find("INVITE", c.callID)
		if uas != r.uas[i] {
			t.Fatalf("attempt %d went to %s", i, uas.addr)
		}
		uas.respond(inv, code, "Not Found")
	}
	if m := c.final(); m.code() != 404 {
		t.Errorf("the last attempt's answer: %s", m.start)
	}
	c.hop("ACK")
	// A set none of whose destinations takes calls is passed over at once.
	for _, d := range []string{"core1", "core2"} {
		if err := r.e.SetDestinationState("core", d, "disabled"); err != nil {
			t.Fatal(err)
		}
	}
	r.alice.forget()
	if got := r.sharesOf(3, nil); fmt.Sprint(got) != "[0 0 3]" {
		t.Errorf("with core disabled: %v", got)
	}
	if err := r.e.SetDestinationState("core", "core2", "active"); err != nil {
		t.Fatal(err)
	}
	if got := r.sharesOf(3, nil); fmt.Sprint(got) != "[0 3 0]" {
		t.Errorf("with core2 enabled: %v", got)
	}
	if err := r.e.SetDestinationState("core", "core2", "asleep"); err == nil {
		t.Error("a state that is none was taken")
	}
	r.settle(0)
	if st := r.e.Stats().Destinations[0]; st.State != "disabled" || st.Changes != 1 {
		t.Errorf("status of core1: %+v", st)
	}
}

// A destination that has all the calls it takes is passed over; with all full the
// call gets 503 and the log says so; an end makes room.
func TestFullDestination(t *testing.T) {
	t.Parallel()
	var log lines
	r := newLoggedRig(t, 1, func(a *runtime.Appliance) {
		patient(a)
		a.Dispatchers[0].Next = "overflow"
		a.Routes[0].To = []string{"core"}
		a.Dispatchers[0].Destinations[0].MaxCalls = 2
		a.Dispatchers[1].Destinations[0].MaxCalls = 1
	}, log.logger(0))
	var live []*caller
	place := func(want *agent) {
		t.Helper()
		c := r.alice.newCall(r.out)
		c.invite("")
		uas, inv := r.find("INVITE", c.callID)
		if uas != want {
			t.Fatalf("call %d went to %s, want %s", len(live), uas.addr, want.addr)
		}
		uas.respond(inv, 200, "OK")
		c.established(c.final())
		c.inDialog("ACK", "", "")
		live = append(live, c)
		r.alice.forget()
	}
	end := func(i int) {
		t.Helper()
		live[i].inDialog("BYE", "", "")
		uas, bye := r.find("BYE", live[i].callID)
		uas.respond(bye, 200, "OK")
		r.alice.reply(200, "BYE")
	}
	place(r.uas[0])
	place(r.uas[0])
	place(r.uas[1])
	c := r.alice.newCall(r.out)
	c.invite("")
	if m := c.final(); m.code() != 503 || m.get("Retry-After") != "7" {
		t.Errorf("with all full: %s, Retry-After %q", m.start, m.get("Retry-After"))
	}
	c.hop("ACK")
	m := log.wait(t, 1)[0]
	if m["msg"] != "destinations exhausted" || m["cause"] != "full" || m["failed"] != "overflow1" || m["attempts"] != 0.0 {
		t.Errorf("log: %v", m)
	}
	r.count("destination_full", 2)
	end(0)
	place(r.uas[0])
	end(1)
	end(2)
	end(3)
	r.settle(0)
	if st := r.e.Stats().Destinations; st[0].Full != 2 || st[0].MaxCalls != 2 || st[1].Full != 1 {
		t.Errorf("full: %+v", st[:2])
	}
}

// The time of a call's first reply goes into the estimate of its destination, and
// its silence as well.
func TestCallsMeasureLatency(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil)
	if got := r.e.Stats().Destinations[0].Estimate; got != 0 {
		t.Fatalf("estimate %v before the first call", got)
	}
	c := r.alice.newCall(r.out)
	c.invite("")
	r.find("INVITE", c.callID) // and stays silent: overflow gets it
	uas, inv := r.find("INVITE", c.callID)
	for uas == r.uas[0] {
		uas, inv = r.find("INVITE", c.callID)
	}
	uas.respond(inv, 404, "Not Found")
	c.final()
	c.hop("ACK")
	r.settle(0)
	st := r.e.Stats().Destinations
	if least := r.cfg.Transaction.ReplyTimeout.D(); st[0].Estimate < least {
		t.Errorf("the silent one's estimate is %v, it was waited for %v", st[0].Estimate, least)
	}
	if st[1].Estimate <= 0 {
		t.Errorf("no estimate of the one that replied")
	}
}

// Under load that ends in every way at once, places are given back once each, whatever
// the algorithm, and no destination ever has more calls than it takes.
func TestPlacesUnderLoad(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"call-load", "weight", "hash-callid"} {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			const most = 3
			r := newRig(t, 3, func(a *runtime.Appliance) {
				a.Dispatchers[0].Algorithm = algorithm
				a.Routes[0].To = []string{"core"}
				for i := range a.Dispatchers[0].Destinations {
					a.Dispatchers[0].Destinations[i].MaxCalls = most
				}
				a.Transaction.T1, a.Transaction.T2 = duration(50*time.Millisecond), duration(400*time.Millisecond)
				a.Transaction.ReplyTimeout = duration(100 * time.Millisecond)
				a.Transaction.CallLifetime = duration(time.Second)
			})
			rng := rand.New(rand.NewPCG(3, 4))
			for range 30 {
				for range 12 {
					r.alice.newCall(r.out).invite("")
				}
				for _, a := range r.uas {
					m := a.next(time.Millisecond)
					if m == nil || m.method() != "INVITE" {
						continue
					}
					switch rng.IntN(4) {
					case 0:
						a.respond(m, 200, "OK")
					case 1:
						a.respond(m, 486, "Busy Here")
					case 2:
						a.respond(m, 500, "No")
					}
				}
				for _, d := range r.e.Stats().Destinations {
					if d.Calls > most && d.Set == "core" || d.Calls < 0 {
						t.Fatalf("%s has %d calls, it takes %d", d.Name, d.Calls, most)
					}
				}
			}
			r.settle(0)
			if r.e.Stats().Counters["destination_full"] == 0 {
				t.Error("no destination was ever full, so nothing was tested")
			}
		})
	}
}
