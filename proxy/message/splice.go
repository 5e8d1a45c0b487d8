package message

// A rewrite is a handful of splices over the received bytes, in the order of their
// offsets. They live on the stack.

type spliceKind uint8

const (
	cutOnly spliceKind = iota
	putURI
	putVia
	putRecordRoute
	putLastRoute
	putMaxForwards
	putMaxForwardsLine
	putRPort
	putReceived
	putReceivedParam
	putLines
	putFirst  // of RequestEdits.Replace
	putSecond // of it
)

type splice struct {
	start, end uint16
	kind       spliceKind
}

type splices struct {
	list [16]splice
	n    int
}

// add inserts a splice by offset; at one offset, the one added first comes first.
func (s *splices) add(start, end uint16, kind spliceKind) {
	i := s.n
	for i > 0 && s.list[i-1].start > start {
		s.list[i] = s.list[i-1]
		i--
	}
	s.list[i] = splice{start, end, kind}
	s.n++
}

// removeRoutes cuts the first n Route values. A line whose values all go goes as a
// whole; of one that keeps some, the first kept value moves up to its name.
func (v *View) removeRoutes(s *splices, n int) {
	n = min(n, v.RouteCount, RemovableRoutes)
	for i := 0; i < n; {
		line := v.routes[i].line
		j := i + 1
		for j < v.RouteCount && v.routes[j].line == line {
			j++
		}
		if j <= n {
			s.add(line.Start, line.End, cutOnly)
		} else {
			s.add(v.routes[i].value.Start, v.routes[n].value.Start, cutOnly)
		}
		i = j
	}
}
