package dispatch

import (
	"net/netip"
	"sync"
)

// source is where replies to probes come from: an address, at a listener.
type source struct {
	listener string
	addr     netip.Addr
}

// sources are those whose replies are taken. Workers ask it without a lock; names come
// to lead elsewhere meanwhile.
type sources struct {
	known sync.Map // of source

	mu    sync.Mutex
	count map[source]int // destinations at it
}

func (s *sources) has(x source) bool {
	_, ok := s.known.Load(x)
	return ok
}

func (s *sources) add(x source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count[x]++; s.count[x] == 1 {
		s.known.Store(x, nil)
	}
}

func (s *sources) remove(x source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count[x]--; s.count[x] == 0 {
		delete(s.count, x)
		s.known.Delete(x)
	}
}

// following are the sources of one destination by name. It belongs to the goroutine
// that probes it.
type following struct {
	all      *sources
	listener string
	now      map[netip.Addr]bool
}

// set makes the targets of the destination its sources, and none else.
func (f *following) set(targets []Target) {
	next := make(map[netip.Addr]bool, len(targets))
	for _, t := range targets {
		a := t.Addr.Addr()
		if next[a] {
			continue
		}
		if next[a] = true; !f.now[a] {
			f.all.add(source{f.listener, a})
		}
	}
	for a := range f.now {
		if !next[a] {
			f.all.remove(source{f.listener, a})
		}
	}
	f.now = next
}
