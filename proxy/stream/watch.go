package stream

import "time"

// tick is the clock of the last look at the connections, never 0: exact enough for
// bounds of seconds, and free to read.
func (g *Group) tick() int64 { return max(g.clock.Load(), 1) }

// watch ends connections that were idle, or under way with one message, for too long.
// WebSocket clients are asked for a sign of life when half of that time has gone by.
func (g *Group) watch() {
	idle, message := g.l.Connections.Idle.D(), g.o.MessageTimeout
	every := min(max(min(idle, message)/8, 5*time.Millisecond), time.Second)
	t := time.NewTicker(every)
	defer t.Stop()
	var conns []*conn
	for {
		select {
		case <-g.ctx.Done():
			return
		case <-t.C:
		}
		now := g.now()
		g.clock.Store(int64(now))
		g.sources.forget(now)
		clear(conns)
		conns = g.table.all(conns[:0])
		for _, c := range conns {
			switch p := c.partial.Load(); {
			case p != 0 && now-time.Duration(p) > message:
				g.stats.tooSlow.Add(1)
				c.leave(errTooSlow)
			case c.listed.Load() && now-time.Duration(c.active.Load()) > idle:
				// One that is being made has a deadline of its own, and was active just now.
				g.stats.idle.Add(1)
				c.leave(errIdle)
			case g.ws && c.listed.Load() && now-time.Duration(c.active.Load()) > idle/2 && c.asked.Load() <= c.active.Load():
				c.asked.Store(int64(now))
				c.ping()
			}
		}
	}
}
