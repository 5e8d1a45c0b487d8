package sip

import (
	"strings"
	"testing"
	"time"
)

// A call comes in over TCP and leaves over UDP: every message once, and the dialog's
// requests find their way by a Record-Route for each side.
func TestCallOverTCP(t *testing.T) {
	proxy := startProxyOf(t, "  transport = \"udp\"\n  sources   = [\"127.0.0.10/32\"]", "  transport = \"tcp\"\n  sources   = [\"127.0.0.10/32\"]")
	callee := startCallee(t, "uas_call", fs1)
	caller := startAgent(t, "uac_call", callerIP, carrier, "-t", "t1").wait()
	if got, want := strings.Join(caller.labels(), ","), "> INVITE,< 100 INVITE,< 180 INVITE,< 200 INVITE,> ACK,> BYE,< 200 BYE"; got != want {
		t.Errorf("caller saw\n  %s, want\n  %s", got, want)
	}
	callee.wait()
	if got := strings.Join(collapse(callee.labels()), ","); got != answered {
		t.Errorf("callee saw\n  %s, want\n  %s", got, answered)
	}
	proxy.eventuallyIdle(time.Minute)
}
