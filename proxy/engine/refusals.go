package engine

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"trunkline/proxy/transaction"
)

// Bounds of what is remembered of peers that take no connection.
const (
	// refusedFor is how long such a peer is spared: with TCP blocked on the way, a call that
	// tries waits for as long as a connection may take to be made.
	refusedFor  = 5 * time.Minute
	maxRefusals = 1024 // peers; of more, those that are due first are forgotten
)

// refusals are the peers to which no connection could be made. Workers look without a lock;
// what changes the set makes another.
type refusals struct {
	mu  sync.Mutex                                             // of who changes it
	set atomic.Pointer[map[transaction.Endpoint]*atomic.Int64] // when to try again, ms of the engine's clock
}

func (r *refusals) find(peer transaction.Endpoint) *atomic.Int64 {
	m := r.set.Load()
	if m == nil {
		return nil
	}
	return (*m)[peer]
}

// len is how many peers are remembered.
func (r *refusals) len() int {
	if m := r.set.Load(); m != nil {
		return len(*m)
	}
	return 0
}

// has reports whether a peer refused. To one caller at a time it also says that the peer is
// due for another try.
func (r *refusals) has(peer transaction.Endpoint, now int64) (refused, due bool) {
	at := r.find(peer)
	if at == nil {
		return false, false
	}
	t := at.Load()
	return true, t <= now && at.CompareAndSwap(t, now+refusedFor.Milliseconds())
}

// add remembers a peer from now on.
func (r *refusals) add(peer transaction.Endpoint, now int64) {
	until := now + refusedFor.Milliseconds()
	r.mu.Lock()
	defer r.mu.Unlock()
	if at := r.find(peer); at != nil {
		at.Store(until)
		return
	}
	r.change(func(m map[transaction.Endpoint]*atomic.Int64) {
		if len(m) >= maxRefusals {
			var first transaction.Endpoint
			var least int64
			for p, at := range m {
				if t := at.Load(); least == 0 || t < least {
					first, least = p, t
				}
			}
			delete(m, first)
		}
		at := &atomic.Int64{}
		at.Store(until)
		m[peer] = at
	})
}

// forget is for a peer that took a connection after all.
func (r *refusals) forget(peer transaction.Endpoint) {
	if r.find(peer) == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.change(func(m map[transaction.Endpoint]*atomic.Int64) { delete(m, peer) })
}

// change puts an altered copy in place. The caller holds mu.
func (r *refusals) change(edit func(map[transaction.Endpoint]*atomic.Int64)) {
	m := map[transaction.Endpoint]*atomic.Int64{}
	if old := r.set.Load(); old != nil {
		m = maps.Clone(*old)
	}
	edit(m)
	r.set.Store(&m)
}
