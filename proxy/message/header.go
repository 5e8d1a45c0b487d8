package message

// field is a header a proxy needs to understand.
type field uint8

const (
	fieldOther field = iota
	fieldVia
	fieldRoute
	fieldRecordRoute
	fieldFrom
	fieldTo
	fieldCallID
	fieldCSeq
	fieldMaxForwards
	fieldContact
	fieldContentLength
	fieldRequire
	fieldProxyRequire
	fieldTimestamp
	fieldResourcePriority
	fieldSupported
	fieldSessionExpires
	fieldMinSE
)

// fieldOf tells the field from its name in any case or its compact form.
func fieldOf(name []byte) field {
	var f field
	var lower string
	c := name[0] | 0x20
	switch len(name) {
	case 1:
		switch c {
		case 'v':
			return fieldVia
		case 'f':
			return fieldFrom
		case 't':
			return fieldTo
		case 'i':
			return fieldCallID
		case 'm':
			return fieldContact
		case 'l':
			return fieldContentLength
		case 'k':
			return fieldSupported
		case 'x':
			return fieldSessionExpires
		}
		return fieldOther
	case 2:
		f, lower = fieldTo, "to"
	case 3:
		f, lower = fieldVia, "via"
	case 4:
		f, lower = fieldFrom, "from"
		if c == 'c' {
			f, lower = fieldCSeq, "cseq"
		}
	case 5:
		f, lower = fieldRoute, "route"
	case 6:
		f, lower = fieldMinSE, "min-se"
	case 7:
		switch name[1] | 0x20 {
		case 'a':
			f, lower = fieldCallID, "call-id"
		case 'o':
			f, lower = fieldContact, "contact"
		case 'e':
			f, lower = fieldRequire, "require"
		}
	case 9:
		f, lower = fieldTimestamp, "timestamp"
		if c == 's' {
			f, lower = fieldSupported, "supported"
		}
	case 12:
		f, lower = fieldMaxForwards, "max-forwards"
		if c == 'r' {
			f, lower = fieldRecordRoute, "record-route"
		}
	case 13:
		f, lower = fieldProxyRequire, "proxy-require"
	case 14:
		f, lower = fieldContentLength, "content-length"
	case 15:
		f, lower = fieldSessionExpires, "session-expires"
	case 17:
		f, lower = fieldResourcePriority, "resource-priority"
	}
	if lower != "" && equalFold(name, lower) {
		return f
	}
	return fieldOther
}

// lineField splits a header line into its field and where its value starts. ok is
// false when it has no name.
func lineField(b []byte, start, end int) (f field, value int, ok bool) {
	i := skipToken(b, start, end)
	if i == start {
		return fieldOther, start, false
	}
	name := b[start:i]
	for i < end && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	if i == end || b[i] != ':' {
		return fieldOther, start, false
	}
	return fieldOf(name), skipLWS(b, i+1, end), true
}

// header reads one header line, folded lines included: b[start:end] with its line
// end.
func (v *View) header(start, end int) {
	b := v.buf
	f, i, ok := lineField(b, start, end)
	if !ok {
		v.flaw(FaultHeader)
		return
	}
	if f == fieldOther {
		return
	}
	line := span(start, end)
	stop := trimLWS(b, i, end)
	switch f {
	case fieldVia:
		v.viaLine(line, i, stop)
	case fieldRoute:
		v.routeLine(line, i, stop)
	case fieldRecordRoute:
		if v.recordRoute == 0 {
			v.recordRoute = line.Start
		}
	case fieldFrom:
		v.party(&v.From, line, i, stop, FaultFrom)
	case fieldTo:
		v.party(&v.To, line, i, stop, FaultTo)
	case fieldCallID:
		if v.once(&v.callIDLine, line) {
			if v.CallID = span(i, stop); v.CallID.Empty() {
				v.flaw(FaultNoCallID)
			}
		}
	case fieldCSeq:
		v.cseq(line, i, stop)
	case fieldMaxForwards:
		if v.once(&v.mfValue, span(i, stop)) {
			n, to, ok := scanNumber(b, i, stop, 255)
			if !ok || to != stop {
				v.flaw(FaultMaxForwards)
				return
			}
			v.MaxForwards = int16(n)
		}
	case fieldContentLength:
		n, to, ok := scanNumber(b, i, stop, 1<<31-1)
		switch {
		case !ok || to != stop:
			v.flaw(FaultContentLength)
		case v.ContentLength >= 0:
			v.flaw(FaultDuplicate)
		default:
			v.ContentLength = int32(n)
		}
	case fieldContact:
		if v.Contact.Empty() {
			// What a Contact says is between the agents; a broken one is passed on.
			if a, _, ok := parseAddress(b, i, stop, true); ok {
				v.Contact = a.URI
			}
		}
	case fieldRequire:
		v.option(&v.Require, span(i, stop))
	case fieldSupported:
		v.option(&v.Supported, span(i, stop))
	case fieldSessionExpires:
		if v.SessionExpires == (Span{}) {
			v.SessionExpires = span(i, stop)
		}
	case fieldMinSE:
		if v.MinSE == (Span{}) {
			v.MinSE = span(i, stop)
		}
	case fieldProxyRequire:
		if v.ProxyRequire.Empty() {
			v.ProxyRequire = span(i, stop)
		}
	case fieldTimestamp:
		v.Timestamp = line
	case fieldResourcePriority:
		v.ResourcePriority = true
	}
}

// option records the first line of a list of options that has any.
func (v *View) option(first *Span, s Span) {
	switch {
	case s.Empty():
	case first.Empty():
		*first = s
	default:
		v.MoreOptions = true
	}
}

// once records where a field is that may be there only once.
func (v *View) once(where *Span, s Span) bool {
	if where.End != 0 {
		v.flaw(FaultDuplicate)
		return false
	}
	*where = s
	return true
}

func (v *View) viaLine(line Span, i, stop int) {
	if v.viaLast == 0 {
		v.viaFirst, v.viaBlock = line.Start, line.End
	} else if v.viaLast != line.Start {
		v.viaSplit = true
	} else if v.viaBlock == line.Start {
		v.viaBlock = line.End
	}
	v.viaLast = line.End
	if v.Via.Line.Empty() {
		via, next, ok := parseVia(v.buf, i, stop)
		via.Line = line
		via.remove = line
		if !ok {
			v.flaw(FaultVia)
		}
		if next >= 0 {
			via.remove = span(i, next)
			v.secondVia(next, stop)
		}
		v.Via = via
		return
	}
	if v.SecondVia.Empty() {
		v.secondVia(i, stop)
	}
}

// secondVia reads the value a reply is sent to.
func (v *View) secondVia(i, stop int) {
	via, _, ok := parseVia(v.buf, i, stop)
	if !ok {
		v.flaw(FaultVia)
		return
	}
	v.SecondVia = via.Value
}

func (v *View) routeLine(line Span, i, stop int) {
	if v.routeLast == 0 {
		v.routeFirst = line.Start
	} else if v.routeLast != line.Start {
		v.routeSplit = true
	}
	v.routeLast = line.End
	for v.RouteCount < len(v.routes) && i >= 0 {
		a, next, ok := parseAddress(v.buf, i, stop, true)
		if !ok {
			v.flaw(FaultRoute)
			return
		}
		v.routes[v.RouteCount] = routeValue{line: line, value: a.Value, uri: a.URI}
		v.RouteCount++
		i = next
	}
}

func (v *View) party(a *Address, line Span, i, stop int, f Fault) {
	if !a.Line.Empty() {
		v.flaw(FaultDuplicate)
		return
	}
	read, _, ok := parseAddress(v.buf, i, stop, false)
	if !ok {
		v.flaw(f)
	}
	*a = read
	a.Line = line
}

// cseq reads "number method" (RFC 3261 20.16).
func (v *View) cseq(line Span, i, stop int) {
	if !v.once(&v.cseqLine, line) {
		return
	}
	n, to, ok := scanNumber(v.buf, i, stop, 1<<31-1)
	from := skipLWS(v.buf, to, stop)
	if !ok || from == to || from == stop || skipToken(v.buf, from, stop) != stop {
		v.flaw(FaultCSeq)
		return
	}
	v.CSeq = n
	v.CSeqMethodText = span(from, stop)
	v.CSeqMethod = ParseMethod(v.buf[from:stop])
}
