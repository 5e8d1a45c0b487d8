package engine

import (
	"net/netip"
	"testing"

	"trunkline/appliance/runtime"
)

// Limits of a listener, a carrier and single addresses refuse calls each with what it has to
// say, and calls that end make room.
func TestScopedLimits(t *testing.T) {
	t.Parallel()
	alice := netip.MustParsePrefix("127.0.11.1/32")
	for name, tc := range map[string]struct {
		change func(*runtime.Limits)
		reply  string
		retry  string
	}{
		"listener": {func(l *runtime.Limits) {
			l.Listeners = []runtime.ScopedLimits{{Name: "out", ConcurrentCalls: 2}}
		}, "SIP/2.0 503 Service Unavailable", "7"},
		"carrier": {func(l *runtime.Limits) {
			l.Carriers = []runtime.ScopedLimits{{Name: "one", Prefixes: []netip.Prefix{alice}, ConcurrentCalls: 2, Refusal: &runtime.Refusal{Code: 486, Reason: "Too many calls"}}}
		}, "SIP/2.0 486 Too many calls", "7"},
		"address": {func(l *runtime.Limits) {
			l.Refusal = &runtime.Refusal{Code: 403}
			l.Sources = []runtime.ScopedLimits{{Name: "all", Prefixes: []netip.Prefix{netip.MustParsePrefix("127.0.11.0/24")}, ConcurrentCalls: 2, PerAddress: true}}
		}, "SIP/2.0 403 Forbidden", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := lastingRig(t, 1, func(a *runtime.Appliance) { tc.change(&a.Limits) })
			var calls []*caller
			answer := func() {
				c := r.alice.newCall(r.out)
				c.invite("")
				uas, inv := r.find("INVITE", c.callID)
				uas.respond(inv, 200, "OK")
				c.established(c.final())
				c.inDialog("ACK", "", "")
				r.find("ACK", c.callID)
				calls = append(calls, c)
			}
			refused := func() {
				c := r.alice.newCall(r.out)
				c.invite("")
				m := c.final()
				if m.start != tc.reply || m.get("Retry-After") != tc.retry {
					t.Errorf("%s with Retry-After %q, want %s with %q", m.start, m.get("Retry-After"), tc.reply, tc.retry)
				}
				c.hop("ACK")
			}
			hangUp := func() {
				c := calls[0]
				calls = calls[1:]
				c.inDialog("BYE", "", "")
				uas, bye := r.find("BYE", c.callID)
				uas.respond(bye, 200, "OK")
				c.reply(200, "BYE")
			}
			answer()
			answer()
			refused()
			r.count("refused_concurrent_calls", 1)
			r.succeed() // the limit holds over a change of processes
			refused()
			hangUp()
			answer()
			refused()
			for len(calls) > 0 {
				hangUp()
			}
			r.settle(0)
			for _, l := range r.e.Stats().Limits {
				if l.Live != 0 {
					t.Errorf("limit of %s %s: %d calls are left", l.Scope, l.Name, l.Live)
				}
			}
		})
	}
}
