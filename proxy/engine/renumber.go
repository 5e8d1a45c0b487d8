package engine

import (
	"bytes"

	"trunkline/proxy/message"
)

// renumbered is the Request-URI of a request with its number changed by the rule of its
// route; all else of the URI is as received. It is the same each time, so what repeats a request
// (retransmissions, CANCEL, the ACK of a refusal) has the same. nil: nothing changes.
func (w *worker) renumbered(req *message.View, rule uint8) []byte {
	uri := req.Get(req.URI)
	u, err := message.ParseURI(uri)
	if err != nil || u.Scheme != message.SchemeSIP || len(u.User) == 0 {
		return nil // a service has no number
	}
	start := bytes.IndexByte(uri, ':') + 1
	out, ok := w.e.router.Rewrite(append(w.uri[:0], uri[:start]...), rule, u.User)
	if !ok {
		return nil
	}
	w.uri = append(out, uri[start+len(u.User):]...)
	return w.uri
}
