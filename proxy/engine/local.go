package engine

import (
	"trunkline/proxy/message"
	"trunkline/proxy/transaction"
)

// optionsHeaders answer an OPTIONS for the proxy itself (11.2). It needs no extension
// of its own, which an empty Supported says (20.37).
var optionsHeaders = []byte("Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY, SUBSCRIBE, MESSAGE, REGISTER\r\nAccept: application/sdp\r\nAccept-Encoding: identity\r\nAccept-Language: en\r\nSupported:\r\n")

// localTagMark begins every To tag of ours.
const localTagMark = "tl"

// appendLocalTag appends the To tag of our replies to a request: a keyed hash of
// what the request and its ACK have in common, so that the ACK of an error sent
// without state is recognised.
func (w *worker) appendLocalTag(dst []byte, req *message.View) []byte {
	w.key = append(w.key[:0], req.Get(req.CallID)...)
	w.key = append(w.key, 0)
	w.key = append(w.key, req.Get(req.From.Tag)...)
	w.key = append(w.key, 0)
	w.key = append(w.key, req.Get(req.Via.Branch)...)
	return transaction.AppendHex(append(dst, localTagMark...), w.e.table.Hash().Sum(w.key))
}

// isLocalTag reports whether the To tag of a request is the one we would give it.
func (w *worker) isLocalTag(req *message.View) bool {
	w.tmp = w.appendLocalTag(w.tmp[:0], req)
	return string(w.tmp) == string(req.Get(req.To.Tag))
}

// appendLocal writes a reply of ours to a request received from upstream (8.2.6).
// extra is complete header lines.
func (w *worker) appendLocal(dst []byte, req *message.View, upstream transaction.Endpoint, code int, extra []byte) []byte {
	return w.appendReason(dst, req, upstream, code, "", extra)
}

// appendReason is appendLocal with a reason phrase of its own.
func (w *worker) appendReason(dst []byte, req *message.View, upstream transaction.Endpoint, code int, reason string, extra []byte) []byte {
	p := message.ReplyParams{Status: code, Reason: reason, Extra: extra}
	if code > 100 {
		w.via = w.appendLocalTag(w.via[:0], req)
		p.ToTag = w.via
	}
	p.Received, p.RPort = source(req, upstream)
	return message.AppendReply(dst, req, p)
}
