package engine

import (
	"net/netip"

	"trunkline/proxy/call"
	"trunkline/proxy/media"
	"trunkline/proxy/message"
	"trunkline/proxy/transaction"
)

// replyMedia has a reply wait for its description, or for replies before it. It reports
// whether the reply goes no further now.
func (w *worker) replyMedia(tx transaction.Tx, f *face, src netip.AddrPort, code int) bool {
	e, v := w.e, &w.v
	if e.media == nil || !describes(v.CSeqMethod) {
		return false
	}
	d := e.slot(tx)
	if w.resumed != notResumed {
		if d.media.waiting() > 0 {
			d.media--
		}
		return w.resumed == dropped
	}
	if code == 100 {
		return false
	}
	part, found := message.Span{}, message.NoDescription
	if code < 300 {
		part, found = v.Description()
	}
	if found == message.NoDescription {
		return d.media.waiting() > 0 && w.holdReply(tx, f, src)
	}
	id, sender, known := w.replies(tx)
	if !known || found == message.ClosedDescription {
		return w.withoutMedia(part, found, code)
	}
	verb := media.Offer
	if d.media&mediaOffered != 0 {
		verb = media.Answer
	}
	if j := w.replyJob(tx, f, src, id); j != nil && e.media.Describe(j, verb, sender, v.Get(part)) {
		d.media++
		w.c.add(cMediaWaits)
		e.media.Note(uint64(id), e.calls.Row(id), func(s *media.Session) {
			s.Owed = s.Owed || verb == media.Offer
			if code >= 200 && v.CSeqMethod == message.INVITE && d.routed {
				s.Answered, s.Peer = true, media.Tag(v.Get(v.To.Tag))
			}
		})
		return true
	}
	if d.media.waiting() > 0 { // what waits must not be overtaken
		w.c.add(cDroppedMedia)
		return true
	}
	return w.withoutMedia(part, found, code)
}

// replies finds the call of the reply being handled, and the side that sent the reply.
func (w *worker) replies(tx transaction.Tx) (call.ID, media.Side, bool) {
	if !w.e.slot(tx).routed {
		id, asked, ok := w.speaks(&w.v)
		return id, asked.Other(), ok
	}
	id := call.ID(tx.Call)
	_, lives := w.e.calls.Limits(id)
	return id, media.Callee, lives && w.known(id, w.v.Get(w.v.To.Tag))
}

func (w *worker) replyJob(tx transaction.Tx, f *face, src netip.AddrPort, id call.ID) *media.Job {
	if w.e.slot(tx).media.waiting() == int(maxWaiting) {
		return nil
	}
	j := w.takeJob(waitReply, id, transaction.MakeEndpoint(src, f.index), f.index)
	if j != nil {
		j.Packet = append(j.Packet[:0], w.v.Bytes()...)
		j.Order, j.Family = uint64(tx.ID(0)), w.e.familyTo(f.index, int(tx.Upstream.Listener))
	}
	return j
}

// holdReply has a reply without a description wait for those before it.
func (w *worker) holdReply(tx transaction.Tx, f *face, src netip.AddrPort) bool {
	id, _, known := w.replies(tx)
	if !known {
		return false // what waits belongs to a call that has ended
	}
	if j := w.replyJob(tx, f, src, id); j != nil && w.e.media.Hold(j) {
		w.e.slot(tx).media++
	} else {
		w.c.add(cDroppedMedia) // it comes again
	}
	return true
}

// withoutMedia goes on with a reply whose description nobody rewrites: a provisional one is
// dropped, and a 2xx has its streams refused. It reports whether the reply was dropped.
func (w *worker) withoutMedia(part message.Span, found message.Description, code int) bool {
	if code < 200 || found != message.HasDescription || !w.refuseStreams(&w.v, part) {
		w.c.add(cDroppedMedia)
		return true
	}
	return false
}

// lateMedia is withoutMedia for a reply whose transaction is gone.
func (w *worker) lateMedia() bool {
	v := &w.v
	if w.e.media == nil || w.resumed != notResumed || !describes(v.CSeqMethod) || v.Status() >= 300 {
		return false
	}
	part, found := v.Description()
	return found != message.NoDescription && w.withoutMedia(part, found, v.Status())
}
