package transaction

import "sync/atomic"

// A process may end at any instruction (kill -9, a defect, no memory), also while a worker
// changes a slot. The next process finds the slot as it was when it was whole: before a slot
// is changed its image is kept, in the arena, with its number beside it; when the change is
// over, the number is taken away. Commit makes the slot as it is now the one to be found: it
// comes before everything that is sent, so that what others have seen of a transaction is
// what the next process knows of it. The message that was being handled is lost, as if the
// network had dropped it.
//
// A buffer that is given back goes to others only when the change is over, so that an image
// never names one that is somebody else's.
//
// There is one for each shard.
type undo struct {
	slot  atomic.Uint32 // the number of the slot plus one; 0: none is being changed
	made  atomic.Uint32 // of the shard
	image Slot
	fork  fork
}

// Beside is what the caller keeps for each slot (Tx.Index), in memory that outlives the
// process as well. Its images are kept with those of the slots: one for each shard.
type Beside interface {
	Save(shard, index int, forked bool)
	Restore(shard, index int, forked bool)
}

// laterSize is how many buffers can be given back in one change; what is more goes at once.
const laterSize = 8

// begin keeps the image of slot i, which is about to be changed.
func (tx *Tx) begin() {
	u := tx.sh.undo
	if u == nil {
		return
	}
	u.image = *tx.Slot
	if tx.Forked {
		u.fork = *tx.fork()
	}
	if b := tx.t.beside; b != nil {
		b.Save(int(tx.n), tx.Index(), tx.Forked)
	}
	u.slot.Store(tx.i + 1)
}

// Commit makes the slot as it is now what the next process finds, should this one end
// before the next Commit or Unlock. It comes before each send.
func (tx *Tx) Commit() {
	u := tx.sh.undo
	if u == nil || tx.Slot == nil {
		return
	}
	u.slot.Store(0)
	tx.begin()
}

// settled ends the change of a slot: it is whole.
func (sh *shard) settled() {
	if sh.undo != nil {
		sh.undo.slot.Store(0)
	}
	for _, r := range sh.later[:sh.nlater] {
		sh.store.free(r)
	}
	sh.nlater = 0
}

// give takes a buffer back at the end of the change.
func (sh *shard) give(r bufRef) {
	if r == 0 {
		return
	}
	if sh.nlater == laterSize || sh.undo == nil {
		sh.store.give(r)
		return
	}
	sh.store.uncount(r)
	sh.later[sh.nlater] = r
	sh.nlater++
}
