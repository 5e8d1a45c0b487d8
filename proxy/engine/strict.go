package engine

import "trunkline/proxy/message"

// strictRouted repairs a request from a strict router of RFC 2543: it has put what
// we wrote into Record-Route in place of the Request-URI, and the Request-URI at the
// end of Route (16.4). The request then stands in w.v as a loose router would have
// sent it. With more Route values than a View keeps, the last is not known, and the
// request stays as it is. It reports false when what the Route holds cannot be a
// Request-URI.
func (w *worker) strictRouted() bool {
	v := &w.v
	if v.RouteCount == 0 || v.RouteCount > message.RemovableRoutes {
		return true
	}
	u, err := message.ParseURI(v.Get(v.URI))
	if err != nil || !u.LR || len(u.User) > 0 && !isFlowToken(u.User) || w.e.dir.findURI(&w.tmp, u) < 0 {
		return true
	}
	value, uri := v.Route(v.RouteCount - 1)
	cut := v.RouteLine(v.RouteCount - 1)
	if n := v.RouteCount - 2; n >= 0 && v.RouteLine(n) == cut {
		// It shares the line with the value before it: the comma goes too.
		before, _ := v.Route(n)
		cut.Start, cut.End = before.End, value.End
	}
	b := v.Bytes()
	w.repaired = append(w.repaired[:0], b[:v.URI.Start]...)
	w.repaired = append(w.repaired, v.Get(uri)...)
	w.repaired = append(w.repaired, b[v.URI.End:cut.Start]...)
	w.repaired = append(w.repaired, b[cut.End:]...)
	w.c.add(cStrictRoutes)
	return w.v.Parse(w.repaired) == nil
}
