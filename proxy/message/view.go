package message

// RemovableRoutes is how many leading Route values AppendRequest can remove.
const RemovableRoutes = 3

// View is a SIP message as offsets into its bytes. The zero View is ready for
// Parse, and a View can be parsed into again and again.
type View struct {
	buf     []byte
	fault   Fault
	request bool
	status  uint16

	Method     Method // of a request
	MethodText Span
	URI        Span // Request-URI
	Reason     Span // reason phrase of a reply

	Via       Via  // the topmost
	SecondVia Span // value of the one below; see ViaAt
	From      Address
	To        Address
	CallID    Span

	CSeq           uint32
	CSeqMethod     Method
	CSeqMethodText Span

	MaxForwards   int16 // -1: none
	ContentLength int32 // -1: none; then the body reaches to the end of the datagram
	Contact       Span  // URI of the first Contact, "*" included
	Require       Span  // value of the first such header line
	Supported     Span  // value of the first such header line
	ProxyRequire  Span  // value of the first such header line
	Timestamp     Span  // whole header line
	Body          Span

	// MoreOptions: there are further lines of Require or Supported, which Lines gives.
	MoreOptions bool
	// Values of the first such header lines (RFC 4028); the zero Span: there is none. One without a
	// value is empty, and not zero.
	SessionExpires, MinSE Span

	ResourcePriority bool // there is such a header line (RFC 4412); see Lines.Find

	// RouteCount is the number of Route values, counted up to RemovableRoutes+1.
	RouteCount int

	routes      [RemovableRoutes + 1]routeValue
	viaFirst    uint16 // start of the first Via line
	viaLast     uint16 // end of the last Via line
	viaBlock    uint16 // end of the Via lines that follow the first without a gap
	viaSplit    bool   // other lines between the Via lines
	routeFirst  uint16 // start of the first Route line
	routeLast   uint16 // end of the last
	routeSplit  bool   // other lines between the Route lines
	recordRoute uint16 // start of the first Record-Route line, 0: none
	callIDLine  Span
	cseqLine    Span
	mfValue     Span
}

// routeValue is one Route value and the line it is on.
type routeValue struct {
	line, value, uri Span
}

// Address is a From or To header.
type Address struct {
	Line  Span // with its line end
	Value Span // without white space around it
	URI   Span // without angle brackets
	Tag   Span
}

// Bytes is the message: what was parsed without line ends before it and without
// bytes after its body (RFC 3261 7.5, 18.3).
func (v *View) Bytes() []byte { return v.buf }

// Get returns the bytes of a span, in place.
func (v *View) Get(s Span) []byte {
	if s.Empty() {
		return nil
	}
	return v.buf[s.Start:s.End:s.End]
}

// IsRequest reports whether the message is a request.
func (v *View) IsRequest() bool { return v.request }

// Status is the code of a reply, 0 for a request.
func (v *View) Status() int { return int(v.status) }

// Fault is what Parse returned, FaultNone after success.
func (v *View) Fault() Fault { return v.fault }

// Replyable reports whether a reply can be built and sent, even though Parse
// failed: to a request other than ACK with a Via that names its sender and the CSeq,
// by which two the sender knows the reply (RFC 3261 17.1.3). One without From, To or
// Call-ID is told so rather than left to repeat itself (RFC 4475 3.3.1).
func (v *View) Replyable() bool {
	return v.request && v.Method != ACK && !v.Via.Host.Empty() && !v.cseqLine.Empty()
}

// Route returns value i (0 is the topmost) of all Route values and its URI,
// without angle brackets. i must be below RouteCount.
func (v *View) Route(i int) (value, uri Span) { return v.routes[i].value, v.routes[i].uri }

// RouteLine is the header line that value i of all Route values is on, with its line
// end.
func (v *View) RouteLine(i int) Span { return v.routes[i].line }

// LastRoute finds the last of all Route values, however many there are: its URI, without
// angle brackets, and what to cut to take the value away, its line when it is alone there.
// ok is false without any, or with one that cannot be read. It walks over the header.
func (v *View) LastRoute() (uri, cut Span, ok bool) {
	var last Line
	for lines := LinesOf(v.buf); ; {
		line, more := lines.Next()
		if !more {
			break
		}
		if equalFold(v.buf[line.Start:line.NameEnd], "route") {
			last = line
		}
	}
	if last.End == 0 {
		return uri, cut, false
	}
	cut = span(last.Start, last.End)
	for i, before := last.Value, -1; ; {
		a, next, ok := parseAddress(v.buf, i, last.Stop, true)
		if !ok {
			return uri, cut, false
		}
		if next < 0 {
			if before >= 0 {
				cut = span(before, int(a.Value.End)) // with the comma
			}
			return a.URI, cut, true
		}
		i, before = next, int(a.Value.End)
	}
}

// ViaAt parses the Via value at s, such as SecondVia.
func (v *View) ViaAt(s Span) (Via, bool) {
	if s.Empty() {
		return Via{}, false
	}
	via, _, ok := parseVia(v.buf, int(s.Start), int(s.End))
	return via, ok
}
