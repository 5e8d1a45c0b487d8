package sip

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	byTurns = `algorithm = "round-robin"`
	fs1URI  = `uri      = "sip:127.0.0.21:5060"`
	fs2URI  = `uri      = "sip:127.0.0.22:5060"`

	answered = "< INVITE,> 180 INVITE,> 200 INVITE,< ACK,< BYE,> 200 BYE"
)

// overflow ends the set core after its first destination, and puts the second into a
// set of its own that follows.
var overflow = []string{
	`  destination "fs2" {`, `}
dispatcher "overflow" {
  id        = 2
  algorithm = "first"
  destination "fs2" {`,
	byTurns, byTurns + "\n  next = \"overflow\"",
}

// From the spec to the wire: where a call goes by algorithm, state, limit and chain.
func TestDispatching(t *testing.T) {
	for _, tt := range []struct {
		name     string
		spec     []string
		callees  map[string]string
		goes, by string // the callee that answers, and the one that is tried before
	}{
		{"weight of one that is disabled", []string{byTurns, `algorithm = "weight"`, fs1URI, fs1URI + "\n    weight = 90\n    state = \"disabled\"", fs2URI, fs2URI + "\n    weight = 10"},
			map[string]string{fs1: "uas_call", fs2: "uas_call"}, fs2, ""},
		{"lower priority first", []string{byTurns, `algorithm = "priority"`, fs1URI, fs1URI + "\n    priority = 1"},
			map[string]string{fs1: "uas_call", fs2: "uas_call"}, fs2, ""},
		{"the next of equals in priority", []string{byTurns, `algorithm = "priority"`, fs2URI, fs2URI + "\n    priority = 1"},
			map[string]string{fs1: "uas_503", fs2: "uas_call"}, fs2, fs1},
		{"chain after a refusal", overflow, map[string]string{fs1: "uas_503", fs2: "uas_call"}, fs2, fs1},
		{"chain past a disabled set", append(slices.Clone(overflow), fs1URI, fs1URI+"\n    state = \"disabled\""),
			map[string]string{fs1: "uas_call", fs2: "uas_call"}, fs2, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			proxy := startProxyOf(t, tt.spec...)
			callees := map[string]*agent{}
			for ip, scenario := range tt.callees {
				callees[ip] = startCallee(t, scenario, ip)
			}
			startAgent(t, "uac_failover", callerIP, carrier).wait()
			callees[tt.goes].wait()
			if got := strings.Join(collapse(callees[tt.goes].labels()), ","); got != answered {
				t.Errorf("%s saw\n  %s, want\n  %s", tt.goes, got, answered)
			}
			for ip, a := range callees {
				if ip != tt.goes && ip != tt.by && fileExists(a.log) && len(a.labels()) > 0 {
					t.Errorf("%s saw %v, want nothing", ip, a.labels())
				}
			}
			if tt.by != "" {
				callees[tt.by].wait()
				if got := strings.Join(collapse(callees[tt.by].labels()), ","); got != "< INVITE,> 503 INVITE,< ACK" {
					t.Errorf("%s saw %s", tt.by, got)
				}
			}
			proxy.eventuallyIdle(time.Minute)
		})
	}
}
