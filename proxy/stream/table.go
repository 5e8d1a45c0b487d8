package stream

import (
	"net/netip"
	"sync"
	"time"

	"trunkline/appliance/runtime"
)

// tableShards keeps workers that send to different peers off one lock.
const tableShards = 64

// table holds the connections: all of them, those that may be sent to by their flow, and
// by the peer's address and port the one that is used to send there.
type table struct {
	shards [tableShards]tableShard
	flows  [tableShards]flowShard // locked last
}

type tableShard struct {
	mu     sync.RWMutex
	byPeer map[netip.AddrPort]*conn
	conns  map[*conn]struct{}
	_      [64]byte
}

func (t *table) init() {
	for i := range t.shards {
		t.shards[i].byPeer = map[netip.AddrPort]*conn{}
		t.flows[i].conns = map[Flow]*conn{}
		t.shards[i].conns = map[*conn]struct{}{}
	}
}

// spread is a hash of a peer's address and port (FNV-1a): it says to which worker and
// shard its connections belong.
func spread(a netip.AddrPort) uint32 {
	h := uint32(2166136261)
	for _, b := range a.Addr().As16() {
		h = (h ^ uint32(b)) * 16777619
	}
	h = (h ^ uint32(a.Port()&0xff)) * 16777619
	h = (h ^ uint32(a.Port()>>8)) * 16777619
	return h ^ h>>15
}

func (t *table) shard(a netip.AddrPort) *tableShard { return &t.shards[spread(a)%tableShards] }

// find returns the connection to send to a peer by, or nil.
func (t *table) find(peer netip.AddrPort) *conn {
	sh := t.shard(peer)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.byPeer[peer]
}

// add enters a connection, which from now on is the one to its peer: of two the newer
// is the one that surely works.
func (t *table) add(c *conn) {
	t.addFlow(c)
	sh := t.shard(c.peer)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.byPeer[c.peer] = c
	sh.conns[c] = struct{}{}
}

// addFirst enters c unless there is a connection to its peer, which it returns then.
func (t *table) addFirst(c *conn) *conn {
	sh := t.shard(c.peer)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if other := sh.byPeer[c.peer]; other != nil {
		return other
	}
	t.addFlow(c)
	sh.byPeer[c.peer] = c
	sh.conns[c] = struct{}{}
	return c
}

// hold enters a connection that is not to be sent to yet.
func (t *table) hold(c *conn) {
	sh := t.shard(c.peer)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.conns[c] = struct{}{}
}

// unlist ends the use of a connection for sending; it still counts.
func (t *table) unlist(c *conn) {
	t.removeFlow(c)
	sh := t.shard(c.peer)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.byPeer[c.peer] == c {
		delete(sh.byPeer, c.peer)
	}
}

func (t *table) remove(c *conn) {
	t.removeFlow(c)
	sh := t.shard(c.peer)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.byPeer[c.peer] == c {
		delete(sh.byPeer, c.peer)
	}
	delete(sh.conns, c)
}

// all appends the connections at this moment.
func (t *table) all(out []*conn) []*conn {
	for i := range t.shards {
		sh := &t.shards[i]
		sh.mu.RLock()
		for c := range sh.conns {
			out = append(out, c)
		}
		sh.mu.RUnlock()
	}
	return out
}

// refusal is why a connection was not taken.
type refusal uint8

const (
	refusedNot        refusal = iota
	refusedSource             // Admit said no
	refusedMax                // the listener has as many as it may
	refusedPerSource          // the address has
	refusedRate               // the address opened too many within a second
	refusedHandshakes         // too many handshakes are under way
	refusedSystem             // the system has no descriptor or memory left
	numRefusals
)

var refusalNames = [numRefusals]string{"", "source", "max", "per_source", "rate", "handshakes", "system"}

// sources counts accepted connections by address, and how many an address opens in a
// second. An address that neither has one nor just opened one is forgotten.
type sources struct {
	mu        sync.Mutex
	max       int
	perSource int
	live      int // all connections, dialed ones too
	by        map[netip.Addr]*source
}

type source struct {
	live   int
	second int64 // the one that opened counts
	opened int
}

func (s *sources) init(c runtime.Connections) {
	s.max, s.perSource, s.by = c.Max, c.PerSource, map[netip.Addr]*source{}
}

// accept counts a connection of an address, or says why there must be none.
func (s *sources) accept(a netip.Addr, now time.Duration) refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.by[a]
	if x == nil {
		if s.live >= s.max || len(s.by) > 2*s.max+1024 {
			return refusedMax
		}
		x = &source{}
		s.by[a] = x
	}
	if second := int64(now / time.Second); second != x.second {
		x.second, x.opened = second, 0
	}
	switch {
	case x.live >= s.perSource:
		return refusedPerSource
	case x.opened >= s.perSource:
		return refusedRate
	case s.live >= s.max:
		return refusedMax
	}
	x.live++
	x.opened++
	s.live++
	return refusedNot
}

// dial counts a connection of ours.
func (s *sources) dial() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live >= s.max {
		return false
	}
	s.live++
	return true
}

// release takes a connection off; dialed ones have no source.
func (s *sources) release(a netip.Addr, dialed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live--
	if !dialed {
		s.by[a].live--
	}
}

// forget drops what counts nothing any more.
func (s *sources) forget(now time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for a, x := range s.by {
		if x.live == 0 && x.second != int64(now/time.Second) {
			delete(s.by, a)
		}
	}
}
