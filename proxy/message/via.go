package message

// Via is one Via value (RFC 3261 20.42, RFC 3581).
type Via struct {
	Line      Span   // the header line it is on, with its line end; empty from ViaAt
	Value     Span   // from the protocol to the last parameter
	Transport Span   // as written: "UDP"
	Host      Span   // IPv6 without brackets
	Port      uint16 // 0: none given
	Branch    Span
	Received  Span // value
	RPort     Span // value; empty when the parameter has none
	HasRPort  bool
	MAddr     Span // value
	Alias     bool // the connection may be used for requests to the sender (RFC 5923 section 5)

	remove    Span   // what to cut to take the value away
	rportName uint16 // end of the parameter's name
}

// parseVia reads the Via value at b[i:end]. next is where the following value on
// the line starts, -1 if there is none. When ok is false the fields read so far are
// set and next is -1.
func parseVia(b []byte, i, end int) (via Via, next int, ok bool) {
	start := i
	i, ok = via.protocol(b, i, end)
	if !ok {
		return via, -1, false
	}
	host, i := scanHost(b, i, end)
	if host.Empty() {
		return via, -1, false
	}
	last := i
	i = skipLWS(b, i, end)
	if i < end && b[i] == ':' {
		n, to, good := scanNumber(b, skipLWS(b, i+1, end), end, 65535)
		if !good || n == 0 {
			return via, -1, false
		}
		via.Port, last = uint16(n), to
		i = skipLWS(b, to, end)
	}
	via.Host = host
	via.Value = span(start, last)
	for i < end {
		if b[i] == ',' {
			next = skipLWS(b, i+1, end)
			if next == end {
				return via, -1, false
			}
			return via, next, true
		}
		p, to, good := scanParam(b, i, end)
		if !good {
			return via, -1, false
		}
		if !via.set(b, p) {
			return via, -1, false
		}
		via.Value.End = uint16(p.end)
		i = to
	}
	return via, -1, true
}

// protocol reads "SIP / 2.0 / UDP" and the white space after it.
func (a *Via) protocol(b []byte, i, end int) (next int, ok bool) {
	for part := 0; ; part++ {
		from := i
		i = skipToken(b, i, end)
		if i == from {
			return i, false
		}
		if part == 2 {
			a.Transport = span(from, i)
			next = skipLWS(b, i, end)
			return next, next > i
		}
		i = skipLWS(b, i, end)
		if i == end || b[i] != '/' {
			return i, false
		}
		i = skipLWS(b, i+1, end)
	}
}

// set takes over a parameter a proxy needs. A second one of the same name is
// refused (RFC 3261 7.3.1): hops that pick different ones would disagree on which
// transaction this is, or on where its reply goes.
func (a *Via) set(b []byte, p param) bool {
	var where *Span
	switch name := b[p.name.Start:p.name.End]; {
	case equalFold(name, "branch"):
		where = &a.Branch
	case equalFold(name, "received"):
		where = &a.Received
	case equalFold(name, "maddr"):
		where = &a.MAddr
	case equalFold(name, "rport"):
		if a.HasRPort {
			return false
		}
		a.HasRPort, a.RPort, a.rportName = true, p.value, p.name.End
		return true
	case equalFold(name, "alias"):
		a.Alias = true
		return true
	default:
		return true
	}
	if !where.Empty() {
		return false
	}
	*where = p.value
	return true
}
