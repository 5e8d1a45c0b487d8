package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"trunkline/tools/sipload/wire"
)

// world is what the parties of a soak share: what happened, and whether they go on.
type world struct {
	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup // calls and readers

	mu       sync.Mutex
	outcomes map[string]int // of calls, by what was wanted and what came
	problems []string
}

func newWorld(ctx context.Context) *world {
	w := &world{outcomes: map[string]int{}}
	w.ctx, w.stop = context.WithCancel(ctx)
	return w
}

func (w *world) outcome(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outcomes[fmt.Sprintf(format, args...)]++
}

// problem notes what must not be; the first few are enough.
func (w *world) problem(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx.Err() == nil && len(w.problems) < 20 {
		w.problems = append(w.problems, fmt.Sprintf(format, args...))
	}
}

// party is a SIP party at one address: it knows its dialogs by Call-ID, and makes new
// ones of the INVITEs it gets where it answers calls.
type party struct {
	w        *world
	addr     netip.AddrPort
	stream   bool    // over TCP
	loss     float64 // of its datagrams
	deaf     atomic.Bool
	answers  bool
	mu       sync.Mutex
	dialogs  map[string]*dialog
	udp      *link
	listener *net.TCPListener
	links    map[*link]bool // connections
}

func (w *world) party(addr string, stream bool) *party {
	return &party{w: w, addr: netip.MustParseAddrPort(addr), stream: stream, dialogs: map[string]*dialog{}, links: map[*link]bool{}}
}

// open opens the party's socket.
func (p *party) open() error {
	if !p.stream {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(p.addr))
		if err != nil {
			return err
		}
		_ = c.SetReadBuffer(4 << 20)
		p.udp = &link{local: p.addr, udp: c, loss: p.loss, end: make(chan struct{}), deaf: &p.deaf}
		p.run(p.udp)
		return nil
	}
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(p.addr))
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.listener = l
	p.mu.Unlock()
	p.w.wg.Go(func() {
		for {
			c, err := l.AcceptTCP()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				p.connected(c)
			}
		}
	})
	return nil
}

// dial makes a connection to the proxy, nil when that fails.
func (p *party) dial(to netip.AddrPort) *link {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: p.addr.Addr().AsSlice()}, Timeout: patience}
	c, err := d.DialContext(p.w.ctx, "tcp", to.String())
	if err != nil {
		return nil
	}
	return p.connected(c.(*net.TCPConn))
}

func (p *party) connected(c *net.TCPConn) *link {
	l := &link{local: p.addr, tcp: c, end: make(chan struct{}), deaf: &p.deaf}
	p.mu.Lock()
	p.links[l] = true
	p.mu.Unlock()
	p.run(l)
	return l
}

func (p *party) run(l *link) {
	p.w.wg.Go(func() {
		if err := l.read(p.receive); err != nil {
			p.w.problem("%s: %v", p.addr, err)
		}
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
	})
}

// fail makes the party fail: it is not heard any more; over TCP its connections are
// reset and new ones refused.
func (p *party) fail() {
	p.deaf.Store(true)
	if !p.stream {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
	for l := range p.links {
		go l.reset()
	}
}

// recover makes it work again.
func (p *party) recover() error {
	p.deaf.Store(false)
	if !p.stream {
		return nil
	}
	return p.open()
}

// close ends everything at once.
func (p *party) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.udp != nil {
		p.udp.close()
	}
	if p.listener != nil {
		_ = p.listener.Close()
	}
	for l := range p.links {
		go l.close()
	}
}

// receive hands a message to its dialog, or begins one.
func (p *party) receive(m *message) {
	p.mu.Lock()
	d := p.dialogs[string(m.CallID)]
	if d == nil && p.answers && m.Status == 0 && m.Method == wire.INVITE && wire.Tag(m.To) == nil && p.w.ctx.Err() == nil {
		d = p.newDialog(string(m.CallID))
		p.mu.Unlock()
		d.answer(m)
		return
	}
	p.mu.Unlock()
	switch {
	case d != nil:
		select {
		case d.in <- m:
		default: // a dialog that hears nothing any more
		}
	case m.Status != 0 || m.Method == wire.ACK:
	case m.Method == wire.OPTIONS:
		m.link.send(m.src, reply(m, 200, "probed", ""))
	default:
		m.link.send(m.src, reply(m, 481, "none", ""))
	}
}

// newDialog makes a dialog known; the caller holds mu.
func (p *party) newDialog(callID string) *dialog {
	d := &dialog{p: p, id: callID, tag: "t" + callID[:min(8, len(callID))], in: make(chan *message, 256)}
	p.dialogs[callID] = d
	return d
}

// forget ends a dialog; what still comes for it is none of it.
func (p *party) forget(d *dialog) {
	p.mu.Lock()
	delete(p.dialogs, d.id)
	p.mu.Unlock()
}

// reply writes a reply (RFC 3261 8.2.6).
func reply(m *message, code int, tag, contact string) []byte {
	b := fmt.Appendf(nil, "SIP/2.0 %d Soak\r\n", code)
	b = wire.AppendVias(b, &m.Via, m.src)
	if code > 100 && code < 300 {
		b = append(b, bytes.Join(m.RecordRt.Full[:m.RecordRt.N], nil)...)
	}
	b = fmt.Appendf(b, "From: %s\r\nTo: %s", m.From, m.To)
	if code > 100 && wire.Tag(m.To) == nil {
		b = fmt.Appendf(b, ";tag=%s", tag)
	}
	b = fmt.Appendf(b, "\r\nCall-ID: %s\r\nCSeq: %s\r\n", m.CallID, m.CSeq)
	if contact != "" {
		b = fmt.Appendf(b, "Contact: <%s>\r\n", contact)
	}
	return append(b, "Content-Length: 0\r\n\r\n"...)
}

// patience bounds every wait for what must come; what comes, comes long before.
const patience = 60 * time.Second
