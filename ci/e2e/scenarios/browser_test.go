package scenarios

import (
	"fmt"
	"io"
	"strings"

	"github.com/gobwas/ws"
)

// browsers are groups whose callers come over WebSocket.
const browsers = "ws-udp wss-tcp"

// frames sends WebSocket frames of a party's, in one piece.
func (s *script) frames(p *party, frames ...ws.Frame) {
	s.t.Helper()
	var b []byte
	for _, f := range frames {
		b = append(b, ws.MustCompileFrame(ws.MaskFrame(f))...)
	}
	if _, err := p.route(s.t).conn.Write(b); err != nil {
		s.fail("%s cannot send: %v", p.name, err)
	}
}

// browserScenarios are what only callers over WebSocket do (RFC 6455, RFC 7118): nobody
// connects to them, so that with their connection they are gone.
var browserScenarios = []scenario{
	{
		name: "the connection is lost within a call: the callee is told with 430", over: browsers, moved: "calls answered refused_flow_failed=2",
		steps: answered + `
			a hangs-up
			noticed
			b INFO body=24
			b < 430 INFO
			b BYE
			b < 430 BYE`,
	},
	{
		name: "the connection is reset while the callee's BYE is under way: 430", over: browsers, moved: "calls answered transport_failures",
		steps: answered + `
			b BYE -> a
			a resets
			b < 430 BYE`,
	},
	{
		name: "the connection is lost while the callee's re-INVITE is under way: 430, and the call can be ended", over: browsers,
		moved: "calls answered transport_failures refused_flow_failed",
		steps: answered + `
			b INVITE sdp -> a
			b < 100
			a hangs-up
			b < 430
			b ACK
			b BYE
			b < 430 BYE`,
	},
	{
		// The callee answers somebody who is not there, and hangs up when no ACK comes (RFC 3261 13.3.1.4).
		name: "the connection is lost while it rings", over: browsers, moved: "calls answered send_errors refused_flow_failed",
		steps: `
			a INVITE sdp -> b
			a < 100
			b 180 -> a
			a resets
			noticed
			b 200 sdp
			b BYE
			b < 430 BYE`,
	},
	{
		name: "a caller that is back by another connection hangs up", over: browsers, moved: "calls answered",
		steps: answered + `
			a hangs-up
			noticed` + hungUp,
	},
	{
		// Another connection of the same caller is another flow (RFC 5626 5.3).
		name: "a caller that is back is not taken for the one that left", over: browsers, moved: "calls answered refused_flow_failed",
		steps: answered + `
			a hangs-up
			noticed
			a INFO body=24 -> b
			b 200 INFO -> a
			b INFO body=24
			b < 430 INFO` + hungUp,
	},
	{
		name: "who makes up a token reaches nobody", over: browsers, moved: "calls answered refused_flow_token=2",
		steps: answered + `
			b INFO "tlflow-"=>"tlflow-0"
			b < 403 INFO
			b INFO "tlflow-"=>"tlflow-tlflow-"
			b < 403 INFO
			b BYE -> a
			a 200 BYE -> b`,
	},
	{
		name: "two callers over connections of their own are not mixed up", over: browsers, moved: "calls=2 answered=2",
		steps: `
			#1 a INVITE sdp -> b
			#1 a < 100
			#2 x INVITE sdp -> b
			#2 x < 100
			#2 b 200 sdp -> x
			#1 b 200 sdp -> a
			#1 a ACK -> b
			#2 x ACK -> b
			#1 b INFO -> a
			#2 b INFO -> x
			#2 x 200 INFO -> b
			#1 a 200 INFO -> b
			#2 b BYE -> x
			#2 x 200 BYE -> b
			#1 b BYE -> a
			#1 a 200 BYE -> b`,
	},
	{
		name: "200 comes again after the proxy has forgotten the transaction, and goes by the connection", over: "ws-udp", moved: "calls answered stateless_replies",
		steps: answered + hungUp + `
			forgotten
			b again 200 -> a`,
	},
	{
		// A page cannot ping (RFC 6455 5.5.2 is not for scripts).
		name: "keep-alives of SIP are answered over WebSocket", over: browsers, moved: "keepalives=2",
		steps: `
			a ping
			a pong
			a MESSAGE body=10 -> b
			b 200 MESSAGE -> a
			a ping
			a pong`,
	},
	{
		name: "a message in fragments, pings between them", over: browsers,
		check: func(s *script) {
			p := s.party("a")
			msg := []byte(p.oneOptions("fragments"))
			s.frames(p,
				ws.NewFrame(ws.OpText, false, msg[:20]),
				ws.NewPingFrame([]byte("there?")),
				ws.NewFrame(ws.OpContinuation, false, nil),
				ws.NewFrame(ws.OpContinuation, false, msg[20:len(msg)-1]),
				ws.NewPongFrame(nil),
				ws.NewFrame(ws.OpContinuation, true, msg[len(msg)-1:]))
			s.answers(p, "fragments")
		},
	},
	{
		name: "thirty messages at once, as text and binary in turns", over: browsers,
		check: func(s *script) {
			p := s.party("a")
			var frames []ws.Frame
			var ids []string
			for i := range 30 {
				ids = append(ids, fmt.Sprintf("joined%d", i))
				frames = append(frames, ws.NewFrame([]ws.OpCode{ws.OpText, ws.OpBinary}[i%2], true, []byte(p.oneOptions(ids[i]))))
			}
			s.frames(p, frames...)
			s.answers(p, ids...)
		},
	},
	{
		name: "a message as long as a message may be, over WebSocket", over: browsers,
		steps: `
			a MESSAGE body=60000 -> b
			b 200 MESSAGE body=60000 -> a`,
	},
	{
		name: "text that is no UTF-8 ends the connection", over: browsers,
		check: func(s *script) {
			p := s.party("a")
			s.frames(p, ws.NewTextFrame([]byte(strings.Replace(p.oneOptions("garbled"), "sip:a@a", "sip:\xff@a", 1))))
			if !p.gone() {
				s.fail("the connection goes on")
			}
		},
	},
	{
		name: "who takes leave is let go", over: browsers,
		check: func(s *script) {
			p := s.party("a")
			s.frames(p, ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusGoingAway, "")))
			if !p.gone() {
				s.fail("the connection goes on")
			}
		},
	},
	{
		name: "one who does not speak SIP over it is not let in", over: "ws-udp",
		check: func(s *script) {
			p := s.party("a")
			c, err := p.connect()
			if err != nil {
				s.fail("%v", err)
			}
			if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: " + p.proxy.String() + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: chat\r\n\r\n")); err != nil {
				s.fail("%v", err)
			}
			b, _ := io.ReadAll(c)
			if !strings.HasPrefix(string(b), "HTTP/1.1 4") {
				s.fail("the answer is %q", b)
			}
			_ = c.Close()
		},
	},
	{
		name: "connections of one source are as many as the listener says", over: "ws-few", moved: "calls answered",
		steps: `
			a INVITE sdp -> b
			a < 100
			a turned-away
			b 200 sdp -> a
			a ACK -> b` + hungUp,
	},
}
