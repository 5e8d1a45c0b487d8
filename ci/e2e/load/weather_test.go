package load

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Addresses of the soak, as in testdata/soak.
const (
	soakUDP     = "127.92.0.2:5060"
	soakTCP     = "127.92.0.3:5060"
	soakCaller  = "127.92.0.10:5060"
	soakCallees = "127.92.0.21:5060,127.92.0.22:5060"
)

// cast is the parties of the soak.
type cast struct {
	callers, streamCallers []*party
	failing                map[string]*party // by set/destination
	order                  []string          // of failing
	all                    []*party
}

// lossShare is how many of the datagrams from and to the lossy callee are lost.
const lossShare = 0.1

func newCast(w *world) (*cast, error) {
	c := &cast{failing: map[string]*party{}}
	add := func(addr string, stream, answers bool) *party {
		p := w.party(addr, stream)
		p.answers = answers
		c.all = append(c.all, p)
		return p
	}
	for i := range 4 {
		c.callers = append(c.callers, add(fmt.Sprintf("127.92.7.%d:5060", i+1), false, false))
		c.streamCallers = append(c.streamCallers, add(fmt.Sprintf("127.92.8.%d:5060", i+1), true, false))
	}
	for i, name := range []string{"a", "b", "c"} {
		c.failing["flapping/"+name] = add(fmt.Sprintf("127.92.1.%d:5060", i+1), false, true)
		c.failing["streams/"+name] = add(fmt.Sprintf("127.92.2.%d:5060", i+1), true, true)
		c.order = append(c.order, "flapping/"+name, "streams/"+name)
	}
	add("127.92.3.1:5060", false, true).loss = lossShare
	add("127.92.4.1:5060", false, true)
	for _, p := range c.all {
		if err := p.open(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// states are those of the destinations, by set/destination.
func (f *figures) states() map[string]string {
	out := map[string]string{}
	for _, d := range f.Destinations {
		out[d.Set+"/"+d.Name] = d.State
	}
	return out
}

// reaches waits until a destination is in a state, or not. It reports false when ctx
// ended first.
func (p *proxy) reaches(ctx context.Context, name, state string, is bool) (bool, error) {
	for end := time.Now().Add(patience); time.Now().Before(end); {
		f, err := p.read()
		if err != nil {
			return false, err
		}
		if (f.states()[name] == state) == is {
			return true, nil
		}
		select {
		case <-ctx.Done():
			return false, nil
		case <-time.After(100 * time.Millisecond):
		}
	}
	return false, fmt.Errorf("destination %s: waited for active to be %v in vain", name, is)
}

// flap makes one destination after the other fail until its probes have taken it out,
// and works again until they have taken it in, for as long as ctx lasts. It returns the
// number of times.
func (c *cast) flap(ctx context.Context, w *world, p *proxy, pause time.Duration) (n int) {
	for i := 0; ctx.Err() == nil; i++ {
		name := c.order[i%len(c.order)]
		x := c.failing[name]
		x.fail()
		out, err := p.reaches(ctx, name, "active", false)
		if err == nil && out {
			wait(ctx, pause)
		}
		if e := x.recover(); e != nil {
			w.problem("%s does not open again: %v", name, e)
		}
		if err != nil {
			w.problem("%v", err)
			return n
		}
		if out {
			n++
		}
		if _, err := p.reaches(ctx, name, "active", true); err != nil {
			w.problem("%v", err)
			return n
		}
		wait(ctx, pause)
	}
	return n
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// calls places calls of all scripts at a rate, calls a second, for as long as ctx
// lasts. It returns their number.
func (c *cast) calls(ctx context.Context, rate int) (n int) {
	udp, tcp := netip.MustParseAddrPort(soakUDP), netip.MustParseAddrPort(soakTCP)
	t := time.NewTicker(time.Second / time.Duration(rate))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return n
		case <-t.C:
		}
		// The first calls are one of each script; then they come by chance.
		s := pick()
		if n < len(scripts) {
			s = &scripts[n]
		}
		n++
		if s.stream {
			c.streamCallers[n%len(c.streamCallers)].place(s, n, tcp)
		} else {
			c.callers[n%len(c.callers)].place(s, n, udp)
		}
	}
}

// junk sends what is no SIP over connections of an admitted source, and lets some hang
// half-way, for as long as ctx lasts. It returns the number of connections.
func (c *cast) junk(ctx context.Context, every time.Duration) (n int) {
	texts := []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00", "\r\n\r\n\r\n", "INVITE sip:a SIP/2.0\r\nContent-Length: 99999999999\r\n\r\n",
		"INVITE sip:a SIP/2.0\r\nContent-Length: 50\r\n\r\nhalf", "A: b\r\n", "",
	}
	for ; ctx.Err() == nil; n++ {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 92, 9, 1)}, Timeout: patience}
		conn, err := d.DialContext(ctx, "tcp", soakTCP)
		if err == nil {
			_, _ = conn.Write([]byte(texts[n%len(texts)]))
			wait(ctx, every)
			if n%2 == 0 {
				_ = conn.(*net.TCPConn).SetLinger(0)
			}
			_ = conn.Close()
		} else {
			wait(ctx, every)
		}
	}
	return n
}
