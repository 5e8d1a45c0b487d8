package scenarios

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trunkline/appliance/runtime"
)

// TestMain lets all groups run at once: they wait for timers, mostly.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", fmt.Sprint(len(groups))); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// scenario is one thing that happens, and all that may be seen of it.
type scenario struct {
	name string
	// over names the groups it runs in; each is counted.
	over  string
	steps string
	// moved names the counters that go up, as "calls answered failovers=2". Those of
	// mere volume may be left out.
	moved string
}

// plain are groups that differ in the transports of the two sides alone.
const plain = "udp tcp tls udp-tcp tcp-udp tls-udp"

// groups are the specs scenarios run with.
var groups = []*group{
	{name: "udp", net: 1, a: "udp", b: "udp"},
	{name: "tcp", net: 2, a: "tcp", b: "tcp"},
	{name: "tls", net: 3, a: "tls", b: "tls"},
	{name: "udp-tcp", net: 4, a: "udp", b: "tcp"},
	{name: "tcp-udp", net: 5, a: "tcp", b: "udp"},
	{name: "tls-udp", net: 6, a: "tls", b: "udp"},
	{name: "ipv6", net: 0, a: "udp", b: "udp"},
	// What is over is remembered for long: repetitions are absorbed, not taken for new.
	{name: "patient", net: 7, a: "udp", b: "udp", spec: []string{`"500ms"`, `"2s"`}},
	// Timers of RFC 3261 table 4 from a T1 of 50 ms, so that 64*T1 is awaited.
	{name: "short", net: 8, a: "udp", b: "udp", tune: func(a *runtime.Appliance) { a.Transaction.T1 = runtime.Duration(50 * time.Millisecond) }},
	{name: "timeouts", net: 9, a: "udp", b: "udp", spec: []string{`"20s"`, `"1500ms"`, `"40s"`, `"4s"`}},
}

// scenarios are all of them.
var scenarios = slices.Concat(callScenarios, replyScenarios, cancelScenarios, lossScenarios, failoverScenarios)

func TestScenarios(t *testing.T) {
	binary(t, "sbcd")
	var runs atomic.Int64
	t.Cleanup(func() { t.Logf("%d scenarios in %d runs", len(scenarios), runs.Load()) })
	used := map[string]bool{}
	for _, g := range groups {
		var list []scenario
		for _, sc := range scenarios {
			if slices.Contains(strings.Fields(sc.over), g.name) {
				list = append(list, sc)
			}
		}
		used[g.name] = true
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			g.start(t)
			t.Cleanup(g.stop)
			for _, sc := range list {
				runs.Add(1)
				if !t.Run(sc.name, func(t *testing.T) { g.run(t, sc) }) {
					g.stop() // what a broken scenario left must not break the next
					g.start(t)
				}
			}
		})
	}
	for _, sc := range scenarios {
		for _, name := range strings.Fields(sc.over) {
			if !used[name] {
				t.Errorf("%s: there is no group %q", sc.name, name)
			}
		}
	}
}

// run runs one scenario and checks what is left of it.
func (g *group) run(t *testing.T, sc scenario) {
	before := g.proxy.figures(t)
	for _, p := range g.parties {
		p.open(t)
		p.dups = 0
	}
	s := &script{t: t, g: g, calls: map[int]*call{}, before: before}
	s.run(sc.steps)
	s.at = "at the end"
	after := g.settle(t)
	g.quiet(t)
	want := sc.moved
	if s.acks > 0 && !strings.Contains(want, "stateless_requests") {
		want += fmt.Sprintf(" stateless_requests=%d", s.acks)
	}
	if err := moved(before, after, want); err != nil {
		t.Error(err)
	}
	g.disconnect(t)
	dups := 0
	for _, p := range g.parties {
		dups += p.dups
		p.inbox, p.seen = nil, map[string]bool{}
	}
	if sent := after.Counters["retransmissions_sent"] - before.Counters["retransmissions_sent"]; uint64(dups) > sent+uint64(s.repeats) {
		t.Errorf("%d messages came twice; the proxy says it has repeated %d, and the script %d", dups, sent, s.repeats)
	}
}
