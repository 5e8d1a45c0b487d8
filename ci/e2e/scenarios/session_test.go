package scenarios

// Groups with session timers (RFC 4028): timed has 90 and 1,800 s, expiring 1 and 3 s; in old calls
// live for 2 s.
const (
	timers   = "timed timed-tcp"
	expiring = "expiring expiring-tcp expiring-ws"

	// byBoth ends a call whose session is over.
	byBoth = `
		a < BYE for b +"Reason: SIP;cause=408;text=\"Session expired\""
		b < BYE for a +"Reason: SIP;cause=408;text=\"Session expired\""
		a 200 BYE
		b 200 BYE`
)

var sessionScenarios = []scenario{
	{
		name: "a session below the minimum", over: timers, moved: "calls answered refused_session_interval sessions_answered",
		steps: `
			a INVITE sdp +"Supported: timer" +"Session-Expires: 60;refresher=uac" +"Min-SE: 60"
			a < 422 +"Min-SE: 90"
			a ACK
			a INVITE sdp +"Supported: timer" +"Session-Expires: 90;refresher=uac" +"Min-SE: 90" -> b
			a < 100
			b 200 sdp -> a via+"Require: timer\r\nSession-Expires: 90;refresher=uac"
			a ACK -> b` + hungUp,
	},
	{
		name: "a session below the minimum, by a caller that does not understand it", over: timers, moved: "calls answered sessions_raised",
		steps: `
			a INVITE sdp +"x: 60" -> b "x: 60"=>"x: 90" via+"Min-SE: 90"
			a < 100
			b 200 sdp -> a
			a ACK -> b` + hungUp,
	},
	{
		name: "neither end understands session timers", over: timers, moved: "calls answered sessions_inserted",
		steps: `
			a INVITE sdp -> b via+"Session-Expires: 1800"
			a < 100
			b 180 -> a
			b 200 sdp -> a
			a ACK -> b` + hungUp,
	},
	{
		name: "the callee alone understands session timers", over: timers, moved: "calls answered sessions_inserted sessions_answered",
		steps: `
			a INVITE sdp +"Min-SE: 2000" -> b via+"Session-Expires: 2000"
			a < 100
			b 200 sdp +"Session-Expires: 2000;refresher=uas" -> a
			a ACK -> b
			b UPDATE +"Supported: timer" +"Session-Expires: 2000;refresher=uac" -> a
			a 200 UPDATE -> b via+"Require: timer\r\nSession-Expires: 2000;refresher=uac"` + hungUp,
	},
	{
		name: "the caller alone understands session timers", over: timers, moved: "calls answered sessions_inserted sessions_answered",
		steps: `
			a INVITE sdp +"k: timer" -> b via+"Session-Expires: 1800"
			a < 100
			b 180 -> a
			b 200 sdp -> a via+"Require: timer\r\nSession-Expires: 1800;refresher=uac"
			a ACK -> b` + hungUp,
	},
	{
		name: "422 of the callee", over: timers, moved: "calls",
		steps: `
			a INVITE sdp +"Supported: timer" +"Session-Expires: 90" -> b
			a < 100
			b 422 +"Min-SE: 300" -> a
			b < ACK
			a ACK`,
	},
	{
		name: "refreshes below the minimum", over: timers, moved: "calls answered refused_session_interval=3 sessions_inserted",
		steps: `
			a INVITE sdp -> b via+"Session-Expires: 1800"
			a < 100
			b 200 sdp -> a
			a ACK -> b
			a INVITE sdp +"Supported: timer" +"Session-Expires: 10"
			a < 422 +"Min-SE: 90"
			a ACK
			b UPDATE +"Supported: timer" +"Session-Expires: 10"
			b < 422 UPDATE +"Min-SE: 90"
			b INVITE sdp +"Supported: timer" +"Session-Expires: 10"
			b < 422 +"Min-SE: 90"
			b ACK` + hungUp,
	},
	{
		name: "the second destination is asked for the same", over: timers, moved: "calls answered failovers sessions_inserted sessions_answered",
		steps: `
			a INVITE sdp +"Supported: timer" -> b via+"Session-Expires: 1800"
			a < 100
			b 500
			b < ACK
			c < INVITE from a via+"Session-Expires: 1800"
			c 200 sdp -> a via+"Require: timer\r\nSession-Expires: 1800;refresher=uac"
			a ACK -> c
			a BYE -> c
			c 200 BYE -> a`,
	},
	{
		name: "nobody refreshes a session", over: expiring, moved: "calls answered sessions_inserted sessions_answered byes_sent=2 byes_answered=2",
		steps: `
			a INVITE sdp +"Supported: timer" -> b via+"Session-Expires: 3"
			a < 100
			b 200 sdp -> a via+"Require: timer\r\nSession-Expires: 3;refresher=uac"
			a ACK -> b` + byBoth,
	},
	{
		// The first call would have been over before the second is.
		name: "a refreshed session goes on", over: expiring, moved: "calls=2 answered=2 sessions_inserted sessions_answered byes_sent=2 byes_answered=2",
		steps: `
			#1 a INVITE sdp +"Supported: timer" +"Session-Expires: 2" -> b
			#1 a < 100
			#1 b 200 sdp +"Session-Expires: 2;refresher=uas" -> a
			#1 a ACK -> b
			#1 b UPDATE +"Supported: timer" +"Session-Expires: 4;refresher=uac" -> a
			#1 a 200 UPDATE +"Session-Expires: 4;refresher=uac" -> b
			#1 b INVITE sdp +"Supported: timer" +"Session-Expires: 600;refresher=uac" -> a
			#1 b < 100
			#1 a 200 sdp +"Session-Expires: 600;refresher=uac" -> b
			#1 b ACK -> a
			#2 a INVITE sdp +"Supported: timer" -> b via+"Session-Expires: 3"
			#2 a < 100
			#2 b 200 sdp -> a via+"Require: timer\r\nSession-Expires: 3;refresher=uac"
			#2 a ACK -> b
			#2 a < BYE for b +"Reason: SIP;cause=408;text=\"Session expired\""
			#2 b < BYE for a +"Reason: SIP;cause=408;text=\"Session expired\""
			#2 a 200 BYE
			#2 b 200 BYE
			#1 a BYE -> b
			#1 b 200 BYE -> a`,
	},
	{
		name: "a session ends, and the ends have ended it already", over: expiring, moved: "calls answered sessions_inserted sessions_answered byes_sent=2 byes_answered=2",
		steps: `
			a INVITE sdp +"Supported: timer" -> b via+"Session-Expires: 3"
			a < 100
			b 200 sdp -> a via+"Require: timer\r\nSession-Expires: 3;refresher=uac"
			a ACK -> b
			a < BYE for b +"Reason: SIP;cause=408;text=\"Session expired\""
			b < BYE for a +"Reason: SIP;cause=408;text=\"Session expired\""
			a 481 BYE
			b 481 BYE`,
	},
	{
		name: "the lifetime of a call is over", over: "old", moved: "calls answered sessions_inserted byes_sent=2 byes_answered=2",
		steps: `
			a INVITE sdp -> b via+"Session-Expires: 1800"
			a < 100
			b 200 sdp -> a
			a ACK -> b
			a < BYE for b +"Reason: SIP;cause=408;text=\"Call lifetime is over\""
			b < BYE for a +"Reason: SIP;cause=408;text=\"Call lifetime is over\""
			a 200 BYE
			b 200 BYE`,
	},
}
