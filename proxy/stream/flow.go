package stream

import (
	"net/netip"
	"sync"
)

// newFlow numbers a connection. Numbers come back after MaxFlow connections, none while its
// connection stands.
func (g *Group) newFlow() Flow {
	for {
		if f := Flow(g.made.Add(1)) & GoneFlow; f != 0 && f != GoneFlow && g.table.flow(f) == nil {
			return f
		}
	}
}

// SendFlow sends a message by one connection and no other, as Send does. The error is
// ErrNoFlow when that connection has ended.
func (g *Group) SendFlow(pkt []byte, f Flow) error {
	c := g.table.flow(f)
	if c == nil {
		g.stats.sendErrors.Add(1)
		return ErrNoFlow
	}
	err := c.send(pkt)
	if err == errGone {
		err = ErrNoFlow
	}
	return g.sent(c, pkt, err)
}

// Peer is the address and port that a connection leads to; false when it has ended.
func (g *Group) Peer(f Flow) (netip.AddrPort, bool) {
	c := g.table.flow(f)
	if c == nil {
		return netip.AddrPort{}, false
	}
	return c.peer, true
}

// flowShard holds some of the connections that may be sent to.
type flowShard struct {
	mu    sync.RWMutex
	conns map[Flow]*conn
	_     [64]byte
}

// flow returns a connection that may be sent to, or nil.
func (t *table) flow(f Flow) *conn {
	sh := &t.flows[f%tableShards]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.conns[f]
}

func (t *table) addFlow(c *conn) {
	sh := &t.flows[c.flow%tableShards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.conns[c.flow] = c
}

func (t *table) removeFlow(c *conn) {
	sh := &t.flows[c.flow%tableShards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	delete(sh.conns, c.flow)
}
