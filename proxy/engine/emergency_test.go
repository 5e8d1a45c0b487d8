package engine

import (
	"strings"
	"testing"

	"trunkline/appliance/runtime"
	"trunkline/proxy/message"
	"trunkline/proxy/overload"
)

// emergencyRig is a rig with emergency calls and room for some beyond the mark.
func emergencyRig(t *testing.T, change func(*runtime.Appliance)) *rig {
	t.Helper()
	return newRig(t, 1, func(a *runtime.Appliance) {
		a.Limits.Emergency = &runtime.Emergency{
			Numbers: []string{"112", "+49112"}, ResourcePriority: []string{"esnet", "ETS.0"}, Calls: 2, Transactions: 4, MessageBytes: 1 << 16,
		}
		if change != nil {
			change(a)
		}
	})
}

func TestEmergencyCallsAreKnown(t *testing.T) {
	const number, named = "sip:+4930123456@example.net", "urn:service:sos"
	for _, tt := range []struct {
		name, uri, extra string
		want             bool
	}{
		{"a call like any other", number, "", false},
		{"a number", "sip:112@example.net", "", true},
		{"in international form", "sip:+49112@example.net:5061;user=phone", "", true},
		{"escaped", "sip:%31%312@example.net", "", true},
		{"with a context", "sip:112;phone-context=+49@example.net", "", true},
		{"a longer number", "sip:1123@example.net", "", false},
		{"no number at all", "sip:example.net", "", false},
		{"a very long number", "sip:" + strings.Repeat("1", 3000) + "@example.net", "", false},
		{"the service", named, "", true},
		{"its sub-service in capitals", "URN:Service:SOS.Fire", "", true},
		{"another service", "urn:service:counseling", "", false},
		{"a service that begins alike", "urn:service:sosa", "", false},
		{"a namespace", number, "Resource-Priority: esnet.1\r\n", true},
		{"a value in any case", number, "RESOURCE-PRIORITY: dsn.flash, Ets.0\r\n", true},
		{"another value", number, "Resource-Priority: ets.1\r\n", false},
		{"in a second line", number, "Resource-Priority: dsn.flash\r\nX: y\r\nResource-Priority:\r\n q735.0 ,esnet.0\r\n", true},
		{"a namespace that begins alike", number, "Resource-Priority: esnetx.1\r\n", false},
		{"an empty value", number, "Resource-Priority: ,,\r\n", false},
		{"after too many others", number, "Resource-Priority: " + strings.Repeat("dsn.0,", maxPriorities) + "esnet.0\r\n", false},
		{"another header", number, "X-Resource-Priority: esnet.0\r\n", false},
		{"in the body", number, "X: y\r\n\r\nResource-Priority: esnet.0\r\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &worker{e: &Engine{emergency: newEmergency(&runtime.Emergency{Numbers: []string{"112", "+49112"}, ResourcePriority: []string{"esnet", "ETS.0"}})}}
			raw := "INVITE " + tt.uri + " SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n" + tt.extra + "\r\n"
			if err := w.v.Parse([]byte(raw)); err != nil {
				t.Fatal(err)
			}
			u, _ := message.ParseURI(w.v.Get(w.v.URI))
			if got := w.emergency(&w.v, u); got != tt.want {
				t.Errorf("emergency call: %v, want %v", got, tt.want)
			}
			if n := testing.AllocsPerRun(10, func() { w.emergency(&w.v, u) }); n != 0 {
				t.Errorf("%v allocations", n)
			}
			w.e.emergency = nil
			if w.emergency(&w.v, u) {
				t.Error("without any configured")
			}
		})
	}
}

// dial sends an INVITE for a Request-URI.
func (r *rig) dial(uri, extra string) *caller {
	c := r.alice.newCall(r.out)
	c.uri = uri
	c.invite(extra)
	return c
}

// taken sees a call through to its destination and has it refused there.
func (r *rig) taken(c *caller) {
	r.t.Helper()
	inv := r.uas[0].request("INVITE")
	r.uas[0].respond(inv, 486, "Busy Here")
	c.reply(486, "INVITE")
	c.hop("ACK")
	r.uas[0].request("ACK")
}

func TestEmergencyCallsPassLimits(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*runtime.Appliance)
		close  func(*rig)
		reason string
	}{
		{"rate", func(a *runtime.Appliance) { a.Limits.CPS, a.Limits.Burst = 1, 1 }, func(r *rig) { r.taken(r.dial("sip:1@example.net", "")) }, "refused_rate"},
		{"concurrent calls", func(a *runtime.Appliance) { a.Limits.ConcurrentCalls = 1 }, func(r *rig) { r.answerCall() }, "refused_concurrent_calls"},
		{"overload", nil, func(r *rig) { r.refuse(overload.Whole) }, "refused_overload"},
		{"call table", func(a *runtime.Appliance) { a.State.Calls, a.State.HighWater = 4, 0.5 }, func(r *rig) { r.answerCall() }, "refused_high_water"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := emergencyRig(t, tt.change)
			tt.close(r)
			r.dial("sip:1@example.net", "").reply(503, "INVITE")
			r.count(tt.reason, 1)
			calls := uint64(0)
			for i, c := range [][2]string{{"sip:112@example.net", ""}, {"sip:1@example.net", "Resource-Priority: esnet.0\r\n"}} {
				past := func() bool { return r.e.Stats().Counters["emergency_requests_past_limits"] > uint64(i) }
				for n := 0; n == 0 || tt.name == "rate" && !past() && n < 100; n++ { // a second passed, and one was within the rate
					r.taken(r.dial(c[0], c[1]))
					calls++
				}
				r.count("emergency_requests", calls)
				r.count("emergency_requests_past_limits", uint64(i+1))
			}
			r.count(tt.reason, 1)
			r.settle(r.e.Stats().Calls.Live)
		})
	}
}

// Emergency calls have room of their own beyond the mark, and no more than that.
func TestEmergencyReserve(t *testing.T) {
	t.Parallel()
	r := emergencyRig(t, func(a *runtime.Appliance) { a.State.Calls, a.State.HighWater = 6, 0.5 })
	for range 2 { // (6 - 2) x 0.5
		r.dial("sip:1@example.net", "")
		r.uas[0].respond(r.uas[0].request("INVITE"), 180, "Ringing")
	}
	r.dial("sip:1@example.net", "").reply(503, "INVITE")
	for range 2 {
		r.dial("sip:112@example.net", "")
		r.uas[0].respond(r.uas[0].request("INVITE"), 180, "Ringing")
	}
	r.dial("sip:112@example.net", "").reply(503, "INVITE")
	r.count("refused_high_water", 2)
	if st := r.e.Stats(); st.CallsHighWater != 2 || st.Calls.Live != 4 {
		t.Errorf("%d calls live, mark at %d", st.Calls.Live, st.CallsHighWater)
	}
}

// A service URN is routed by the service, whether it goes first or not, and its
// Request-URI stays.
func TestServiceURN(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, func(a *runtime.Appliance) {
		a.Routes = append([]runtime.Route{{Name: "sos", From: []string{"out"}, Prefix: "urn:service:sos", To: []string{"overflow"}}}, a.Routes...)
	})
	c := r.dial("URN:service:SOS.police", "")
	inv := r.uas[1].request("INVITE")
	if !strings.HasPrefix(inv.start, "INVITE URN:service:SOS.police SIP/2.0") {
		t.Errorf("it was forwarded as %s", inv.start)
	}
	r.uas[1].respond(inv, 486, "Busy Here")
	c.reply(486, "INVITE")
	c.hop("ACK")
	r.taken(r.dial("urn:service:counseling", ""))
	r.dial("urn:isbn:0451450523", "").reply(416, "INVITE")
	r.count("refused_scheme", 1)
	r.count("emergency_requests", 0)
	r.settle(0)
}
