package scenarios

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
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
	// check is what a script cannot say; it runs after the steps.
	check func(*script)
	// moved names the counters that go up, as "calls answered failovers=2". Those of
	// mere volume may be left out.
	moved string
}

// scenarios are all of them.
var scenarios = slices.Concat(callScenarios, replyScenarios, cancelScenarios, lossScenarios, failoverScenarios, forkScenarios,
	refusalScenarios, formScenarios, dispatchScenarios, policyScenarios, sessionScenarios, streamScenarios, browserScenarios)

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
	if sc.check != nil {
		sc.check(s)
	}
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
		p.mu.Lock()
		p.inbox, p.seen = nil, map[string]bool{}
		p.mu.Unlock()
	}
	if sent := after.Counters["retransmissions_sent"] - before.Counters["retransmissions_sent"]; uint64(dups) > sent+uint64(s.repeats) {
		t.Errorf("%d messages came twice; the proxy says it has repeated %d, and the script %d", dups, sent, s.repeats)
	}
}
