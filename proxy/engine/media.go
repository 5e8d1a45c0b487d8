package engine

import (
	"context"
	"time"

	"trunkline/proxy/call"
	"trunkline/proxy/media"
	"trunkline/proxy/message"
	"trunkline/proxy/transaction"
)

// With a media block every session description of a call goes by way of an rtpengine, or the
// message is refused. The message waits for the answer off the path: a request in its transaction,
// which exists by then (so that limits come first, a repeated request is absorbed and a
// CANCEL finds it), a reply or an ACK as the packet it came as, in a buffer of package media.
// What waits goes on in a goroutine of package media, with a worker of its own as scratch
// (media_done.go), where it stopped: requests with their description rewritten in the
// transaction, so that each attempt and repetition sends that; the others as if they had just
// been received. No reply of a transaction overtakes one that waits.
//
// A process that ends forgets what waits, as if the network had lost it: requests that were
// never sent are forgotten with their transactions, and repeated by their senders.
//
// All branches of a fork share the description that the instance wrote, and the last answer
// counts; once a 2xx has gone to the caller no other callee changes anything (media_reply.go).
//
// What cannot be done is never done without: a request is refused, with 503 when no
// instance takes it and 488 when the instance cannot use the description; a provisional reply is dropped,
// and a 2xx or ACK, which must arrive, has its streams refused.

// mediaState is what a transaction knows of its media: whether its request made an offer, so
// that its replies bring the answer, and how many replies wait for their descriptions or behind
// those that do.
type mediaState uint8

const (
	mediaOffered mediaState = 1 << 7
	maxWaiting              = mediaOffered - 1
)

func (m mediaState) waiting() int { return int(m & maxWaiting) }

// Kinds of jobs of package media.
const (
	waitRequest uint8 = iota
	waitReply
	waitAck
)

// resumed says what became of a message that waited.
type resumed uint8

const (
	notResumed resumed = iota
	goesOn             // as it is now
	dropped            // it must not go on
)

// newMedia makes the client of the instances, and the scratch of its goroutines.
func (e *Engine) newMedia() error {
	if e.cfg.Media == nil {
		return nil
	}
	var err error
	e.media, err = media.New(media.Config{Media: e.cfg.Media, Calls: e.calls.Capacity(), Arena: e.arena, Log: e.log, Done: e.mediaDone})
	if err != nil {
		return err
	}
	for range e.media.Lanes() {
		e.mediaWorkers = append(e.mediaWorkers, e.newWorker())
	}
	return nil
}

// openMedia makes the sockets towards the instances.
func (e *Engine) openMedia() error {
	if e.media == nil {
		return nil
	}
	return e.media.Open()
}

// runMedia serves the instances until the returned function is called, which first waits a
// little for the deletes of calls that have ended, unless another process goes on with them.
func (e *Engine) runMedia() (end func()) {
	if e.media == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		e.media.Run(ctx)
		close(done)
	}()
	return func() {
		if !e.handingOver.Load() {
			soon, stop := context.WithTimeout(ctx, time.Second)
			if err := e.media.Finish(soon); err != nil {
				e.log.Warn("media sessions are left to rtpengine's own timeout", "error", err)
			}
			stop()
		}
		cancel()
		<-done
	}
}

// endMedia gives the media session of a call back.
func (e *Engine) endMedia(id call.ID) {
	if e.media != nil {
		e.media.End(uint64(id), e.calls.Row(id))
	}
}

// recoverMedia deletes the sessions of calls that are no more; live are those that go on.
func (e *Engine) recoverMedia(live []call.ID) {
	if e.media == nil {
		return
	}
	at := make(map[int]uint64, len(live))
	for _, id := range live {
		at[e.calls.Row(id)] = uint64(id)
	}
	e.media.Recover(func(row int) uint64 { return at[row] }, func(row int, low uint32) uint64 { return uint64(e.calls.Was(row, low)) })
}

// describes reports whether messages of a method carry offers and answers (RFC 6337 section
// 2.2).
func describes(m message.Method) bool {
	return m == message.INVITE || m == message.ACK || m == message.PRACK || m == message.UPDATE
}

// speaks finds the call of a message within a dialog, and the side that sent the request of it.
func (w *worker) speaks(v *message.View) (call.ID, media.Side, bool) {
	if id, ok := w.e.calls.Find(w.callKey(v, v.Get(v.From.Tag))); ok {
		return id, media.Caller, w.known(id, v.Get(v.To.Tag))
	}
	if v.To.Tag.Empty() {
		return 0, 0, false
	}
	id, ok := w.e.calls.Find(w.callKey(v, v.Get(v.To.Tag)))
	return id, media.Callee, ok && w.known(id, v.Get(v.From.Tag))
}

// known reports whether the callee of this tag is the one whose media a call has: any one
// until a 2xx has settled it.
func (w *worker) known(id call.ID, callee []byte) bool {
	s := w.mediaSession(id)
	return !s.Answered || s.Peer == media.Tag(callee)
}

func (w *worker) mediaSession(id call.ID) media.Session {
	return w.e.media.Session(uint64(id), w.e.calls.Row(id))
}

// familyTo is the family of addresses that a description from one listener gets which leaves by
// another, 0: it is the same.
func (e *Engine) familyTo(from, to int) uint8 {
	is4 := func(i int) bool { return e.cfg.Listeners[i].Address.Addr().Unmap().Is4() }
	switch {
	case is4(from) == is4(to):
		return 0
	case is4(to):
		return 4
	}
	return 6
}

// familyOf is familyTo for a request that goes to dispatcher sets: 0 unless all their
// destinations are reached over one family.
func (e *Engine) familyOf(d *slotData, from int) uint8 {
	family, first := uint8(0), true
	for _, s := range d.sets[:d.nsets] {
		for _, x := range e.dests {
			if x.Set() != e.sets.Set(int(s)) {
				continue
			}
			f := e.familyTo(from, x.listener)
			if !first && f != family {
				return 0
			}
			family, first = f, false
		}
	}
	return family
}

// takeJob begins a job for the message being handled.
func (w *worker) takeJob(kind uint8, id call.ID, up transaction.Endpoint, listener int) *media.Job {
	j := w.e.media.Take(uint64(id), w.e.calls.Row(id), w.v.Get(w.v.CallID))
	if j == nil {
		return nil
	}
	j.Kind, j.Listener, j.Flow, j.Source = kind, listener, w.flow, up.AddrPort()
	return j
}

// offerMedia has a request wait for its description, when it has one: an INVITE that begins a
// call (id), or within a dialog any request that carries offers and answers. It reports whether
// the request waits or was refused.
//
// It gets addresses of this family (familyTo).
func (w *worker) offerMedia(tx transaction.Tx, f *face, id call.ID, family uint8) bool {
	e, v := w.e, &w.v
	if e.media == nil || !describes(v.Method) {
		return false
	}
	part, found := v.Description()
	if found == message.NoDescription {
		return false
	}
	if found == message.ClosedDescription {
		w.refuseMedia(tx, v, 415)
		return true
	}
	side, known := media.Caller, true
	if id == 0 {
		id, side, known = w.speaks(v)
	}
	if !known { // nothing of that dialog is at any instance
		w.refuseMedia(tx, v, 488)
		return true
	}
	verb := media.Offer
	if v.Method == message.PRACK && w.mediaSession(id).Owed {
		verb = media.Answer
	}
	j := w.takeJob(waitRequest, id, tx.Upstream, f.index)
	if j != nil {
		j.Tx, j.Family = uint64(tx.ID(0)), family
	}
	if j == nil || !e.media.Describe(j, verb, side, v.Get(part)) {
		w.refuseMedia(tx, v, 503)
		return true
	}
	if verb == media.Offer {
		e.slot(tx).media |= mediaOffered
	} else {
		e.media.Note(uint64(id), e.calls.Row(id), func(s *media.Session) { s.Owed = false })
	}
	w.c.add(cMediaWaits)
	return true
}

// refuseMedia ends a request whose media nobody takes.
func (w *worker) refuseMedia(tx transaction.Tx, req *message.View, code int) {
	w.c.add(cRefusedMedia)
	w.localFinal(tx, req, code, w.e.now())
	w.endCall(tx, call.Media)
}

// needsState reports whether a request must not go on without a transaction: its replies would
// bring descriptions that nobody could tell apart.
func (w *worker) needsState(m message.Method) bool {
	return w.e.media != nil && describes(m) && m != message.ACK
}

// waits reports whether a request waits for its description, and was sent nowhere.
func (w *worker) waits(tx transaction.Tx) bool {
	return w.e.media != nil && describes(message.Method(tx.Method)) && tx.Pending() && tx.Tried() == 0 && tx.Request() != nil
}

// cancelWaiting ends an INVITE that waits for its description and whose caller cancels it.
func (w *worker) cancelWaiting(tx transaction.Tx) bool {
	if !tx.Invite || !w.waits(tx) {
		return false
	}
	tx.Cancelled = true
	w.c.add(cCancelled)
	w.localFinal(tx, w.storedRequest(tx), 487, w.e.now())
	w.endCall(tx, call.Cancelled)
	return true
}

// ackMedia has an ACK wait that brings the answer to an offer of the 2xx (RFC 3261 section
// 13.2.1). It reports whether it waits, or was dropped: it comes again with the next 2xx.
func (w *worker) ackMedia(f *face, upstream, hop transaction.Endpoint) bool {
	e, v := w.e, &w.v
	if e.media == nil || w.resumed != notResumed {
		return false
	}
	part, found := v.Description()
	if found == message.NoDescription {
		return false
	}
	id, side, known := w.speaks(v)
	if found == message.HasDescription && known {
		if j := w.takeJob(waitAck, id, upstream, f.index); j != nil {
			j.Packet, j.Family = append(j.Packet[:0], v.Bytes()...), e.familyTo(f.index, int(hop.Listener))
			if e.media.Describe(j, media.Answer, side, v.Get(part)) {
				e.media.Note(uint64(id), e.calls.Row(id), func(s *media.Session) { s.Owed = false })
				w.c.add(cMediaWaits)
				return true
			}
		}
	}
	w.c.add(cDroppedMedia)
	return true
}
