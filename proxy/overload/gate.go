package overload

import "sync/atomic"

// Verdict is what becomes of a new request.
type Verdict uint8

// The verdicts.
const (
	Take     Verdict = iota
	Busy             // it is of the share that is refused
	Draining         // nothing new is taken
)

// draining is the bit beside the share.
const draining = 1 << 16

// Gate is what the path of a message asks. The zero Gate takes everything. Any
// goroutine may use it.
type Gate struct {
	word atomic.Uint32 // the share, and draining
}

// Judge says what becomes of a new request whose transaction has this key, a keyed hash:
// the same request gets the same verdict until the share changes.
func (g *Gate) Judge(key uint64) Verdict {
	w := g.word.Load()
	switch {
	case w == 0:
		return Take
	case w&draining != 0:
		return Draining
	case uint32(key%Whole) < w:
		return Busy
	}
	return Take
}

// Draining reports whether nothing new is taken.
func (g *Gate) Draining() bool { return g.word.Load()&draining != 0 }

// Refuse sets the share that is refused, 0 to Whole.
func (g *Gate) Refuse(share int) {
	share = min(max(share, 0), Whole)
	for {
		w := g.word.Load()
		if g.word.CompareAndSwap(w, w&draining|uint32(share)) {
			return
		}
	}
}

// Drain begins or ends draining.
func (g *Gate) Drain(on bool) {
	if on {
		g.word.Or(draining)
	} else {
		g.word.And(^uint32(draining))
	}
}
