package listen

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// spreadAt is how many packets a receive call must find before its worker shares them
// with the others. Fewer are handled sooner than another worker would have woken up.
const spreadAt = 4

// steering spreads what comes in by one socket over all workers of the group: by the
// hash of a key each packet carries, so that packets of one key are handled by one
// worker's handler, one after the other, in the order they came.
type steering struct {
	key    func(pkt []byte) []byte
	seed   maphash.Seed
	lanes  []*lane
	served atomic.Int64
	left   atomic.Int64  // workers that receive no more
	all    chan struct{} // closed once every worker has its handler
	end    chan struct{} // closed by finish
	once   sync.Once
}

// finish ends the handling of what waits.
func (st *steering) finish() { st.once.Do(func() { close(st.end) }) }

// lane is one worker: its handler and what waits for it.
type lane struct {
	// handling is held by whoever runs the handler: the worker itself, or the worker
	// of another socket that found it idle. What is in the queue comes first.
	handling sync.Mutex
	h        Handler
	out      pile
	queue    queue
	wake     chan struct{} // of one place: a wake-up that is pending is enough
	over     atomic.Uint64 // packets that came from another worker's socket
	full     atomic.Uint64 // of these, how many found no room in the queue
	_        [64]byte
}

func newSteering(workers int, key func([]byte) []byte) *steering {
	st := &steering{key: key, seed: maphash.MakeSeed(), all: make(chan struct{}), end: make(chan struct{})}
	for range workers {
		st.lanes = append(st.lanes, &lane{out: newPile(), queue: queue{in: newPile()}, wake: make(chan struct{}, 1)})
	}
	return st
}

// lane is the lane of a packet that came in by socket own. Packets without a key stay
// where they came in.
func (st *steering) lane(pkt []byte, own int) int {
	key := st.key(pkt)
	if key == nil {
		return own
	}
	return int(maphash.Bytes(st.seed, key) % uint64(len(st.lanes)))
}

// serve is Serve for a steered group: socket own is received here, and what waits in
// lane own is handled by a goroutine beside it.
func (st *steering) serve(g *Group, own int, h Handler) error {
	l := st.lanes[own]
	l.h = h
	if st.served.Add(1) == int64(len(st.lanes)) {
		close(st.all)
	}
	// What comes in before all workers have a handler waits in the sockets.
	select {
	case <-st.all:
	case <-st.end:
		return nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-l.wake:
				l.handling.Lock()
				l.drain()
				l.handling.Unlock()
			case <-st.end:
				return
			}
		}
	}()
	var to [batchSize]int
	err := g.receive(g.sockets[own], func(b *batch, n int) { st.share(b, n, own, &to) })
	if err != nil {
		return err
	}
	if st.left.Add(1) == int64(len(st.lanes)) && g.ending.Load() {
		for _, l := range st.lanes { // nobody puts anything there any more
			l.handling.Lock()
			l.drain()
			l.handling.Unlock()
		}
		st.finish()
	}
	<-done
	return nil
}

// share handles a batch that came in by socket own. A short one is handled here and now,
// on behalf of whichever worker it belongs to; of a long one the other workers' packets
// are handed over first, so that they are at work while this one does its own.
func (st *steering) share(b *batch, n, own int, to *[batchSize]int) {
	var woken [batchSize]*lane
	wakes := 0
	for k := range n {
		to[k] = st.lane(b.packet(k), own)
		l := st.lanes[to[k]]
		switch {
		case n < spreadAt && l.handling.TryLock():
			l.now(b, k)
			l.handling.Unlock()
		case to[k] != own:
			l.later(b, k)
			woken[wakes] = l
			wakes++
		case n < spreadAt: // the next of this key may find the lane idle, so this one cannot wait
			l.handling.Lock()
			l.now(b, k)
			l.handling.Unlock()
		}
	}
	for _, l := range woken[:wakes] {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	if n < spreadAt {
		return
	}
	l := st.lanes[own]
	l.handling.Lock()
	defer l.handling.Unlock()
	for k := range n {
		if to[k] == own {
			l.now(b, k)
		}
	}
}

// now handles packet k of a batch after all that waits. The caller holds handling.
func (l *lane) now(b *batch, k int) {
	l.drain()
	if src, ok := b.source(k); ok {
		l.h(b.packet(k), src)
	}
}

// later queues packet k of a batch. Where there is no room it is handled here: then this
// worker waits for the other one, and what comes meanwhile stays in the socket, whose
// buffer was sized for it and whose drops are counted.
func (l *lane) later(b *batch, k int) {
	src, ok := b.source(k)
	if !ok {
		return
	}
	l.over.Add(1)
	if l.queue.put(b.packet(k), src) {
		return
	}
	l.full.Add(1)
	l.handling.Lock()
	l.drain()
	l.h(b.packet(k), src)
	l.handling.Unlock()
}

// drain handles what waits. The caller holds handling.
func (l *lane) drain() {
	for l.queue.swap(&l.out) {
		l.out.each(l.h)
	}
}
