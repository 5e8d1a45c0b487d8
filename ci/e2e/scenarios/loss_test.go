package scenarios

// lossScenarios lose, double and reorder single datagrams.
var lossScenarios = []scenario{
	{
		name: "INVITE is lost behind the proxy", over: "udp ipv6", moved: "calls answered",
		steps: `
			a INVITE sdp -> b lost
			a < 100
			b << INVITE // timer A
			b 180 -> a
			b 200 sdp -> a
			a ACK -> b` + hungUp,
	},
	{
		name: "INVITE is lost three times", over: "short", moved: "calls answered",
		steps: `
			a INVITE sdp -> b lost
			a < 100
			b << INVITE
			b << INVITE
			b << INVITE
			b 200 sdp -> a
			a ACK -> b` + hungUp,
	},
	{
		name: "100 of the proxy is lost: INVITE comes again", over: "udp", moved: "calls answered retransmissions_absorbed",
		steps: `
			a INVITE sdp -> b
			a < 100
			a again INVITE
			a << 100
			b 180 -> a
			b 200 sdp -> a
			a ACK -> b` + hungUp,
	},
	{
		name: "180 is lost: INVITE comes again and gets it", over: "udp", moved: "calls answered retransmissions_absorbed",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 180 -> a lost
			a again INVITE
			a << 180
			b 200 sdp -> a
			a ACK -> b` + hungUp,
	},
	{
		name: "180 is lost and nobody minds", over: "udp", moved: "calls answered",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 180 -> a lost
			b 200 sdp -> a
			a ACK -> b` + hungUp,
	},
	{
		name: "180 comes twice and is relayed twice", over: "udp", moved: "calls answered",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 180 -> a
			b again 180 -> a
			b 200 sdp -> a
			a ACK -> b` + hungUp,
	},
	{
		// RFC 6026: the proxy takes no part, but a repeated 2xx goes through.
		name: "200 is lost behind the proxy", over: "udp", moved: "calls answered",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 180 -> a
			b 200 sdp -> a lost
			b again 200 -> a
			a ACK -> b` + hungUp,
	},
	{
		name: "ACK of a 200 is lost behind the proxy", over: "udp", moved: "calls answered",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 200 sdp -> a
			a ACK -> b lost
			b again 200 -> a
			a again ACK -> b` + hungUp,
	},
	{
		name: "INVITE comes again after its 200", over: "patient", moved: "calls answered retransmissions_absorbed",
		steps: answered + `
			a again INVITE
			counted retransmissions_absorbed` + hungUp,
	},
	{
		// 16.7 step 5: the callee repeats it until the proxy has forgotten the INVITE.
		name: "200 comes again after the proxy has forgotten the call", over: "udp", moved: "calls answered stateless_replies",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 200 sdp -> a
			a ACK -> b` + hungUp + `
			forgotten
			b again 200 -> a
			a again ACK -> b`,
	},
	{
		name: "BYE is lost behind the proxy", over: "udp", moved: "calls answered",
		steps: answered + `
			a BYE -> b lost
			b << BYE // timer E
			b 200 BYE -> a`,
	},
	{
		name: "BYE of the callee is lost behind the proxy", over: "udp", moved: "calls answered",
		steps: answered + `
			b BYE -> a lost
			a << BYE
			a 200 BYE -> b`,
	},
	{
		name: "200 of BYE is lost behind the proxy", over: "patient", moved: "calls answered retransmissions_absorbed",
		steps: answered + `
			a BYE -> b
			b 200 BYE -> a lost
			a again BYE
			a << 200 BYE`,
	},
	{
		name: "200 of BYE is lost before the proxy", over: "udp", moved: "calls answered",
		steps: answered + `
			a BYE -> b
			b << BYE // as if its 200 had not come
			b 200 BYE -> a`,
	},
	{
		name: "486 is lost behind the proxy", over: "udp", moved: "calls",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 486 -> a lost
			b < ACK
			a << 486 // timer G
			a ACK`,
	},
	{
		name: "486 is lost behind the proxy, INVITE comes again", over: "udp", moved: "calls retransmissions_absorbed",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 486 -> a lost
			b < ACK
			a again INVITE
			a << 486
			a ACK`,
	},
	{
		name: "ACK of the proxy for 486 is lost", over: "udp", moved: "calls",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 486 -> a
			b < ACK
			b again 486
			b << ACK
			a ACK`,
	},
	{
		name: "ACK for 486 comes twice", over: "patient", moved: "calls",
		steps: refused("486", "") + `
			a again ACK`,
	},
	{
		// 17.2.1: without an ACK the refusal is repeated, and given up after 64*T1.
		name: "ACK for 486 never comes", over: "short", moved: "calls",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 486 -> a
			b < ACK
			a << 486
			a << 486`,
	},
	{
		name: "MESSAGE is lost behind the proxy, and its 200 as well", over: "patient", moved: "retransmissions_absorbed",
		steps: `
			a MESSAGE body=100 -> b lost
			b << MESSAGE
			b 200 MESSAGE -> a lost
			a again MESSAGE
			a << 200 MESSAGE`,
	},
	{
		name: "the callee repeats its 200 of MESSAGE", over: "patient", moved: "retransmissions_absorbed",
		steps: `
			a MESSAGE body=100 -> b
			b 200 MESSAGE -> a
			b again 200 MESSAGE
			counted retransmissions_absorbed`,
	},
	{
		name: "PRACK is lost behind the proxy, and its 200 as well", over: "patient", moved: "calls answered retransmissions_absorbed",
		steps: `
			a INVITE sdp +"Supported: 100rel" -> b
			a < 100
			b 183 sdp +"Require: 100rel" +"RSeq: 1" -> a lost
			b again 183 -> a // RFC 3262 section 3
			a PRACK +"RAck: 1 1 INVITE" -> b lost
			b << PRACK
			b 200 PRACK -> a lost
			a again PRACK
			a << 200 PRACK
			b 200 -> a
			a ACK -> b` + hungUp,
	},
	{
		name: "180 and 200 back to back keep their order", over: plain, moved: "calls answered",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 180
			b 200 sdp
			a < 180 from b
			a < 200 from b
			a ACK -> b` + hungUp,
	},
	{
		// The caller would take it for a call that rings again.
		name: "200 overtakes 180 before the proxy", over: "patient", moved: "calls answered retransmissions_absorbed",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 200 sdp -> a
			b 180
			counted retransmissions_absorbed
			a ACK -> b` + hungUp,
	},
	{
		name: "200 of the second callee overtakes its 180: nothing is cancelled", over: "patient", moved: "calls answered failovers retransmissions_absorbed",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 503
			b < ACK
			c < INVITE from a
			c 200 sdp -> a
			c 180
			counted retransmissions_absorbed
			a ACK -> c
			a BYE -> c
			c 200 BYE -> a`,
	},
	{
		name: "ACK overtakes nothing: BYE before ACK", over: "udp", moved: "calls answered",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 200 sdp -> a
			a BYE -> b
			a ACK -> b
			b 200 BYE -> a`,
	},
	{
		name: "487 overtakes 200 of CANCEL", over: "udp", moved: "calls cancelled",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 180 -> a
			a CANCEL
			a < 200 CANCEL
			b < CANCEL
			b 487 -> a
			b < ACK
			b 200 CANCEL
			a ACK`,
	},
}
