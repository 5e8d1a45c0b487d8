package engine

import (
	"net/netip"
	"strings"
	"testing"

	"trunkline/appliance/runtime"
)

// renumbering routes calls of a national number on in international form.
func renumbering(a *runtime.Appliance) {
	a.Routes = append([]runtime.Route{
		{Name: "national", From: []string{"out"}, Prefix: "0", Pattern: `0([1-9]\d*)`, Rewrite: "+49$1", To: []string{"core", "overflow"}},
	}, a.Routes...)
}

// The number of the Request-URI is changed and nothing else of the request, at every
// destination, in what is sent again, in CANCEL and in the ACK of a refusal.
func TestRenumbered(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, renumbering)
	for _, tt := range []struct{ uri, want string }{
		{"sip:0301234@example.net", "sip:+49301234@example.net"},
		{"sip:0301234;npdi;rn=%2b1:secret@example.net:5070;user=phone", "sip:+49301234;npdi;rn=%2b1:secret@example.net:5070;user=phone"},
		{"SIP:%30301234@[2001:db8::1]", "SIP:+49301234@[2001:db8::1]"},
		{"sip:00301234@example.net", "sip:00301234@example.net"},
		{"sip:030x@example.net", "sip:030x@example.net"},
		{"sip:example.net", "sip:example.net"},
	} {
		c := r.dial(tt.uri, "")
		inv := r.uas[0].request("INVITE")
		if got := strings.Fields(inv.start)[1]; got != tt.want {
			t.Errorf("INVITE of %s: %s, want %s", tt.uri, got, tt.want)
		}
		r.uas[0].respond(inv, 503, "Service Unavailable")
		ack := r.uas[0].request("ACK")
		if got := strings.Fields(ack.start)[1]; got != tt.want {
			t.Errorf("ACK of %s: %s, want %s", tt.uri, got, tt.want)
		}
		next := r.uas[1].request("INVITE")
		if got := strings.Fields(next.start)[1]; got != tt.want {
			t.Errorf("the next INVITE of %s: %s, want %s", tt.uri, got, tt.want)
		}
		r.uas[1].respond(next, 180, "Ringing")
		c.reply(180, "INVITE")
		c.hop("CANCEL")
		c.reply(200, "CANCEL")
		cancel := r.uas[1].request("CANCEL")
		if got := strings.Fields(cancel.start)[1]; got != tt.want {
			t.Errorf("CANCEL of %s: %s, want %s", tt.uri, got, tt.want)
		}
		r.uas[1].respond(cancel, 200, "OK")
		r.uas[1].respond(next, 487, "Request Terminated")
		c.reply(487, "INVITE")
		c.hop("ACK")
		r.uas[1].request("ACK")
	}
	r.settle(0)
}

func TestRenumberedCallsAllocateNothing(t *testing.T) {
	p := newPath(t, func(a *runtime.Appliance) {
		a.Routes = []runtime.Route{{Name: "all", Pattern: `\+49(\d+)`, Rewrite: "0049$1", To: []string{"core"}}}
	})
	for range 500 {
		p.call(t)
	}
	if n := testing.AllocsPerRun(500, func() { p.call(t) }); n != 0 {
		t.Errorf("%v allocations per call", n)
	}
}

// Calls are told apart by whose address they come from.
func TestRoutedByCarrier(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, func(a *runtime.Appliance) {
		a.Limits.Carriers = []runtime.ScopedLimits{
			{Name: "alice", Prefixes: []netip.Prefix{netip.MustParsePrefix("127.0.11.1/32")}},
			{Name: "others", Prefixes: []netip.Prefix{netip.MustParsePrefix("127.0.11.0/24")}},
		}
		a.Routes = []runtime.Route{
			{Name: "others", Carriers: []string{"others"}, To: []string{"core"}},
			{Name: "alice", Carriers: []string{"alice"}, To: []string{"overflow"}},
		}
	})
	c := r.dial("sip:+49301234@example.net", "")
	inv := r.uas[1].request("INVITE")
	r.uas[1].respond(inv, 486, "Busy Here")
	c.reply(486, "INVITE")
	c.hop("ACK")
	r.uas[1].request("ACK")
	r.settle(0)
}
