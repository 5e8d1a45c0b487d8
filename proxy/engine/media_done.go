package engine

import (
	"trunkline/proxy/call"
	"trunkline/proxy/media"
	"trunkline/proxy/message"
	description "trunkline/proxy/sdp"
	"trunkline/proxy/transaction"
)

// mediaDone goes on with a message that waited. Each lane has a goroutine and a worker.
func (e *Engine) mediaDone(lane int, j *media.Job) {
	w := e.mediaWorkers[lane]
	w.flow, w.own = j.Flow, false
	if j.Kind == waitRequest {
		w.mediaRequest(j)
		return
	}
	f := e.dir.faces[j.Listener]
	if w.v.Parse(j.Packet) != nil {
		return // it parsed when it came
	}
	w.resumed = goesOn
	if j.Verb != media.Held && !w.putDescription(j) {
		w.resumed = dropped
		w.c.add(cDroppedMedia)
	}
	switch {
	case j.Kind == waitReply:
		w.reply(f, j.Source)
	case w.resumed == goesOn:
		w.ackFrom(f, e.dir.endpoint(j.Source, j.Listener).WithFlow(j.Flow))
	}
	w.resumed = notResumed
}

// putDescription puts what the instance wrote into the message in v, or has its streams
// refused where it must arrive all the same.
func (w *worker) putDescription(j *media.Job) bool {
	v := &w.v
	part, found := v.Description()
	if found != message.HasDescription {
		return false
	}
	if j.Result != media.OK {
		return (!v.IsRequest() && v.Status() >= 200 || v.Method == message.ACK) && w.refuseStreams(v, part)
	}
	w.rewritten = v.AppendWith(w.rewritten[:0], part, j.SDP)
	return v.Parse(w.rewritten) == nil
}

// refuseStreams puts a description into v that refuses all its streams.
func (w *worker) refuseStreams(v *message.View, part message.Span) bool {
	w.c.add(cStreamsRefused)
	w.tmp = description.AppendRefused(w.tmp[:0], v.Get(part))
	w.rewritten = v.AppendWith(w.rewritten[:0], part, w.tmp)
	return v.Parse(w.rewritten) == nil
}

// mediaRequest sends a request that waited on its way.
func (w *worker) mediaRequest(j *media.Job) {
	e := w.e
	tx, ok := e.table.LockID(transaction.ID(j.Tx))
	if !ok {
		w.c.add(cMediaLate)
		return
	}
	defer tx.Unlock()
	if !tx.Pending() || tx.Tried() > 0 || tx.Request() == nil || w.v.Parse(tx.Request()) != nil {
		w.c.add(cMediaLate)
		return
	}
	now := e.now()
	switch j.Result {
	case media.OK:
	case media.Refused:
		w.refuseMedia(tx, &w.v, 488)
		return
	default:
		w.refuseMedia(tx, &w.v, 503)
		return
	}
	part, found := w.v.Description()
	if found != message.HasDescription {
		w.c.add(cMediaLate)
		return
	}
	w.rewritten = w.v.AppendWith(w.rewritten[:0], part, j.SDP)
	if len(w.rewritten) > maxRequest || w.stored.Parse(w.rewritten) != nil {
		w.refuseMedia(tx, &w.v, 513)
		return
	}
	tx.DropRequest()
	if !tx.SetRequest(w.rewritten) || w.v.Parse(tx.Request()) != nil {
		_ = w.v.Parse(w.rewritten)
		w.refuseMedia(tx, &w.v, 503)
		return
	}
	if e.slot(tx).routed {
		w.nextAttempt(tx, &w.v, failure{}, now)
		w.trying(&tx, tx.Upstream)
		return
	}
	f := e.dir.faces[j.Listener]
	ro := w.routing(f)
	hop, code, k := w.nextHop(f, ro)
	if code != 0 { // it had one before; a connection may have ended
		w.c.add(k)
		w.localFinal(tx, &w.v, code, now)
		w.endCall(tx, call.ByeLost)
		return
	}
	w.onward(&tx, ro, hop, now)
}
