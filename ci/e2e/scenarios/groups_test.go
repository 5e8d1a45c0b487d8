package scenarios

import (
	"time"

	"trunkline/appliance/runtime"
)

// plain are groups that differ in the transports of the two sides alone.
const plain = "udp tcp tls udp-tcp tcp-udp tls-udp ws-udp wss-tcp"

const (
	beforeRoute = "route \"all\" {"
	setOfC      = "  destination \"c\" {"
)

// groups are the specs scenarios run with.
var groups = []*group{
	{name: "udp", net: 1, a: "udp", b: "udp"},
	{name: "tcp", net: 2, a: "tcp", b: "tcp"},
	{name: "tls", net: 3, a: "tls", b: "tls"},
	{name: "udp-tcp", net: 4, a: "udp", b: "tcp"},
	{name: "tcp-udp", net: 5, a: "tcp", b: "udp"},
	{name: "tls-udp", net: 6, a: "tls", b: "udp"},
	{name: "ws-udp", net: 18, a: "ws", b: "udp"},
	{name: "wss-tcp", net: 19, a: "wss", b: "tcp"},
	{name: "ws-few", net: 20, a: "ws", b: "udp", spec: []string{"@TLS_A@\n", "  connections {\n    per_source = 1\n  }\n"}},
	{name: "ipv6", net: 0, a: "udp", b: "udp"},
	// What is over is remembered for long: repetitions are absorbed, not taken for new.
	{name: "patient", net: 7, a: "udp", b: "udp", spec: []string{`"500ms"`, `"2s"`}},
	// Timers of RFC 3261 table 4 from a T1 of 50 ms, so that 64*T1 is awaited.
	{name: "short", net: 8, a: "udp", b: "udp", tune: func(a *runtime.Appliance) { a.Transaction.T1 = runtime.Duration(50 * time.Millisecond) }},
	{name: "timeouts", net: 9, a: "udp", b: "udp", spec: []string{`"20s"`, `"1500ms"`, `"40s"`, `"4s"`}},
	{name: "routes", net: 10, a: "udp", b: "udp", spec: []string{`from = ["carrier"]`, "from = [\"carrier\"]\n  prefix = \"+49\""}},
	{name: "sets", net: 11, a: "udp", b: "udp", tune: dispatchSets},
	{name: "few", net: 12, a: "udp", b: "udp", tune: func(a *runtime.Appliance) { a.Limits.ConcurrentCalls = 2 }},
	{name: "slow", net: 13, a: "udp", b: "udp", tune: func(a *runtime.Appliance) { a.Limits.CPS, a.Limits.Burst = 1, 1 }},
	{name: "chain", net: 14, a: "udp", b: "udp", spec: chained},
	{name: "probed", net: 15, a: "udp", b: "udp", spec: append(chained, `algorithm = "first"`, `algorithm = "first"
  probe {
    interval          = "1s"
    timeout           = "500ms"
    fail_threshold    = 2
    recover_threshold = 1
  }`)},
	{name: "policy", net: 16, a: "udp", b: "udp", spec: []string{beforeRoute, `messages {
  remove_headers = ["User-Agent", "X-*"]
  codecs         = ["PCMA", "telephone-event"]
}

` + beforeRoute}},
	{name: "timed", net: 23, a: "udp", b: "udp", tune: timed(90, 1800, time.Hour)},
	{name: "timed-tcp", net: 24, a: "tcp", b: "udp", tune: timed(90, 1800, time.Hour)},
	{name: "expiring", net: 25, a: "udp", b: "udp", tune: timed(1, 3, time.Hour)},
	{name: "expiring-tcp", net: 26, a: "udp", b: "tcp", tune: timed(1, 3, time.Hour)},
	{name: "expiring-ws", net: 27, a: "ws", b: "udp", tune: timed(1, 3, time.Hour)},
	{name: "old", net: 28, a: "tls", b: "udp", tune: timed(90, 1800, 2*time.Second)},
	{name: "fork", net: 21, a: "udp", b: "udp", spec: parallel},
	{name: "fork-tcp", net: 22, a: "udp", b: "tcp", spec: parallel},
	{name: "idle", net: 17, a: "tcp", b: "tcp", tune: func(a *runtime.Appliance) {
		for i := range a.Listeners {
			a.Listeners[i].Connections.Idle = runtime.Duration(time.Second)
		}
	}},
}

// timed has session timers of so many seconds, and calls that live so long.
func timed(minSE, expires int, lifetime time.Duration) func(*runtime.Appliance) {
	return func(a *runtime.Appliance) {
		seconds := func(n int) runtime.Duration { return runtime.Duration(time.Duration(n) * time.Second) }
		a.Session = &runtime.Session{MinSE: seconds(minSE), Expires: seconds(expires), Insert: true}
		a.Transaction.CallLifetime = runtime.Duration(lifetime)
	}
}

// parallel calls b and c at once.
var parallel = []string{`algorithm = "first"`, `algorithm = "parallel"`}

// chained puts c into a set that follows.
var chained = []string{setOfC, `}

dispatcher "overflow" {
  id        = 2
  algorithm = "first"
` + setOfC, "id        = 1\n", "id        = 1\n  next      = \"overflow\"\n"}
