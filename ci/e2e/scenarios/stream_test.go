package scenarios

import (
	"fmt"
	"net/netip"
	"strings"
)

func hostOf(a netip.AddrPort, host byte) netip.AddrPort {
	b := a.Addr().As4()
	b[3] = host
	return netip.AddrPortFrom(netip.AddrFrom4(b), a.Port())
}

// oneOptions is a request for the proxy itself.
func (p *party) oneOptions(id string) string {
	return "OPTIONS sip:" + p.proxy.String() + " SIP/2.0\r\n" + p.via(id) + "Max-Forwards: 70\r\nFrom: <sip:a@a>;tag=a\r\nTo: <sip:p@p>\r\nCall-ID: " + id +
		"\r\nCSeq: 1 OPTIONS\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\n\r\n\r\n"
}

// answers waits for the replies to requests, in their order.
func (s *script) answers(p *party, ids ...string) {
	s.t.Helper()
	for _, id := range ids {
		a := p.receive(s.t, "the reply to "+id)
		if status(a.msg) != 200 || header(a.msg, "call-id") != id {
			s.fail("instead of 200 for %s came\n%s", id, a.msg)
		}
	}
}

// streamScenarios are what only connections do.
var streamScenarios = []scenario{
	{
		name: "a message in two pieces, cut at every byte", over: "tcp tls",
		check: func(s *script) {
			p := s.party("a")
			n := len(p.oneOptions("cut000"))
			for at := 1; at < n; at++ {
				id := fmt.Sprintf("cut%03d", at)
				msg := p.oneOptions(id)
				p.send(s.t, p.route(s.t), msg[:at])
				p.send(s.t, p.route(s.t), msg[at:])
				s.answers(p, id)
			}
		},
	},
	{
		name: "a message byte by byte", over: "tcp tls",
		check: func(s *script) {
			p := s.party("a")
			for _, b := range []byte(p.oneOptions("bytes")) {
				p.send(s.t, p.route(s.t), string([]byte{b}))
			}
			s.answers(p, "bytes")
		},
	},
	{
		name: "thirty messages at once, cut where one ends and another begins", over: "tcp tls",
		check: func(s *script) {
			p := s.party("a")
			var all strings.Builder
			var ids []string
			for i := range 30 {
				ids = append(ids, fmt.Sprintf("joined%d", i))
				all.WriteString(p.oneOptions(ids[i]))
			}
			text := all.String()
			p.send(s.t, p.route(s.t), text[:len(text)/2+1])
			p.send(s.t, p.route(s.t), text[len(text)/2+1:])
			s.answers(p, ids...)
		},
	},
	{
		name: "who says that nothing more comes is let go", over: "tcp tls",
		steps: `
			a ping
			a pong
			a half-closes
			a gone`,
	},
	{
		name: "connections that are idle end, the call goes on by new ones", over: "idle", moved: "calls answered",
		steps: answered + `
			a gone
			b gone
			noticed
			a INFO body=24 -> b
			b 200 INFO -> a
			a gone
			b gone
			noticed
			b BYE -> a
			a 200 BYE -> b`,
	},
}
