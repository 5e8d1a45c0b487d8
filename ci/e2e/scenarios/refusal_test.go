package scenarios

// options is what the proxy says of itself (RFC 3261 11.2).
const options = `+"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY, SUBSCRIBE, MESSAGE, REGISTER" ` +
	`+"Accept: application/sdp" +"Accept-Encoding: identity" +"Accept-Language: en" +"Supported:"`

// refusalScenarios are what the proxy answers itself or drops.
var refusalScenarios = []scenario{
	{
		name: "483 when Max-Forwards is used up", over: plain, moved: "refused_max_forwards",
		steps: `
			a INVITE sdp "Max-Forwards: 70"=>"Max-Forwards: 0"
			a < 483
			a ACK`,
	},
	{
		name: "416 for tel", over: "udp tcp", moved: "refused_scheme",
		steps: `
			a INVITE sdp uri=tel:+4930123456
			a < 416
			a ACK`,
	},
	{
		name: "416 for a scheme nobody knows", over: "udp tcp", moved: "refused_scheme",
		steps: `
			a MESSAGE uri=nobody:knows
			a < 416 MESSAGE`,
	},
	{
		name: "420 names what was asked for", over: "udp tcp", moved: "refused_extension",
		steps: `
			a INVITE sdp +"Proxy-Require: foo, bar"
			a < 420 +"Unsupported: foo, bar"
			a ACK`,
	},
	{
		name: "505 for another version", over: "udp tcp", moved: "refused_malformed",
		steps: `
			a INVITE sdp " SIP/2.0\r\nVia"=>" SIP/3.0\r\nVia"
			a < 505`,
	},
	{
		name: "400 when CSeq names another method", over: "udp tcp", moved: "refused_malformed",
		steps: `
			a INVITE sdp "1 INVITE"=>"1 BYE"
			a < 400 BYE`,
	},
	{
		name: "400 when the body is shorter than it says", over: "udp", moved: "refused_malformed",
		steps: `
			a MESSAGE body=20 "Content-Length: 20"=>"Content-Length: 21"
			a < 400 MESSAGE`,
	},
	{
		name: "400 when two lengths are given", over: "udp", moved: "refused_malformed",
		steps: `
			a MESSAGE body=20 +"Content-Length: 2"
			a < 400 MESSAGE`,
	},
	{
		// RFC 3261 18.3: over a stream nobody can say where it ends.
		name: "400 without a length, and the connection ends", over: "tcp tls", moved: "refused_malformed",
		steps: `
			a MESSAGE -Content-Length
			a < 400 MESSAGE
			a gone`,
	},
	{
		name: "513 for what has no room for what a proxy adds", over: "udp", moved: "refused_too_large",
		steps: `
			a MESSAGE body=63600
			a < 513 MESSAGE`,
	},
	{
		name: "481 for a dialog that leads to the proxy itself", over: "udp tcp", moved: "refused_no_dialog",
		steps: `
			a BYE uri=sip:{carrier} "@sbc.example>"=>"@sbc.example>;tag=no"
			a < 481 BYE`,
	},
	{
		name: "482 for a dialog that leads back", over: "udp tcp", moved: "refused_loop",
		steps: `
			a BYE uri=sip:user@{core} "@sbc.example>"=>"@sbc.example>;tag=no"
			a < 482 BYE`,
	},
	{
		// RFC 3261 16.3 step 4.
		name: "482 for a request that comes back", over: "udp", moved: "calls refused_loop",
		steps: `
			a INVITE sdp -> b
			a < 100
			b bounces INVITE
			b < 482
			b 486 -> a
			b < ACK
			a ACK`,
	},
	{
		name: "403 for a dialog that leads to somebody else", over: "udp tcp", moved: "refused_target",
		steps: `
			a BYE uri=sip:user@192.0.2.1 "@sbc.example>"=>"@sbc.example>;tag=no"
			a < 403 BYE`,
	},
	{
		name: "404 where no route leads", over: "routes", moved: "calls refused_no_route",
		steps: `
			a INVITE sdp uri=sip:+1555@sbc.example
			a < 404
			a ACK`,
	},
	{
		name: "callees start nothing", over: "udp tcp", moved: "calls refused_no_route",
		steps: `
			b INVITE sdp
			b < 404
			b ACK`,
	},
	{
		name: "a stranger gets nothing", over: "udp", moved: "dropped_source=3",
		steps: `
			s INVITE sdp
			s OPTIONS uri=sip:{carrier}
			s raw "\r\n\r\n"
			counted dropped_source 3`,
	},
	{
		name: "a stranger gets no connection", over: "tcp",
		steps: `
			s turned-away`,
	},
	{
		name: "OPTIONS for the proxy", over: plain + " ipv6",
		steps: `
			a OPTIONS uri=sip:{carrier}
			a < 200 OPTIONS ` + options + `
			b OPTIONS uri=sip:{core}
			b < 200 OPTIONS ` + options,
	},
	{
		// RFC 5626 4.4.1 and 3.5.1.
		name: "keep-alives", over: "udp", moved: "keepalives=3",
		steps: `
			a ping
			a pong
			a raw "\r\n"
			a raw "\x00\x00"
			counted keepalives 3`,
	},
	{
		name: "keep-alives between messages", over: "tcp tls tcp-udp",
		steps: `
			a ping
			a pong
			a MESSAGE body=10 -> b
			a ping
			a pong
			b 200 MESSAGE -> a`,
	},
	{
		name: "STUN is told from garbage, and neither is answered", over: "udp", moved: "dropped_stun dropped_malformed=2",
		steps: `
			a raw "\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl"
			a raw "hello\r\n\r\n"
			a raw "INVITE sip:a@b SIP/2.0\r\nVia: nonsense\r\n\r\n"
			counted dropped_malformed 2`,
	},
	{
		name: "garbage ends a connection", over: "tcp tls", moved: "dropped_malformed",
		steps: `
			a raw "hello\r\n\r\n"
			a gone`,
	},
	{
		name: "CANCEL and ACK that belong to nothing", over: "udp tcp", moved: "refused_no_dialog dropped_ack",
		steps: `
			a OPTIONS "OPTIONS"=>"CANCEL"
			a < 481 CANCEL
			a OPTIONS "OPTIONS"=>"ACK"
			counted dropped_ack`,
	},
	{
		name: "a reply with a Via of somebody else", over: "udp tcp", moved: "calls dropped_foreign_via",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 180 " {core};branch"=>" 192.0.2.1:5060;branch"
			counted dropped_foreign_via
			b 486 -> a
			b < ACK
			a ACK`,
	},
	{
		name: "a reply with a branch that is not ours", over: "udp tcp", moved: "calls dropped_forged_branch",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 200 sdp "branch=z9hG4bKtl"=>"branch=z9hG4bKtl0"
			counted dropped_forged_branch
			b 486 -> a
			b < ACK
			a ACK`,
	},
	{
		name: "a refusal that comes when the call is long over", over: "udp tcp", moved: "calls dropped_stale_reply",
		steps: refused("486", "") + `
			forgotten
			b again 486
			counted dropped_stale_reply`,
	},
	{
		name: "BYE when the call is long over is forwarded, the callee says 481", over: "udp tcp", moved: "calls answered",
		steps: answered + hungUp + `
			forgotten
			a BYE -> b
			b 481 BYE -> a`,
	},
}

// formScenarios are messages written in all the ways the RFCs allow.
var formScenarios = []scenario{
	{
		name: "rport: the reply goes where the request came from", over: plain + " ipv6", moved: "calls answered",
		steps: `
			a INVITE sdp "{a};branch"=>"{a};rport;branch" -> b
			a < 100
			b 180 -> a
			b 200 sdp -> a
			a ACK "{a};branch"=>"{a};rport;branch" -> b
			a BYE "{a};branch"=>"{a};branch=z9hG4bKx;rport;was" -> b
			b 200 BYE -> a`,
	},
	{
		name: "Via names another host than the source: received", over: "udp tcp", moved: "calls",
		steps: `
			a INVITE sdp "{a};branch"=>"pc33.example.com:5060;branch" -> b
			a < 100
			b 486 -> a
			b < ACK
			a ACK`,
	},
	{
		name: "Via without a port", over: "udp", moved: "calls",
		steps: `
			a INVITE sdp ":5060;branch"=>";branch" -> b
			a < 100
			b 486 -> a
			b < ACK
			a ACK`,
	},
	{
		name: "compact names", over: "udp tcp", moved: "calls answered",
		steps: `
			a INVITE sdp compact -> b
			a < 100
			b 180 compact -> a
			b 200 sdp compact -> a
			a ACK compact -> b
			a BYE compact -> b
			b 200 BYE compact -> a`,
	},
	{
		name: "folded lines", over: "udp tcp", moved: "calls answered",
		steps: `
			a INVITE sdp folded +"Subject: one\r\n two\r\n\tthree" -> b
			a < 100
			b 180 folded -> a
			b 200 sdp -> a
			a ACK folded -> b
			a BYE -> b
			b 200 BYE -> a`,
	},
	{
		name: "several Via, on lines of their own and on one", over: "udp tcp", moved: "calls answered",
		steps: `
			a INVITE sdp "Max-Forwards"=>"Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKo;received=198.51.100.1\r\nVia: SIP/2.0/TCP far.example;branch=z9hG4bKp\r\nMax-Forwards" -> b
			a < 100
			b 180 one-via -> a
			b 200 sdp -> a
			a ACK -> b
			a BYE "Max-Forwards"=>"Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKq\r\nMax-Forwards" one-via -> b
			b 200 BYE one-via -> a`,
	},
	{
		name: "a request without Max-Forwards gets one", over: "udp tcp",
		steps: `
			a MESSAGE -Max-Forwards body=3 -> b
			b 200 MESSAGE -> a`,
	},
	{
		name: "Record-Route of proxies before stays below", over: "udp tcp", moved: "calls answered",
		steps: `
			a INVITE sdp +"Record-Route: <sip:192.0.2.7;lr>, <sip:192.0.2.8;lr>" -> b
			a < 100
			b 200 sdp -> a
			a ACK "<sip:192.0.2.8;lr>"=>"<sip:b@{b};lr>" "<sip:192.0.2.7;lr>"=>"<sip:b@{b};lr>" -> b` + `
			a BYE "<sip:192.0.2.8;lr>"=>"<sip:b@{b};lr>" "<sip:192.0.2.7;lr>"=>"<sip:b@{b};lr>" -> b
			b 200 BYE -> a`,
	},
	{
		name: "a Route to the proxy is taken out of a new request, others stay", over: "udp",
		steps: `
			a MESSAGE +"Route: <sip:{carrier};lr>" +"Route: <sip:192.0.2.7;lr>" -> b
			b 200 MESSAGE -> a`,
	},
	{
		name: "a new request by the name and user of the proxy", over: "udp tcp",
		steps: `
			a MESSAGE uri=sip:user@{carrier} -> b
			b 200 MESSAGE -> a`,
	},
	{
		// RFC 3261 16.4: from a strict router of RFC 2543.
		name: "a strict route is put right", over: "udp", moved: "calls answered strict_routes_repaired=2",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 200 sdp -> a
			a ACK uri=sip:{carrier};lr "Route: <sip:{carrier};lr>\r\n"=>"" +"Route: <sip:b@{b}>" -> b uri=sip:b@{b} -Route
			a BYE uri=sip:{carrier};lr "Route: <sip:{carrier};lr>\r\n"=>"" +"Route: <sip:b@{b}>" -> b uri=sip:b@{b} -Route
			b 200 BYE -> a`,
	},
	{
		name: "a message as long as a message may be", over: "tcp tls",
		steps: `
			a MESSAGE body=62000 -> b
			b 200 MESSAGE body=60000 -> a`,
	},
	{
		name: "replies that travel in fragments", over: "udp tcp-udp",
		steps: `
			a MESSAGE body=100 -> b
			b 200 MESSAGE body=40000 -> a`,
	},
	{
		name: "URIs with escapes, parameters and headers in brackets go through", over: "udp tcp",
		steps: `
			a MESSAGE uri=sip:%61lice;x=%20y@sbc.example:5080;transport=tls;maddr=192.0.2.1;foo body=1 -> b
			b 200 MESSAGE +"Contact: \"a, b\" <sip:x@y;z?Subject=q>;q=0.1, *" -> a`,
	},
	{
		name: "no branch of RFC 3261", over: "udp", moved: "calls retransmissions_absorbed",
		steps: `
			a INVITE sdp "branch=z9hG4bK"=>"branch=" -> b
			a < 100
			a again INVITE
			a << 100
			b 486 -> a
			b < ACK
			a ACK`,
	},
}
