package scenarios

const answered = `
	a INVITE sdp -> b
	a < 100
	b 180 -> a
	b 200 sdp -> a
	a ACK -> b`

const hungUp = `
	a BYE -> b
	b 200 BYE -> a`

// callScenarios are what happens in calls when nothing is lost.
var callScenarios = []scenario{
	{
		name: "call, the caller hangs up", over: plain + " ipv6", moved: "calls answered",
		steps: answered + hungUp,
	},
	{
		name: "call, the callee hangs up", over: plain + " ipv6", moved: "calls answered",
		steps: answered + `
			b BYE -> a
			a 200 BYE -> b`,
	},
	{
		// The reply to BYE crosses the other BYE; each is forwarded and answered.
		name: "BYE from both sides crosses", over: plain, moved: "calls answered",
		steps: answered + `
			a BYE -> b
			b BYE -> a
			a 200 BYE -> b
			b 200 BYE -> a`,
	},
	{
		name: "early media, PRACK and UPDATE from both sides", over: plain, moved: "calls answered",
		steps: `
			a INVITE sdp +"Supported: 100rel" -> b
			a < 100
			b 183 sdp +"Require: 100rel" +"RSeq: 1" -> a
			a PRACK +"RAck: 1 1 INVITE" -> b
			b 200 PRACK -> a
			b 180 +"Require: 100rel" +"RSeq: 2" -> a
			a PRACK sdp +"RAck: 2 1 INVITE" -> b
			b 200 PRACK sdp -> a
			a UPDATE sdp -> b
			b 200 UPDATE sdp -> a
			b UPDATE sdp -> a
			a 200 UPDATE sdp -> b
			b 200 -> a
			a ACK -> b` + hungUp,
	},
	{
		name: "delayed offer", over: plain, moved: "calls answered",
		steps: `
			a INVITE -> b
			a < 100
			b 180 -> a
			b 200 sdp -> a
			a ACK sdp -> b` + hungUp,
	},
	{
		name: "a call is held and taken back by the caller", over: plain, moved: "calls answered",
		steps: answered + `
			a INVITE sdp "sendrecv"=>"sendonly" -> b
			a < 100
			b 200 sdp "sendrecv"=>"recvonly" -> a
			a ACK -> b
			a INVITE sdp -> b
			a < 100
			b 200 sdp -> a
			a ACK -> b` + hungUp,
	},
	{
		name: "re-INVITE of the callee", over: plain, moved: "calls answered",
		steps: answered + `
			b INVITE sdp -> a
			b < 100
			a 200 sdp -> b
			b ACK -> a` + hungUp,
	},
	{
		name: "re-INVITE is refused, the call goes on", over: plain, moved: "calls answered",
		steps: answered + `
			a INVITE sdp -> b
			a < 100
			b 488 -> a
			b < ACK
			a ACK` + hungUp,
	},
	{
		// RFC 3261 14.1: each side refuses the other's re-INVITE with 491.
		name: "glare", over: plain, moved: "calls answered",
		steps: answered + `
			a INVITE sdp -> b
			a < 100
			b INVITE sdp -> a
			b < 100
			b 491 -> a
			b < ACK
			a ACK
			a 491 -> b
			a < ACK
			b ACK
			b INVITE sdp -> a
			b < 100
			a 200 sdp -> b
			b ACK -> a` + hungUp,
	},
	{
		name: "REFER and NOTIFY within a call", over: plain, moved: "calls answered",
		steps: answered + `
			a REFER +"Refer-To: <sip:third@example.com>" -> b
			b 202 REFER -> a
			b NOTIFY +"Event: refer" +"Subscription-State: active" body=20 -> a
			a 200 NOTIFY -> b
			b NOTIFY +"Event: refer" +"Subscription-State: terminated;reason=noresource" body=14 -> a
			a 200 NOTIFY -> b` + hungUp,
	},
	{
		name: "INFO and MESSAGE within a call, from both sides", over: plain, moved: "calls answered",
		steps: answered + `
			a INFO body=24 -> b
			b 200 INFO -> a
			b INFO body=24 -> a
			a 200 INFO -> b
			b MESSAGE body=100 -> a
			a 200 MESSAGE -> b` + hungUp,
	},
	{
		name: "OPTIONS within a call reaches the other side", over: "udp tcp", moved: "calls answered",
		steps: answered + `
			a OPTIONS -> b
			b 200 OPTIONS -> a
			b OPTIONS -> a
			a 200 OPTIONS -> b` + hungUp,
	},
	{
		// The call goes on until a BYE is accepted (RFC 3261 22.2).
		name: "BYE is challenged and comes again", over: "udp tcp", moved: "calls answered",
		steps: answered + `
			a BYE -> b
			b 407 BYE +"Proxy-Authenticate: Digest realm=\"b\", nonce=\"1\"" -> a
			a BYE +"Proxy-Authorization: Digest realm=\"b\", nonce=\"1\"" -> b
			b 200 BYE -> a`,
	},
	{
		name: "BYE in an early dialog", over: "udp tcp", moved: "calls",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 180 -> a
			a BYE -> b
			b 200 BYE -> a
			b 487 -> a
			b < ACK
			a ACK`,
	},
	{
		name: "SUBSCRIBE makes a dialog", over: plain,
		steps: `
			a SUBSCRIBE +"Event: presence" +"Expires: 600" -> b
			b 200 SUBSCRIBE +"Expires: 600" -> a
			b NOTIFY +"Event: presence" +"Subscription-State: active" body=300 -> a
			a 200 NOTIFY -> b
			a SUBSCRIBE +"Event: presence" +"Expires: 0" -> b
			b 200 SUBSCRIBE +"Expires: 0" -> a
			b NOTIFY +"Event: presence" +"Subscription-State: terminated" -> a
			a 481 NOTIFY -> b`,
	},
	{
		name: "NOTIFY comes before the reply to SUBSCRIBE", over: "udp",
		steps: `
			a SUBSCRIBE +"Event: presence" -> b
			b 202 SUBSCRIBE
			b NOTIFY +"Event: presence" +"Subscription-State: pending"
			a < 202 SUBSCRIBE from b
			a < NOTIFY from b
			a 200 NOTIFY -> b`,
	},
	{
		name: "REFER outside of a call", over: "udp tcp",
		steps: `
			a REFER +"Refer-To: <sip:third@example.com>" -> b
			b 202 REFER -> a
			b NOTIFY +"Event: refer" +"Subscription-State: active" -> a
			a 200 NOTIFY -> b`,
	},
	{
		name: "MESSAGE", over: plain + " ipv6",
		steps: `
			a MESSAGE body=160 -> b
			b 200 MESSAGE -> a`,
	},
	{
		name: "REGISTER, PUBLISH and OPTIONS for others", over: "udp tcp",
		steps: `
			a REGISTER +"Expires: 3600" -> b
			b 200 REGISTER +"Expires: 3600" -> a
			a PUBLISH +"Event: presence" body=80 -> b
			b 200 PUBLISH -> a
			a OPTIONS -> b
			b 200 OPTIONS -> a`,
	},
	{
		name: "methods, headers and bodies nobody knows go through untouched", over: plain, moved: "calls answered",
		steps: `
			a FROBNICATE +"X-Unknown: \x01\xfe\xff;;,,\"" body=7 -> b
			b 299 FROBNICATE +"X-Unknown:  a\t b  " body=1 -> a
			a INVITE sdp +"X-One:1" +"x-one  :  2" +"Subject:" +"P-Asserted-Identity: <tel:+4930>" -> b
			a < 100
			b 183 sdp +"Warning: 399 x \"\xc3\xbc\"" -> a
			b 200 sdp +"Allow: INVITE,,ACK" -> a
			a ACK +"X-Three: 3" -> b` + hungUp,
	},
}

// replies of each class to an INVITE, and to another request.
var replyScenarios = []scenario{
	{
		name: "provisional replies of all kinds", over: plain, moved: "calls answered retransmissions_absorbed",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 100
			b 181 -> a
			b 182 +"Reason: SIP;cause=182" -> a
			b 180 -> a
			b 183 sdp -> a
			b 199 -> a
			b 200 sdp -> a
			a ACK -> b` + hungUp,
	},
	{name: "3xx", over: plain, moved: "calls", steps: refused("302", `+"Contact: <sip:elsewhere@192.0.2.1>;q=0.5"`)},
	{name: "4xx", over: plain, moved: "calls", steps: refused("404", "")},
	{name: "486, which is never tried elsewhere", over: plain, moved: "calls", steps: refused("486", "")},
	{name: "603, which is never tried elsewhere", over: plain, moved: "calls", steps: refused("603", "")},
	{name: "a code that has no name", over: "udp tcp", moved: "calls", steps: refused("499", `+"Reason: X.y;text=\"no\""`)},
	{
		name: "INVITE is challenged and comes again", over: plain, moved: "calls=2 answered",
		steps: refused("407", `+"Proxy-Authenticate: Digest realm=\"b\", nonce=\"1\""`) + `
			a INVITE sdp +"Proxy-Authorization: Digest realm=\"b\"" -> b
			a < 100
			b 200 sdp -> a
			a ACK -> b` + hungUp,
	},
	{
		name: "final replies to other requests", over: plain,
		steps: `
			a OPTIONS -> b
			b 200 OPTIONS -> a
			a OPTIONS -> b
			b 301 OPTIONS -> a
			a OPTIONS -> b
			b 405 OPTIONS +"Allow: INVITE" -> a
			a OPTIONS -> b
			b 603 OPTIONS -> a`,
	},
	{
		name: "a provisional reply to another request is relayed", over: "udp tcp",
		steps: `
			a MESSAGE body=10 -> b
			b 183 MESSAGE -> a
			b 200 MESSAGE -> a`,
	},
}

// refused is a call that b refuses.
func refused(code, change string) string {
	return `
		a INVITE sdp -> b
		a < 100
		b ` + code + ` ` + change + ` -> a
		b < ACK
		a ACK`
}
