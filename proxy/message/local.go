package message

import (
	"net/netip"
	"strconv"
)

// ReplyParams is what a reply of our own says.
type ReplyParams struct {
	Status   int
	Reason   string     // "": the usual phrase of the code
	ToTag    []byte     // added to To when it has none; nil: never (100)
	Extra    []byte     // complete header lines with CRLF; nil: none
	Received netip.Addr // as in RequestEdits
	RPort    uint16
}

// AppendReply appends a reply to a request (RFC 3261 8.2.6): all Via values, From,
// To, Call-ID and CSeq as received, a 100 with the request's Timestamp, no body. The
// request may be one that Parse found fault with, as long as it is Replyable; what it
// lacks, the reply lacks too.
func AppendReply(dst []byte, req *View, p ReplyParams) []byte {
	dst = append(dst, "SIP/2.0 "...)
	dst = strconv.AppendInt(dst, int64(p.Status), 10)
	dst = append(dst, ' ')
	if p.Reason == "" {
		dst = append(dst, ReasonPhrase(p.Status)...)
	} else {
		dst = append(dst, p.Reason...)
	}
	dst = append(dst, "\r\n"...)
	dst = req.appendVias(dst, p.Received, p.RPort)
	dst = append(dst, req.Get(req.From.Line)...)
	if len(p.ToTag) > 0 && req.To.Tag.Empty() && !req.To.Line.Empty() {
		dst = append(dst, req.buf[req.To.Line.Start:req.To.Value.End]...)
		dst = append(dst, ";tag="...)
		dst = append(dst, p.ToTag...)
		dst = append(dst, req.buf[req.To.Value.End:req.To.Line.End]...)
	} else {
		dst = append(dst, req.Get(req.To.Line)...)
	}
	dst = append(dst, req.Get(req.callIDLine)...)
	dst = append(dst, req.Get(req.cseqLine)...)
	if p.Status == 100 {
		dst = append(dst, req.Get(req.Timestamp)...)
	}
	dst = append(dst, p.Extra...)
	return append(dst, "Content-Length: 0\r\n\r\n"...)
}

// appendVias appends all Via lines in order, the top one with received and rport.
func (v *View) appendVias(dst []byte, received netip.Addr, rport uint16) []byte {
	var s splices
	v.source(&s, received, rport)
	at := v.Via.Line.Start
	for _, p := range s.list[:s.n] {
		dst = append(dst, v.buf[at:p.start]...)
		dst = appendSource(dst, p.kind, received, rport)
		at = p.end
	}
	dst = append(dst, v.buf[at:v.Via.Line.End]...)
	return v.appendLines(dst, fieldVia, int(v.Via.Line.End), int(v.viaLast), v.viaSplit)
}

// appendLines appends the header lines of one field between two offsets. When split
// is false there are no others between them.
func (v *View) appendLines(dst []byte, f field, start, end int, split bool) []byte {
	if start >= end {
		return dst
	}
	if !split {
		return append(dst, v.buf[start:end]...)
	}
	for i := start; i < end; {
		j := lineEnd(v.buf, i, end)
		if is, _, ok := lineField(v.buf, i, j); ok && is == f {
			dst = append(dst, v.buf[i:j]...)
		}
		i = j
	}
	return dst
}

// lineEnd is the offset after the header line at b[i], folded lines included.
func lineEnd(b []byte, i, end int) int {
	for ; i < end; i++ {
		if b[i] == '\n' && (i+1 == end || (b[i+1] != ' ' && b[i+1] != '\t')) {
			return i + 1
		}
	}
	return end
}

// AppendCancel appends the CANCEL for a request as it was sent (RFC 3261 9.1): same
// Request-URI, top Via, From, To, Call-ID, CSeq number and Route.
func AppendCancel(dst []byte, sent *View) []byte {
	return sent.appendHopByHop(dst, "CANCEL", sent)
}

// AppendAckFor appends the ACK for a non-2xx final reply to an INVITE as it was sent
// (RFC 3261 17.1.1.3): like a CANCEL, but with the To of the reply.
func AppendAckFor(dst []byte, sent, reply *View) []byte {
	return sent.appendHopByHop(dst, "ACK", reply)
}

func (v *View) appendHopByHop(dst []byte, method string, to *View) []byte {
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(dst, v.Get(v.URI)...)
	dst = append(dst, " SIP/2.0\r\nVia: "...)
	dst = append(dst, v.Get(v.Via.Value)...)
	dst = append(dst, "\r\nMax-Forwards: 70\r\n"...)
	dst = v.appendLines(dst, fieldRoute, int(v.routeFirst), int(v.routeLast), v.routeSplit)
	dst = append(dst, v.Get(v.From.Line)...)
	dst = append(dst, to.Get(to.To.Line)...)
	dst = append(dst, v.Get(v.callIDLine)...)
	dst = append(dst, "CSeq: "...)
	dst = strconv.AppendUint(dst, uint64(v.CSeq), 10)
	dst = append(dst, ' ')
	dst = append(dst, method...)
	return append(dst, "\r\nContent-Length: 0\r\n\r\n"...)
}
