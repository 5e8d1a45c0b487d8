package engine

import (
	"net/netip"

	"trunkline/proxy/message"
	"trunkline/proxy/transaction"
)

// request handles a received request.
func (w *worker) request(f *face, src netip.AddrPort) {
	v := &w.v
	upstream := w.upstream(f, src)
	switch v.Method {
	case message.ACK:
		w.ack(f, upstream)
		return
	case message.CANCEL:
		w.cancel(f, upstream)
		return
	}
	if w.looped(v) {
		w.refuse(upstream, 482, cRefusedLoop)
		return
	}
	tx := w.e.table.Lock(w.serverKey(v))
	defer tx.Unlock()
	if tx.Found() {
		w.repeated(tx)
		return
	}
	ro := w.routing(f)
	asked := ro.ours && v.Method == message.OPTIONS && !ro.inDialog
	if w.own && !asked {
		w.c.add(cDroppedSource)
		return
	}
	if code, k := w.invalid(v, asked); code != 0 {
		w.refuse(upstream, code, k)
		return
	}
	if asked {
		if w.gate.Draining() { // whoever asks sends its calls elsewhere
			w.refuse(upstream, 503, cRefusedDraining)
			return
		}
		w.reject(upstream, 200, optionsHeaders)
		return
	}
	if ro.forged {
		w.refuse(upstream, 403, cRefusedToken)
		return
	}
	if ro.inDialog {
		w.inDialog(&tx, f, upstream, ro)
		return
	}
	w.initial(&tx, f, upstream, ro)
}

// upstream is where replies to the request being handled go: back where it came
// from (18.2.2), to the source port if the sender asked for that (RFC 3581), else
// to the port of its Via.
func (w *worker) upstream(f *face, src netip.AddrPort) transaction.Endpoint {
	to := src
	// Over a connection it is the connection it came by (18.2.2).
	if !f.stream && !w.v.Via.HasRPort {
		port := w.v.Via.Port
		if port == 0 {
			port = defaultPort
		}
		to = netip.AddrPortFrom(src.Addr(), port)
	}
	return w.e.dir.endpoint(to, f.index).WithFlow(w.flow)
}

// repeated absorbs a retransmitted request: it gets the last reply again.
func (w *worker) repeated(tx transaction.Tx) {
	w.c.add(cRetransmissionsAbsorbed)
	if r := tx.Response(); r != nil {
		w.c.add(cRetransmissionsSent)
		w.sendBack(tx.Upstream, r)
		return
	}
	if tx.Invite && tx.Pending() {
		w.reject(tx.Upstream, 100, nil)
	}
}

// maxRequest is the largest request taken, bytes: forwarding adds Via and
// Record-Route, and a datagram holds no more than 65,507.
const maxRequest = 65507 - 2048

// invalid applies the checks of 16.3. It returns the code of the refusal, or 0. Who asks the
// proxy itself for its OPTIONS may do so with the last hop (16.3 step 3).
func (w *worker) invalid(v *message.View, asked bool) (int, counter) {
	if u, err := message.ParseURI(v.Get(v.URI)); err != nil || u.Scheme != message.SchemeSIP && u.Scheme != message.SchemeService {
		return 416, cRefusedScheme
	}
	if v.MaxForwards == 0 && !asked {
		return 483, cRefusedMaxForwards
	}
	if len(v.Bytes()) > maxRequest {
		return 513, cRefusedTooLarge
	}
	if !v.ProxyRequire.Empty() {
		return 420, cRefusedExtension
	}
	return 0, 0
}

// malformed answers a request that cannot be understood but still can be replied
// to with 400 or 505, and drops everything else.
func (w *worker) malformed(f *face, src netip.AddrPort) {
	code := w.v.Fault().Status()
	if code == 0 || !w.v.Replyable() {
		w.c.add(cDroppedParse)
		return
	}
	w.refuse(w.upstream(f, src), code, cRefusedParse)
}

// refuse answers the request being handled with an error and no state: a
// retransmission is judged again, and an ACK is known by our tag.
func (w *worker) refuse(to transaction.Endpoint, code int, k counter) {
	w.c.add(k)
	switch code {
	case 420:
		w.unsupported()
		w.reject(to, code, w.tmp)
	case 503:
		w.reject(to, code, w.e.retryAfter)
	default:
		w.reject(to, code, nil)
	}
}

// unsupported writes the Unsupported line of a 420 into tmp: what all Proxy-Require lines of
// the request being handled ask for (16.3 step 5).
func (w *worker) unsupported() {
	w.tmp = append(w.tmp[:0], "Unsupported: "...)
	start := len(w.tmp)
	lines := message.LinesOf(w.v.Bytes())
	for {
		options, ok := lines.Find("proxy-require")
		if !ok {
			break
		}
		if len(options) > 0 && len(w.tmp) > start {
			w.tmp = append(w.tmp, ", "...)
		}
		w.tmp = append(w.tmp, options...)
	}
	w.tmp = append(w.tmp, "\r\n"...)
}

// reject answers the request being handled without keeping the reply.
func (w *worker) reject(to transaction.Endpoint, code int, extra []byte) {
	w.c.add(cLocalReplies)
	w.out = w.appendLocal(w.out[:0], &w.v, to, code, extra)
	w.sendBack(to, w.out)
}

// localFinal answers a transaction's stored request with a final reply of ours,
// keeps it for retransmission and completes the transaction.
func (w *worker) localFinal(tx transaction.Tx, req *message.View, code int, now int64) {
	var extra []byte
	if code == 503 {
		extra = w.e.retryAfter
	}
	w.localFinalWith(tx, req, code, extra, now)
}

// localFinalWith is localFinal with header lines to be added.
func (w *worker) localFinalWith(tx transaction.Tx, req *message.View, code int, extra []byte, now int64) {
	w.c.add(cLocalReplies)
	w.final = code
	w.out = w.appendLocal(w.out[:0], req, tx.Upstream, code, extra)
	if !tx.SetResponse(w.out) {
		w.c.add(cNotStored)
	}
	tx.Complete(now, code, w.e.table.Timers())
	tx.Commit()
	w.sendBack(tx.Upstream, w.out)
}

// ack handles an ACK: it ends at the INVITE it acknowledges if that got a non-2xx
// from us, and goes on to the callee otherwise.
func (w *worker) ack(f *face, upstream transaction.Endpoint) {
	v := &w.v
	tx := w.e.table.Lock(w.serverKey(v))
	ends := tx.Found() && tx.OnAck(w.e.now(), w.e.table.Timers())
	tx.Unlock()
	if ends {
		return
	}
	if w.isLocalTag(v) {
		return // of an error we sent without keeping state
	}
	w.ackFrom(f, upstream)
}

// ackFrom sends an ACK that is not for us on its way.
func (w *worker) ackFrom(f *face, upstream transaction.Endpoint) {
	v := &w.v
	ro := w.routing(f)
	if !ro.inDialog {
		w.c.add(cDroppedAck)
		return
	}
	if v.MaxForwards == 0 {
		w.c.add(cDroppedAck)
		return
	}
	hop, code, _ := w.nextHop(f, ro)
	if code != 0 {
		w.c.add(cDroppedAck)
		return
	}
	if w.ackMedia(f, upstream, hop) {
		return
	}
	w.forwardStateless(f, upstream, ro, hop)
}

// cancel handles a CANCEL: it is answered here, and every attempt under way is
// cancelled as soon as that is allowed (16.10). One within a dialog whose INVITE
// left no state follows it.
func (w *worker) cancel(f *face, upstream transaction.Endpoint) {
	tx := w.e.table.Lock(w.serverKey(&w.v))
	defer tx.Unlock()
	if !tx.Found() {
		ro := w.routing(f)
		hop, code, _ := w.nextHop(f, ro)
		if !ro.inDialog || code != 0 || w.v.MaxForwards == 0 {
			w.refuse(upstream, 481, cRefusedNoDialog)
			return
		}
		w.forwardStateless(f, upstream, ro, hop)
		return
	}
	w.reject(upstream, 200, nil)
	if w.cancelWaiting(tx) {
		return
	}
	if tx.Forked {
		w.cancelFork(tx)
		return
	}
	if !tx.Cancelled {
		w.c.add(cCancelled)
	}
	if tx.OnCancel() {
		w.sendCancel(tx, tx.Current(), w.e.now())
	}
}
