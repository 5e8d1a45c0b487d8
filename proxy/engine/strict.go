package engine

import (
	"bytes"

	"trunkline/proxy/message"
)

// strictRouted repairs a request from a strict router of RFC 2543: it has put what
// we wrote into Record-Route in place of the Request-URI, and the Request-URI at the
// end of Route (16.4). The request then stands in w.v as a loose router would have
// sent it. It reports false when what the Route holds cannot be a Request-URI.
func (w *worker) strictRouted() bool {
	v := &w.v
	if v.RouteCount == 0 {
		return true
	}
	u, err := message.ParseURI(v.Get(v.URI))
	if err != nil || !u.LR || len(u.User) > 0 && !isFlowToken(u.User) || w.e.dir.findURI(&w.tmp, u) < 0 {
		return true
	}
	uri, cut, ok := v.LastRoute()
	if !ok {
		return true
	}
	b := v.Bytes()
	w.repaired = append(w.repaired[:0], b[:v.URI.Start]...)
	w.repaired = append(w.repaired, v.Get(uri)...)
	w.repaired = append(w.repaired, b[v.URI.End:cut.Start]...)
	w.repaired = append(w.repaired, b[cut.End:]...)
	w.c.add(cStrictRoutes)
	return w.v.Parse(w.repaired) == nil
}

// strictHop makes a request fit for a next hop that routes strictly, which its Route URI
// without lr says (16.6 step 6): that URI becomes the Request-URI, and the Request-URI the
// last Route value. strip is how many values of ours are above it. A URI that cannot stand
// in the other place stays where it is.
func strictHop(ed *message.RequestEdits, v *message.View, strip uint8) {
	u, ok := routeURI(v, int(strip))
	if !ok || u.LR {
		return
	}
	_, at := v.Route(int(strip))
	uri, last := v.Get(at), v.Get(v.URI)
	if bytes.ContainsAny(uri, " \t\r\n<>") || bytes.ContainsAny(last, "<>") {
		return
	}
	ed.URI, ed.LastRoute, ed.RemoveRoutes = uri, last, int(strip)+1
}
