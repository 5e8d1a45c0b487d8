package sip

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// flow is one call: who plays, and every message each side must see, in order.
// Retransmissions that depend on timing are folded (see collapse).
type flow struct {
	name   string
	caller string
	// callees by address; started before the caller
	callees map[string]string
	// expected messages, each exactly once and in this order
	atCaller string
	at       map[string]string
	// whether the agent at an address is expected to end by itself
	open []string
	// extra arguments for the agent at an address ("" is the caller)
	args map[string][]string
}

var flows = []flow{
	{
		name: "basic call", caller: "uac_call", callees: map[string]string{fs1: "uas_call"},
		atCaller: "> INVITE,< 100 INVITE,< 180 INVITE,< 200 INVITE,> ACK,> BYE,< 200 BYE",
		at:       map[string]string{fs1: "< INVITE,> 180 INVITE,> 200 INVITE,< ACK,< BYE,> 200 BYE"},
	},
	{
		name: "callee hangs up", caller: "uac_callee_hangs_up", callees: map[string]string{fs1: "uas_hangs_up"},
		atCaller: "> INVITE,< 100 INVITE,< 180 INVITE,< 200 INVITE,> ACK,< BYE,> 200 BYE",
		at:       map[string]string{fs1: "< INVITE,> 180 INVITE,> 200 INVITE,< ACK,> BYE,< 200 BYE"},
	},
	{
		name: "re-INVITE", caller: "uac_reinvite", callees: map[string]string{fs1: "uas_reinvite"},
		atCaller: "> INVITE,< 100 INVITE,< 180 INVITE,< 200 INVITE,> ACK,> INVITE,< 100 INVITE,< 200 INVITE,> ACK,> BYE,< 200 BYE",
		at:       map[string]string{fs1: "< INVITE,> 180 INVITE,> 200 INVITE,< ACK,< INVITE,> 200 INVITE,< ACK,< BYE,> 200 BYE"},
	},
	{
		name: "CANCEL while ringing", caller: "uac_cancel", callees: map[string]string{fs1: "uas_cancel"},
		atCaller: "> INVITE,< 100 INVITE,< 180 INVITE,> CANCEL,< 200 CANCEL,< 487 INVITE,> ACK",
		at:       map[string]string{fs1: "< INVITE,> 180 INVITE,< CANCEL,> 200 CANCEL,> 487 INVITE,< ACK"},
	},
	{
		name: "486 is final", caller: "uac_486", callees: map[string]string{fs1: "uas_486", fs2: "uas_call"}, open: []string{fs2},
		atCaller: "> INVITE,< 100 INVITE,< 180 INVITE,< 486 INVITE,> ACK",
		at:       map[string]string{fs1: "< INVITE,> 180 INVITE,> 486 INVITE,< ACK", fs2: ""},
	},
	{
		name: "503 fails over", caller: "uac_failover", callees: map[string]string{fs1: "uas_503", fs2: "uas_call"},
		atCaller: "> INVITE,< 100 INVITE,< 180 INVITE,< 200 INVITE,> ACK,> BYE,< 200 BYE",
		at: map[string]string{
			fs1: "< INVITE,> 503 INVITE,< ACK",
			fs2: "< INVITE,> 180 INVITE,> 200 INVITE,< ACK,< BYE,> 200 BYE",
		},
	},
	{
		name: "503 everywhere is exhaustion", caller: "uac_503", callees: map[string]string{fs1: "uas_503", fs2: "uas_503"},
		atCaller: "> INVITE,< 100 INVITE,< 503 INVITE,> ACK",
		at:       map[string]string{fs1: "< INVITE,> 503 INVITE,< ACK", fs2: "< INVITE,> 503 INVITE,< ACK"},
	},
	{
		// Nothing listens at fs1: no reply at all until reply_timeout.
		name: "no answer fails over", caller: "uac_failover", callees: map[string]string{fs2: "uas_call"},
		atCaller: "> INVITE,< 100 INVITE,< 180 INVITE,< 200 INVITE,> ACK,> BYE,< 200 BYE",
		at:       map[string]string{fs2: "< INVITE,> 180 INVITE,> 200 INVITE,< ACK,< BYE,> 200 BYE"},
	},
	{
		// The callee rings and nobody picks up until invite_timeout: cancelled, and
		// the caller is told. A callee who does not answer is no failed gateway.
		name: "INVITE timeout while ringing", caller: "uac_408", callees: map[string]string{fs1: "uas_rings_forever", fs2: "uas_call"}, open: []string{fs2},
		atCaller: "> INVITE,< 100 INVITE,< 180 INVITE,< 408 INVITE,> ACK",
		at: map[string]string{
			fs1: "< INVITE,> 180 INVITE,< CANCEL,> 200 CANCEL,> 487 INVITE,< ACK",
			fs2: "",
		},
	},
	{
		// The caller's first ACK for the refusal is lost: the proxy repeats the 486,
		// the callee, which the proxy has acknowledged, is left alone.
		name: "lost ACK of a refusal", caller: "uac_lost_ack", callees: map[string]string{fs1: "uas_486"},
		args:     map[string][]string{"": {"-nr"}}, // or SIPp would swallow the second 486
		atCaller: "> INVITE,< 100 INVITE,< 180 INVITE,< 486 INVITE,< 486 INVITE,> ACK",
		at:       map[string]string{fs1: "< INVITE,> 180 INVITE,> 486 INVITE,< ACK"},
	},
	{
		// The callee never got the ACK and repeats its 200 end to end; the caller
		// acknowledges again.
		name: "lost ACK of a 200", caller: "uac_lost_ack2xx", callees: map[string]string{fs1: "uas_lost_ack"},
		args:     map[string][]string{"": {"-nr"}, fs1: {"-nr"}},
		atCaller: "> INVITE,< 100 INVITE,< 180 INVITE,< 200 INVITE,> ACK,< 200 INVITE,> ACK,> BYE,< 200 BYE",
		at:       map[string]string{fs1: "< INVITE,> 180 INVITE,> 200 INVITE,< ACK,> 200 INVITE,< ACK,< BYE,> 200 BYE"},
	},
	{
		// The caller acts as if the first 200 had been lost on its way to it.
		name: "lost 200", caller: "uac_lost_200", callees: map[string]string{fs1: "uas_lost_200"},
		args:     map[string][]string{"": {"-nr"}, fs1: {"-nr"}},
		atCaller: "> INVITE,< 100 INVITE,< 180 INVITE,< 200 INVITE,< 200 INVITE,> ACK,> BYE,< 200 BYE",
		at:       map[string]string{fs1: "< INVITE,> 180 INVITE,> 200 INVITE,> 200 INVITE,< ACK,< BYE,> 200 BYE"},
	},
	{
		name: "repeated INVITE is absorbed", caller: "uac_repeats", callees: map[string]string{fs1: "uas_slow"},
		args:     map[string][]string{"": {"-nr"}},
		atCaller: "> INVITE,< 100 INVITE,> INVITE,< 100 INVITE,< 180 INVITE,< 200 INVITE,> ACK,> BYE,< 200 BYE",
		at:       map[string]string{fs1: "< INVITE,> 180 INVITE,> 200 INVITE,< ACK,< BYE,> 200 BYE"},
	},
	{
		name: "OPTIONS to the proxy", caller: "uac_options", callees: map[string]string{},
		atCaller: "> OPTIONS,< 200 OPTIONS",
	},
}

// collapse drops repeats of our own INVITE towards a destination that is slow to
// answer; they depend on the clock alone.
func collapse(labels []string) []string {
	var out []string
	for _, l := range labels {
		if l == "< INVITE" && len(out) > 0 && out[len(out)-1] == l {
			continue
		}
		out = append(out, l)
	}
	return out
}

func TestFlows(t *testing.T) {
	for _, f := range flows {
		t.Run(f.name, func(t *testing.T) {
			proxy := startProxy(t, "")
			callees := map[string]*agent{}
			for ip, scenario := range f.callees {
				callees[ip] = startCallee(t, scenario, ip, f.args[ip]...)
			}
			caller := startAgent(t, f.caller, callerIP, append([]string{carrier}, f.args[""]...)...).wait()
			if got := strings.Join(caller.labels(), ","); got != f.atCaller {
				t.Errorf("caller saw\n  %s, want\n  %s", got, f.atCaller)
			}
			for ip, want := range f.at {
				a := callees[ip]
				if !slices.Contains(f.open, ip) {
					a.wait()
				}
				var got string
				if want != "" || fileExists(a.log) {
					got = strings.Join(collapse(a.labels()), ",")
				}
				if got != want {
					t.Errorf("callee %s saw\n  %s, want\n  %s", ip, got, want)
				}
			}
			for ip, a := range callees {
				if f.at[ip] != "" {
					checkForwarded(t, caller, a)
				}
			}
			if !slices.Contains([]string{"OPTIONS to the proxy"}, f.name) {
				proxy.eventuallyIdle(time.Minute)
			}
		})
	}
}

// The example README tells a newcomer to try: one listener, everything on
// 127.0.0.1.
func TestLoopbackExample(t *testing.T) {
	config := bake(t, "../../../appliance/examples/loopback")
	withoutProbes(t, config)
	proxy := runProxy(t, config)
	callee := startCalleeAt(t, "uas_call", "127.0.0.1", "5080")
	caller := startAgentAt(t, "uac_call", "127.0.0.1", "5070", "127.0.0.1:5060").wait()
	callee.wait()
	want := "> INVITE,< 100 INVITE,< 180 INVITE,< 200 INVITE,> ACK,> BYE,< 200 BYE"
	if got := strings.Join(caller.labels(), ","); got != want {
		t.Errorf("caller saw\n  %s, want\n  %s", got, want)
	}
	proxy.eventuallyIdle(time.Minute)
}

// withoutProbes takes probing out of a baked configuration: SIPp as a callee takes an
// OPTIONS for a call of the scenario and ends.
func withoutProbes(t *testing.T, config string) {
	t.Helper()
	b, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	var a map[string]any
	if err := json.Unmarshal(b, &a); err != nil {
		t.Fatal(err)
	}
	for _, d := range a["dispatchers"].([]any) {
		delete(d.(map[string]any), "probe")
	}
	if b, err = json.Marshal(a); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, b, 0o644); err != nil {
		t.Fatal(err)
	}
}
