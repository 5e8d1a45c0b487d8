package message

import (
	"net/netip"
	"strconv"
)

// defaultMaxForwards is what a request without Max-Forwards gets (RFC 3261 16.6
// step 3).
const defaultMaxForwards = 70

// RequestEdits is what forwarding changes in a request. The zero value changes
// nothing.
type RequestEdits struct {
	URI          []byte // new Request-URI; nil: as received
	RemoveRoutes int    // leading Route values to take away, up to RemovableRoutes
	LastRoute    []byte // URI put after all Route values, which there are; nil: none
	Via          []byte // complete Via line with CRLF, put above all others
	// RecordRoute are complete lines with CRLF, put above all other Record-Route
	// lines, the first on top; nil: none.
	RecordRoute [2][]byte
	// MaxForwards is written when SetMaxForwards is set: over the value that is
	// there, or as a new line.
	MaxForwards    uint8
	SetMaxForwards bool
	// Received and RPort go into the Via that was on top when the request came
	// (RFC 3261 18.2.1, RFC 3581 4): received when the address is valid, rport when
	// not 0 and the sender asked for it.
	Received netip.Addr
	RPort    uint16
	Put      []byte         // complete header lines with CRLF, put below the Via lines; nil: none
	Replace  [2]Replacement // within the values of other headers
}

// Replacement puts other bytes in the place of a span. With an empty span it does nothing.
type Replacement struct {
	Span Span
	By   []byte
}

// Forwarded returns the Max-Forwards value to send on: one less than received, 70
// when there was none. ok is false when the request has used its hops up (483).
func (v *View) Forwarded() (maxForwards uint8, ok bool) {
	switch {
	case v.MaxForwards < 0:
		return defaultMaxForwards, true
	case v.MaxForwards == 0:
		return 0, false
	}
	return uint8(v.MaxForwards - 1), true
}

// AppendRequest appends the request with the edits made; every other byte is as
// received.
func AppendRequest(dst []byte, v *View, e *RequestEdits) []byte {
	var s splices
	if e.URI != nil {
		s.add(v.URI.Start, v.URI.End, putURI)
	}
	if len(e.Via) > 0 {
		s.add(v.viaFirst, v.viaFirst, putVia)
	}
	if e.RecordRoute[0] != nil || e.RecordRoute[1] != nil {
		at := v.recordRoute
		if at == 0 {
			at = v.viaBlock
		}
		s.add(at, at, putRecordRoute)
	}
	if e.SetMaxForwards {
		if v.mfValue.Empty() {
			s.add(v.viaBlock, v.viaBlock, putMaxForwardsLine)
		} else {
			s.add(v.mfValue.Start, v.mfValue.End, putMaxForwards)
		}
	}
	if len(e.Put) > 0 {
		s.add(v.viaBlock, v.viaBlock, putLines)
	}
	for i := range e.Replace {
		if r := e.Replace[i].Span; !r.Empty() {
			s.add(r.Start, r.End, putFirst+spliceKind(i))
		}
	}
	v.source(&s, e.Received, e.RPort)
	v.removeRoutes(&s, e.RemoveRoutes)
	if e.LastRoute != nil && v.RouteCount > 0 {
		s.add(v.routeLast, v.routeLast, putLastRoute)
	}

	at := 0
	for _, p := range s.list[:s.n] {
		dst = append(dst, v.buf[at:p.start]...)
		at = int(p.end)
		switch p.kind {
		case putURI:
			dst = append(dst, e.URI...)
		case putVia:
			dst = append(dst, e.Via...)
		case putRecordRoute:
			dst = append(dst, e.RecordRoute[0]...)
			dst = append(dst, e.RecordRoute[1]...)
		case putLastRoute:
			dst = append(dst, "Route: <"...)
			dst = append(dst, e.LastRoute...)
			dst = append(dst, ">\r\n"...)
		case putLines:
			dst = append(dst, e.Put...)
		case putFirst, putSecond:
			dst = append(dst, e.Replace[p.kind-putFirst].By...)
		case putMaxForwards:
			dst = strconv.AppendUint(dst, uint64(e.MaxForwards), 10)
		case putMaxForwardsLine:
			dst = append(dst, "Max-Forwards: "...)
			dst = strconv.AppendUint(dst, uint64(e.MaxForwards), 10)
			dst = append(dst, "\r\n"...)
		default:
			dst = appendSource(dst, p.kind, e.Received, e.RPort)
		}
	}
	return append(dst, v.buf[at:]...)
}

// source plans received and rport in the top Via.
func (v *View) source(s *splices, received netip.Addr, rport uint16) {
	via := &v.Via
	if rport != 0 && via.HasRPort {
		if via.RPort.Empty() {
			s.add(via.rportName, via.rportName, putRPort)
		} else {
			s.add(via.rportName, via.RPort.End, putRPort)
		}
	}
	if received.IsValid() {
		if via.Received.Empty() {
			s.add(via.Value.End, via.Value.End, putReceivedParam)
		} else {
			s.add(via.Received.Start, via.Received.End, putReceived)
		}
	}
}

func appendSource(dst []byte, kind spliceKind, received netip.Addr, rport uint16) []byte {
	switch kind {
	case putRPort:
		dst = append(dst, '=')
		return strconv.AppendUint(dst, uint64(rport), 10)
	case putReceivedParam:
		dst = append(dst, ";received="...)
		return received.AppendTo(dst)
	case putReceived:
		return received.AppendTo(dst)
	}
	return dst
}

// ResponseEdits is what forwarding changes in a reply.
type ResponseEdits struct {
	RemoveTopVia bool   // the first Via value, with its line when it is alone there
	Put          []byte // complete header lines with CRLF, put below the Via lines; nil: none
}

// AppendResponse appends the reply with the edits made; every other byte is as
// received.
func AppendResponse(dst []byte, v *View, e *ResponseEdits) []byte {
	at := uint16(0)
	if e.RemoveTopVia {
		dst = append(dst, v.buf[:v.Via.remove.Start]...)
		at = v.Via.remove.End
	}
	if len(e.Put) > 0 {
		dst = append(dst, v.buf[at:v.viaBlock]...)
		dst = append(dst, e.Put...)
		at = v.viaBlock
	}
	return append(dst, v.buf[at:]...)
}
