package scenarios

// goesOn is a call that c takes, and that ends.
const goesOn = `
	c < INVITE from a
	c 180 -> a
	c 200 sdp -> a
	a ACK -> c
	a BYE -> c
	c 200 BYE -> a`

// failoverScenarios are calls that go to another destination, or to none.
var failoverScenarios = []scenario{
	{
		name: "503 fails over", over: plain, moved: "calls answered failovers",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 503 +"Retry-After: 60"
			b < ACK` + goesOn,
	},
	{
		name: "500 after 180 fails over", over: "udp tcp", moved: "calls answered failovers",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 180 -> a
			b 500
			b < ACK` + goesOn,
	},
	{
		name: "606 fails over", over: "udp tcp", moved: "calls answered failovers",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 606
			b < ACK` + goesOn,
	},
	{
		name: "503 to another request fails over", over: "udp tcp", moved: "failovers",
		steps: `
			a MESSAGE body=10 -> b
			b 503 MESSAGE
			c < MESSAGE from a
			c 200 MESSAGE -> a`,
	},
	{
		name: "503 everywhere: 503 with Retry-After", over: plain, moved: "calls failovers=2 exhausted",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 503
			b < ACK
			c < INVITE from a
			c 503
			a < 503 +"Retry-After: 5"
			c < ACK
			a ACK`,
	},
	{
		name: "486 of the second is final", over: "udp tcp", moved: "calls failovers",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 503
			b < ACK
			c < INVITE from a
			c 486 -> a
			c < ACK
			a ACK`,
	},
	{
		name: "503 within a dialog is relayed", over: "udp tcp", moved: "calls answered",
		steps: answered + `
			a INVITE sdp -> b
			a < 100
			b 503 -> a
			b < ACK
			a ACK` + hungUp,
	},
	{
		name: "nobody answers at the first", over: "timeouts", moved: "calls answered failovers local_timeouts",
		steps: `
			a INVITE sdp -> b
			a < 100` + goesOn,
	},
	{
		// It was given up, so its call is ended again: CANCEL as soon as it shows life.
		name: "the first wakes up after the call has moved on", over: "timeouts", moved: "calls answered failovers local_timeouts",
		steps: `
			a INVITE sdp -> b
			a < 100
			c < INVITE from a
			c 180 -> a
			b 180
			b < CANCEL
			b 200 CANCEL
			b 487
			b < ACK
			c 200 sdp -> a
			a ACK -> c
			a BYE -> c
			c 200 BYE -> a`,
	},
	{
		name: "the first answers after the call has moved on: the second is cancelled", over: "timeouts", moved: "calls answered failovers local_timeouts",
		steps: `
			a INVITE sdp -> b
			a < 100
			c < INVITE from a
			c 180 -> a
			b 200 sdp -> a
			c < CANCEL
			c 200 CANCEL
			c 487
			c < ACK
			a ACK -> b` + hungUp,
	},
	{
		name: "nobody answers anywhere", over: "timeouts", moved: "calls failovers=2 local_timeouts=2 exhausted",
		steps: `
			a INVITE sdp -> b
			a < 100
			c < INVITE from a
			a < 503 +"Retry-After: 5"
			a ACK`,
	},
	{
		name: "rings until invite_timeout: 408", over: "timeouts", moved: "calls invite_timeouts",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 180 -> a
			b < CANCEL
			a < 408
			b 200 CANCEL
			b 487
			b < ACK
			a ACK`,
	},
	{
		// A destination that said 100 and no more has taken the call nowhere.
		name: "100 and nothing more until invite_timeout: the next", over: "timeouts", moved: "calls answered failovers invite_timeouts local_timeouts retransmissions_absorbed",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 100
			b < CANCEL
			b 200 CANCEL
			b 487
			b < ACK` + goesOn,
	},
	{
		// RFC 4320 4.2: its sender has timed out as well.
		name: "nobody answers a MESSAGE: no 408", over: "short", moved: "dropped_unanswered",
		steps: `
			a MESSAGE body=10 -> b
			b << MESSAGE
			b << MESSAGE`,
	},
	{
		name: "nobody answers a BYE: the call is over all the same", over: "short", moved: "calls answered dropped_unanswered",
		steps: answered + `
			a BYE -> b`,
	},
	{
		name: "the first is not there: connection refused", over: "tcp tls udp-tcp", moved: "calls answered failovers transport_failures",
		steps: `
			b down
			a INVITE sdp
			a < 100` + goesOn,
	},
	{
		name: "nobody is there: connections refused", over: "tcp tls udp-tcp", moved: "calls failovers=2 transport_failures=2 exhausted",
		steps: `
			b down
			c down
			a INVITE sdp
			a < 100
			a < 503 +"Retry-After: 5"
			a ACK`,
	},
	{
		name: "the connection is reset before a reply", over: "tcp tls udp-tcp", moved: "calls answered failovers transport_failures",
		steps: `
			a INVITE sdp -> b
			a < 100
			b resets` + goesOn,
	},
	{
		name: "the connection ends before a reply", over: "tcp tls udp-tcp", moved: "calls answered failovers transport_failures",
		steps: `
			a INVITE sdp -> b
			a < 100
			b hangs-up` + goesOn,
	},
	{
		// Who has replied may make a connection of his own (RFC 3261 18.2.2).
		name: "the connection is reset after 180, the answer comes by a new one", over: "tcp tls udp-tcp", moved: "calls answered",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 180 -> a
			b resets
			noticed
			b 200 sdp -> a
			a ACK -> b` + hungUp,
	},
	{
		name: "the connection is reset within a call: a new one is made", over: "tcp tls udp-tcp", moved: "calls answered",
		steps: answered + `
			b resets
			noticed
			a INFO body=24 -> b
			b 200 INFO -> a` + hungUp,
	},
	{
		name: "the callee is gone when BYE comes", over: "tcp tls udp-tcp", moved: "calls answered transport_failures",
		steps: answered + `
			b down
			a BYE
			a < 503 BYE +"Retry-After: 5"`,
	},
	{
		name: "the caller is back by another connection", over: "tcp tls tcp-udp", moved: "calls answered",
		steps: answered + `
			a hangs-up
			noticed
			a INFO body=24 -> b
			b 200 INFO -> a
			b INFO body=24 -> a
			a 200 INFO -> b` + hungUp,
	},
}
