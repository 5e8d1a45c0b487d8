package scenarios

// forked is an INVITE that reaches b and c, and rings at both.
const forked = `
	a INVITE sdp -> b
	c < INVITE from a
	a < 100
	b 180 -> a
	c 180 -> a`

// cancelledAt is how the proxy ends what rings at a party.
func cancelledAt(p string) string {
	return `
	` + p + ` < CANCEL
	` + p + ` 200 CANCEL
	` + p + ` 487
	` + p + ` < ACK`
}

// forkScenarios are calls of a set with algorithm parallel (RFC 3261 16.6, 16.7).
var forkScenarios = []scenario{
	{
		name: "rings at both, the second answers", over: "fork fork-tcp", moved: "calls answered",
		steps: forked + `
			c 200 sdp -> a` + cancelledAt("b") + `
			a ACK -> c
			a BYE -> c
			c 200 BYE -> a`,
	},
	{
		name: "the first answers before the second has said anything", over: "fork fork-tcp", moved: "calls answered",
		steps: `
			a INVITE sdp -> b
			c < INVITE from a
			a < 100
			b 200 sdp -> a
			a ACK -> b
			c 100` + cancelledAt("c") + hungUp,
	},
	{
		// 16.7 step 10: the proxy relays each 2xx; the caller ends what it does not want.
		name: "both answer", over: "fork fork-tcp", moved: "calls=2 answered=2",
		steps: forked + `
			b 200 sdp -> a
			c < CANCEL
			c 200 sdp -> a
			c 481 CANCEL
			a ACK -> c
			a BYE -> c
			c 200 BYE -> a
			b BYE -> a
			a 200 BYE -> b`,
	},
	{
		name: "one is busy, the other answers", over: "fork fork-tcp", moved: "calls answered",
		steps: forked + `
			b 486
			b < ACK
			c 200 sdp -> a
			a ACK -> c
			a BYE -> c
			c 200 BYE -> a`,
	},
	{
		name: "both are busy", over: "fork fork-tcp", moved: "calls",
		steps: forked + `
			c 486
			c < ACK
			b 486
			b < ACK
			a < 486 from c
			a ACK`,
	},
	{
		// 16.7 step 5: a 6xx ends it for all; step 6: it goes before any other refusal.
		name: "603 of one ends it", over: "fork fork-tcp", moved: "calls",
		steps: forked + `
			c 603
			c < ACK` + cancelledAt("b") + `
			a < 603 from c
			a ACK`,
	},
	{
		name: "503 of one: the other goes on", over: "fork fork-tcp", moved: "calls answered",
		steps: forked + `
			c 503
			c < ACK
			b 200 sdp -> a
			a ACK -> b` + hungUp,
	},
	{
		name: "503 of both: 503 with Retry-After", over: "fork fork-tcp", moved: "calls failovers exhausted",
		steps: forked + `
			c 503
			c < ACK
			b 503
			b < ACK
			a < 503 +"Retry-After: 5"
			a ACK`,
	},
	{
		// 16.7 step 6: a refusal the caller can do something about goes first.
		name: "503 of one and 486 of the other: 486", over: "fork fork-tcp", moved: "calls",
		steps: forked + `
			c 503
			c < ACK
			b 486
			b < ACK
			a < 486 from b
			a ACK`,
	},
	{
		name: "CANCEL while it rings at both", over: "fork fork-tcp", moved: "calls cancelled",
		steps: forked + `
			a CANCEL
			a < 200 CANCEL` + cancelledAt("b") + cancelledAt("c") + `
			a < 487 from b
			a ACK`,
	},
	{
		name: "INVITE to one is lost, the other rings", over: "fork", moved: "calls answered",
		steps: `
			a INVITE sdp -> b
			c < INVITE from a
			a < 100
			b 180 -> a
			c << INVITE // timer A
			c 180 -> a
			c 200 sdp -> a` + cancelledAt("b") + `
			a ACK -> c
			a BYE -> c
			c 200 BYE -> a`,
	},
	{
		name: "CANCEL to the loser is lost", over: "fork", moved: "calls answered",
		steps: forked + `
			b 200 sdp -> a
			a ACK -> b
			c < CANCEL
			c << CANCEL // timer E
			c 200 CANCEL
			c 487
			c < ACK` + hungUp,
	},
	{
		name: "the connection to one is reset before a reply", over: "fork-tcp", moved: "calls answered transport_failures",
		steps: `
			a INVITE sdp -> b
			c < INVITE from a
			a < 100
			c 180 -> a
			b resets
			counted transport_failures
			c 200 sdp -> a
			a ACK -> c
			a BYE -> c
			c 200 BYE -> a`,
	},
	{
		name: "a MESSAGE to both: the first 200 is its answer", over: "fork fork-tcp", moved: "retransmissions_absorbed",
		steps: `
			a MESSAGE body=10 -> b
			c < MESSAGE from a
			c 200 MESSAGE -> a
			b 200 MESSAGE
			counted retransmissions_absorbed`,
	},
}
