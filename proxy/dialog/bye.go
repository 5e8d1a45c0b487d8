package dialog

import (
	"bytes"
	"strconv"

	"trunkline/proxy/message"
)

// Bye is a BYE to be written.
type Bye struct {
	To     Side
	Via    []byte // complete line with CRLF
	CSeq   uint32
	Reason []byte // complete line with CRLF (RFC 3326); nil: none
}

// NextHop is the URI that a request to a side goes by: the first of its route set, else its target.
// Both stand without brackets.
func (p *Party) NextHop() []byte {
	if uri, _ := p.firstRoute(); uri != nil {
		return uri
	}
	return p.Target
}

// firstRoute is the URI of the first route, and the values after it; nil: there is none.
func (p *Party) firstRoute() (uri, rest []byte) {
	open := bytes.IndexByte(p.Routes, '<')
	end := bytes.IndexByte(p.Routes, '>')
	if open < 0 || end < open {
		return nil, nil
	}
	rest = p.Routes[end+1:]
	if i := bytes.IndexByte(rest, ','); i >= 0 { // after the parameters of the value
		rest = rest[i+1:]
	} else {
		rest = nil
	}
	return p.Routes[open+1 : end], rest
}

// AppendBye appends the BYE of one side as the other is to get it (RFC 3261 12.2.1.1). A first
// route without lr becomes the Request-URI, and the target the last route.
func (x *Text) AppendBye(dst []byte, b Bye) []byte {
	to, from := &x.Parties[b.To], &x.Parties[b.To.Other()]
	target, routes, last := to.Target, to.Routes, []byte(nil)
	if uri, rest := to.firstRoute(); uri != nil {
		if u, err := message.ParseURI(uri); err == nil && !u.LR {
			target, routes, last = uri, rest, to.Target
		}
	}
	dst = append(append(dst, "BYE "...), target...)
	dst = append(append(dst, " SIP/2.0\r\n"...), b.Via...)
	dst = append(dst, "Max-Forwards: 70\r\n"...)
	if len(routes) > 0 {
		dst = append(append(append(dst, "Route: "...), routes...), "\r\n"...)
	}
	if last != nil {
		dst = append(append(append(dst, "Route: <"...), last...), ">\r\n"...)
	}
	dst = from.appendAddress(append(dst, "From: "...))
	dst = to.appendAddress(append(dst, "To: "...))
	dst = append(append(dst, "Call-ID: "...), x.CallID...)
	dst = strconv.AppendUint(append(dst, "\r\nCSeq: "...), uint64(b.CSeq), 10)
	dst = append(append(dst, " BYE\r\n"...), b.Reason...)
	return append(dst, "Content-Length: 0\r\n\r\n"...)
}

func (p *Party) appendAddress(dst []byte) []byte {
	dst = append(append(append(dst, '<'), p.URI...), '>')
	if len(p.Tag) > 0 {
		dst = append(append(dst, ";tag="...), p.Tag...)
	}
	return append(dst, "\r\n"...)
}
