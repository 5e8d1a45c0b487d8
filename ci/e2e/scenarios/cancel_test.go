package scenarios

// cancelScenarios are CANCEL at every stage of an INVITE (RFC 3261 9, 16.10).
var cancelScenarios = []scenario{
	{
		name: "CANCEL while it rings", over: plain + " ipv6", moved: "calls cancelled",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 180 -> a
			a CANCEL
			a < 200 CANCEL
			b < CANCEL
			b 200 CANCEL
			b 487 -> a
			b < ACK
			a ACK`,
	},
	{
		// It must wait for a provisional reply (9.1), of which 100 is one.
		name: "CANCEL before the callee has said anything", over: plain, moved: "calls cancelled",
		steps: `
			a INVITE sdp -> b
			a < 100
			a CANCEL
			a < 200 CANCEL
			b 100
			b < CANCEL
			b 200 CANCEL
			b 487 -> a
			b < ACK
			a ACK`,
	},
	{
		name: "CANCEL, and the callee's first word is 180", over: "udp tcp", moved: "calls cancelled",
		steps: `
			a INVITE sdp -> b
			a < 100
			a CANCEL
			a < 200 CANCEL
			b 180 -> a
			b < CANCEL
			b 487 -> a
			b < ACK
			a ACK
			b 200 CANCEL`,
	},
	{
		name: "CANCEL, and the callee's first word is 486", over: "udp tcp", moved: "calls cancelled",
		steps: `
			a INVITE sdp -> b
			a < 100
			a CANCEL
			a < 200 CANCEL
			b 486 -> a
			b < ACK
			a ACK`,
	},
	{
		name: "CANCEL, and the callee's first word is 503: nobody else is tried", over: "udp tcp", moved: "calls cancelled",
		steps: `
			a INVITE sdp -> b
			a < 100
			a CANCEL
			a < 200 CANCEL
			b 503 -> a
			b < ACK
			a ACK`,
	},
	{
		// The caller must end the call it did not want.
		name: "CANCEL crosses 200", over: plain, moved: "calls answered cancelled",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 180 -> a
			b 200 sdp -> a
			a CANCEL
			a < 200 CANCEL
			a ACK -> b` + hungUp,
	},
	{
		name: "200 comes although it was cancelled", over: plain, moved: "calls answered cancelled",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 180 -> a
			a CANCEL
			a < 200 CANCEL
			b < CANCEL
			b 200 sdp -> a
			b 481 CANCEL
			a ACK -> b` + hungUp,
	},
	{
		name: "CANCEL after a refusal has no effect", over: "udp tcp", moved: "calls cancelled",
		steps: refused("486", "") + `
			a CANCEL
			a < 200 CANCEL`,
	},
	{
		name: "CANCEL of a re-INVITE", over: plain, moved: "calls answered cancelled",
		steps: answered + `
			a INVITE sdp -> b
			a < 100
			b 180 -> a
			a CANCEL
			a < 200 CANCEL
			b < CANCEL
			b 200 CANCEL
			b 487 -> a
			b < ACK
			a ACK` + hungUp,
	},
	{
		name: "CANCEL of what is not under way", over: "udp tcp", moved: "refused_no_dialog",
		steps: `
			a OPTIONS "OPTIONS"=>"CANCEL"
			a < 481 CANCEL`,
	},
	{
		name: "CANCEL reaches the second callee after a failover", over: "udp tcp", moved: "calls cancelled failovers",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 503
			b < ACK
			c < INVITE from a
			c 180 -> a
			a CANCEL
			a < 200 CANCEL
			c < CANCEL
			c 200 CANCEL
			c 487 -> a
			c < ACK
			a ACK`,
	},
	{
		name: "CANCEL comes twice", over: "udp", moved: "calls cancelled",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 180 -> a
			a CANCEL
			a < 200 CANCEL
			b < CANCEL
			a again CANCEL
			a << 200 CANCEL
			b 200 CANCEL
			b 487 -> a
			b < ACK
			a ACK`,
	},
	{
		name: "CANCEL is lost on the way to the callee", over: "udp", moved: "calls cancelled",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 180 -> a
			a CANCEL
			a < 200 CANCEL
			b < CANCEL
			b << CANCEL // timer E
			b << CANCEL
			b 200 CANCEL
			b 487 -> a
			b < ACK
			a ACK`,
	},
	{
		// 9.1: it has 64*T1 to say something.
		name: "the callee never ends what was cancelled", over: "short", moved: "calls cancelled",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 180 -> a
			a CANCEL
			a < 200 CANCEL
			b < CANCEL
			b 200 CANCEL
			a < 487
			a ACK`,
	},
}
