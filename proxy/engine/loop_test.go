package engine

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"trunkline/appliance/runtime"
)

// back makes a destination a proxy that sends a request on to where it came from.
func (a *agent) back(to netip.AddrPort, m *sipMsg, change func(string) string) {
	a.t.Helper()
	a.n++
	via := fmt.Sprintf("\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK-back-%d\r\n", a.addr, a.n)
	a.send(to, change(strings.Replace(m.raw, "\r\n", via, 1)))
}

func loopRig(t *testing.T) *rig {
	return newRig(t, 1, func(a *runtime.Appliance) {
		a.Routes[1] = runtime.Route{Name: "back", From: []string{"in"}, To: []string{"core"}}
	})
}

// A request that comes back as it was sent is a loop: it ends at the first turn.
func TestLoop(t *testing.T) {
	t.Parallel()
	r := loopRig(t)
	c := r.alice.newCall(r.out)
	c.invite("")
	inv := r.uas[0].request("INVITE")
	r.uas[0].back(r.in, inv, func(s string) string { return s })
	r.uas[0].reply(482, "INVITE")
	r.count("refused_loop", 1)
	r.count("calls", 1)
	r.uas[0].respond(inv, 482, "Loop Detected")
	c.reply(482, "INVITE")
	c.hop("ACK")
	r.settle(0)
}

// Over several other proxies it is one too, whatever they wrote between.
func TestLongLoop(t *testing.T) {
	t.Parallel()
	for name, via := range map[string]string{
		"a line each":    "Via: SIP/2.0/UDP 192.0.2.3;branch=z9hG4bK-c\r\nv: SIP/2.0/TCP 192.0.2.2;branch=z9hG4bK-b\r\n",
		"all on a line":  "Via: SIP/2.0/UDP 192.0.2.3;branch=z9hG4bK-c, SIP/2.0/TCP 192.0.2.2;branch=z9hG4bK-b,\r\n ",
		"alike branches": "Via: SIP/2.0/UDP 192.0.2.3;branch=z9hG4bKtlf0123456789abcdef0123456789abcdef\r\nv: SIP/2.0/TCP 192.0.2.2;branch=z9hG4bKtlf\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := loopRig(t)
			c := r.alice.newCall(r.out)
			c.invite("")
			inv := r.uas[0].request("INVITE")
			r.uas[0].back(r.in, inv, func(s string) string {
				if strings.HasSuffix(via, " ") { // ours goes on the same line
					return strings.Replace(s, "\r\nVia: SIP/2.0/UDP "+r.in.String(), "\r\n"+via+"SIP/2.0/UDP "+r.in.String(), 1)
				}
				return strings.Replace(s, "\r\nVia: SIP/2.0/UDP "+r.in.String(), "\r\n"+via+"Via: SIP/2.0/UDP "+r.in.String(), 1)
			})
			r.uas[0].reply(482, "INVITE")
			r.count("refused_loop", 1)
			r.count("calls", 1)
			r.uas[0].respond(inv, 482, "Loop Detected")
			c.reply(482, "INVITE")
			c.hop("ACK")
			r.settle(0)
		})
	}
}

// One whose Request-URI changed spirals, and is another request.
func TestSpiral(t *testing.T) {
	t.Parallel()
	r := loopRig(t)
	c := r.alice.newCall(r.out)
	c.invite("")
	inv := r.uas[0].request("INVITE")
	r.uas[0].back(r.in, inv, func(s string) string { return strings.Replace(s, "INVITE sip:+4930123456@", "INVITE sip:+4930999@", 1) })
	again := r.uas[0].expect("the spiralling INVITE", func(m *sipMsg) bool { return strings.HasPrefix(m.start, "INVITE sip:+4930999@") })
	if n := len(again.all("Via")); n != 4 {
		t.Errorf("%d Via lines, want 4", n)
	}
	r.count("refused_loop", 0)
}
