package stream

import (
	"net"
	"net/netip"
)

// Send sends a message by the connection to an address, or makes one. Any goroutine may
// call it; messages to one address leave in the order of the calls. It never waits. nil
// means that the message was written or waits to be: a connection that fails later is told
// to Options.Failed. After Close the error is net.ErrClosed.
func (g *Group) Send(pkt []byte, to netip.AddrPort) error {
	if to.Addr().Is4In6() {
		to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	}
	for range 2 { // one that ended just now makes room for another
		c := g.table.find(to)
		if c == nil {
			break
		}
		if err := c.send(pkt); err != errGone {
			return g.sent(c, pkt, err)
		}
	}
	return g.reach(pkt, to)
}

// sent counts.
func (g *Group) sent(c *conn, pkt []byte, err error) error {
	switch err {
	case nil:
		c.w.sent.Add(1)
		c.w.sentBytes.Add(uint64(len(pkt)))
	case ErrFull:
		g.stats.queueFull.Add(1)
	default:
		g.stats.sendErrors.Add(1)
	}
	return err
}

// reach begins to make a connection, with pkt the first to go; nil: nothing goes yet.
func (g *Group) reach(pkt []byte, to netip.AddrPort) error {
	err := g.mayDial(to)
	if err != nil {
		g.stats.sendErrors.Add(1)
		return err
	}
	c := g.newConn(to, true)
	c.listed.Store(true)
	c.mu.Lock() // nobody's message goes before pkt
	other := g.table.addFirst(c)
	if other != c {
		c.mu.Unlock()
		g.stats.dialing.Add(-1)
		g.sources.release(to.Addr(), true)
		if pkt == nil {
			return nil
		}
		return g.sent(other, pkt, other.send(pkt))
	}
	if pkt != nil {
		c.queue, c.queued = append(c.queue, pkt...), 1
	}
	c.mu.Unlock()
	g.stats.dials.Add(1)
	g.stats.live.Add(1)
	if !g.spawn(c.connect) {
		g.stats.dialing.Add(-1)
		c.leave(net.ErrClosed)
		c.finished()
		return net.ErrClosed
	}
	if pkt == nil {
		return nil
	}
	return g.sent(c, pkt, nil)
}

// mayDial applies the bounds and counts a dial under way.
func (g *Group) mayDial(to netip.AddrPort) error {
	switch {
	case g.ctx.Err() != nil:
		return net.ErrClosed
	case g.ws:
		return ErrNoConnection
	case to.Addr().Is4() != g.l.Address.Addr().Is4():
		return ErrFamily
	}
	if g.stats.dialing.Add(1) > int64(g.o.MaxDials) {
		g.stats.dialing.Add(-1)
		g.stats.dialsRefused.Add(1)
		return ErrDials
	}
	if !g.sources.dial() {
		g.stats.dialing.Add(-1)
		g.stats.dialsRefused.Add(1)
		return ErrMax
	}
	return nil
}

// Connected reports whether a connection to an address stands, by which Send would send at
// once.
func (g *Group) Connected(to netip.AddrPort) bool {
	c := g.table.find(to)
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open && !c.ended && !c.gone()
}

// Dial begins to make a connection to an address that has none. Like Send it does not wait;
// a failure is told to Options.Failed.
func (g *Group) Dial(to netip.AddrPort) error {
	if g.table.find(to) != nil {
		return nil
	}
	return g.reach(nil, to)
}
