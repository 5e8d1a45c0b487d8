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
		via.set(b, p)
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

// set takes over a parameter a proxy needs. The first of a name counts.
func (a *Via) set(b []byte, p param) {
	name := b[p.name.Start:p.name.End]
	switch len(name) {
	case 5:
		if !a.HasRPort && equalFold(name, "rport") {
			a.HasRPort, a.RPort, a.rportName = true, p.value, p.name.End
		} else if a.MAddr.Empty() && equalFold(name, "maddr") {
			a.MAddr = p.value
		}
	case 6:
		if a.Branch.Empty() && equalFold(name, "branch") {
			a.Branch = p.value
		}
	case 8:
		if a.Received.Empty() && equalFold(name, "received") {
			a.Received = p.value
		}
	}
}
