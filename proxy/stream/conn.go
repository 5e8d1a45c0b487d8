package stream

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// conn is one connection.
type conn struct {
	g      *Group
	peer   netip.AddrPort
	flow   Flow
	w      *worker
	dialed bool

	// mu is held while a message is written, so that messages do not mix.
	mu     sync.Mutex
	sink   *sink         // nil while dialing
	tls    *tls.Conn     // with TLS
	rw     io.ReadWriter // what messages are read from and written to
	open   bool          // messages may be written
	queue  []byte        // those that wait for that
	queued int

	ended bool // no more is sent; the peer was told

	cause  atomic.Pointer[error] // why it ends, once it does
	listed atomic.Bool           // the table offers it for sending, or did

	active  atomic.Int64 // Group.clock when something last came or went
	asked   atomic.Int64 // Group.clock when a WebSocket client was asked whether it is there
	partial atomic.Int64 // Group.clock when the message that is under way began, 0: none is
}

// framer is what Framer and WSFramer have in common.
type framer interface {
	Space() []byte
	Wrote(n int)
	Next() (Kind, []byte)
	Partial() bool
	Fault() Fault
	Release()
}

func (g *Group) newConn(peer netip.AddrPort, dialed bool) *conn {
	c := &conn{g: g, peer: peer, flow: g.newFlow(), dialed: dialed, w: g.workers[spread(peer)>>8%uint32(len(g.workers))]}
	c.active.Store(g.tick())
	return c
}

// attach gives a connection its socket.
func (c *conn) attach(tcp *net.TCPConn) error {
	s, err := newSink(tcp, c.g.o.OutBuffer, c.g.o.WriteTimeout, c.g.spawn, c.drop)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone() {
		return net.ErrClosed
	}
	c.sink, c.rw = s, s
	return nil
}

// serve runs an accepted connection: handshake, then reading until it ends.
func (c *conn) serve() {
	defer c.finished()
	if err := c.greet(); err != nil {
		c.leave(err)
		return
	}
	c.mu.Lock()
	c.open = true
	c.mu.Unlock()
	c.listed.Store(true)
	c.g.table.add(c)
	if c.gone() {
		return // closed meanwhile: finished takes it off the table
	}
	c.leave(c.read())
}

// greet performs the handshakes of an accepted connection.
func (c *conn) greet() error {
	g := c.g
	if !g.secure && !g.ws {
		return nil
	}
	defer g.stats.handshaking.Add(-1)
	err := c.sink.SetReadDeadline(time.Now().Add(g.l.Connections.Handshake.D()))
	if err == nil && g.secure {
		err = c.encrypt(tls.Server(c.sink, g.serverConfig()))
	}
	if err == nil && g.ws {
		err = upgrade(c.rw, g.o.Path)
	}
	if err == nil {
		err = c.sink.SetReadDeadline(time.Time{})
	}
	if err != nil {
		g.stats.handshakeErrors.Add(1)
		if g.ws && (!g.secure || c.tls != nil) {
			c.linger() // for the client is told why
		}
		return errors.Join(errHandshake, err)
	}
	return nil
}

// encrypt performs a TLS handshake.
func (c *conn) encrypt(t *tls.Conn) error {
	if err := t.Handshake(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tls, c.rw = t, t
	return nil
}

// connect makes a connection to the peer, then runs it.
func (c *conn) connect() {
	defer c.finished()
	err := c.dial()
	c.g.stats.dialing.Add(-1)
	if err == nil {
		err = c.flush()
	} else {
		err = errors.Join(ErrUnreached, err)
	}
	if err != nil {
		c.g.stats.dialFailures.Add(1)
		c.leave(err)
		return
	}
	c.leave(c.read())
}

func (c *conn) dial() error {
	g := c.g
	by := time.Now().Add(g.l.Connections.Handshake.D())
	d := net.Dialer{
		Deadline: by, Control: g.configure,
		LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(g.l.Address.Addr(), 0)),
	}
	if t := time.Now().Add(g.o.DialTimeout); g.o.DialTimeout > 0 && t.Before(by) {
		d.Deadline = t
	}
	tcp, err := d.DialContext(g.ctx, g.network(), c.peer.String())
	if err != nil {
		return err
	}
	if err := c.attach(tcp.(*net.TCPConn)); err != nil {
		return errors.Join(err, tcp.Close())
	}
	if !g.secure {
		return nil
	}
	err = c.sink.SetReadDeadline(by)
	if err == nil {
		err = c.encrypt(tls.Client(c.sink, g.clientConfig(c.peer)))
	}
	if err != nil {
		g.stats.handshakeErrors.Add(1)
		return errors.Join(errHandshake, err)
	}
	return c.sink.SetReadDeadline(time.Time{})
}

// flush sends what waited for the connection and opens it for more.
func (c *conn) flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone() {
		return net.ErrClosed
	}
	if len(c.queue) > 0 {
		if _, err := c.rw.Write(c.queue); err != nil {
			return err
		}
	}
	c.queue, c.queued, c.open = nil, 0, true
	return nil
}

// read hands on what comes until the connection ends, and says why it did.
func (c *conn) read() error {
	select {
	case <-c.w.ready:
	case <-c.g.ctx.Done():
		return net.ErrClosed
	}
	var f framer
	if c.g.ws {
		f = &WSFramer{MaxMessage: c.g.max}
	} else {
		f = &Framer{MaxHeader: c.g.o.MaxHeader, MaxMessage: c.g.max}
	}
	defer f.Release()
	partial := false
	for {
		n, err := c.rw.Read(f.Space())
		if n > 0 {
			f.Wrote(n)
			c.w.bytes.Add(uint64(n))
			c.active.Store(c.g.tick())
			whole, end := c.frames(f)
			if end != nil {
				return end
			}
			// The clock runs from the first byte of each message.
			switch p := f.Partial(); {
			case p && (whole || !partial):
				c.partial.Store(c.g.tick())
				partial = true
			case !p && partial:
				c.partial.Store(0)
				partial = false
			}
		}
		if err != nil {
			return err
		}
	}
}

// frames hands on what the framer holds. It reports whether a message was complete, and
// an error when nothing more is to be read.
func (c *conn) frames(f framer) (whole bool, err error) {
	for !c.gone() {
		kind, p := f.Next()
		switch kind {
		case More:
			return whole, nil
		case Message:
			whole = true
			c.w.deliver(p, c.peer, c.flow)
		case Ping:
			c.w.pings.Add(1)
			c.pong(p)
		case Idle:
			c.w.pings.Add(1)
		case Broken:
			c.g.stats.faults[f.Fault()].Add(1)
			if p != nil {
				c.w.deliver(p, c.peer, c.flow)
			}
			c.endWith(f)
			return whole, errMessage
		case End:
			c.endWith(f)
			return whole, io.EOF
		}
	}
	return whole, net.ErrClosed
}

var crlf = []byte("\r\n")

// pong answers a keep-alive: CRLF (RFC 5626 4.4.1), or a pong frame.
func (c *conn) pong(p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// An error closes the connection by itself.
	if c.g.ws {
		_ = c.writeFrame(ws.OpPong, p)
	} else {
		_, _ = c.rw.Write(crlf)
	}
}

// ping asks a WebSocket client whether it is there (RFC 6455 5.5.2): a page cannot say so
// by itself.
func (c *conn) ping() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open && !c.ended && !c.gone() {
		_ = c.writeFrame(ws.OpPing, nil) // an error closes the connection by itself
	}
}

// lingering bounds how long and how much is read from a peer that was told that nothing
// more is read: closing at once would reset the connection, and the reset may overtake
// what was told.
const (
	lingerTime  = time.Second
	lingerBytes = 1 << 20
)

// endWith says that nothing more is sent and waits a moment for the peer to close.
func (c *conn) endWith(f framer) {
	c.g.table.unlist(c)
	c.mu.Lock()
	if w, ok := f.(*WSFramer); ok {
		_ = c.writeFrame(ws.OpClose, ws.NewCloseFrameBody(w.Code(), ""))
	}
	c.open, c.ended = false, true
	if c.tls != nil {
		_ = c.tls.CloseWrite()
	}
	c.mu.Unlock()
	c.linger()
}

// linger half-closes and reads on for a moment.
func (c *conn) linger() {
	c.sink.end()
	if c.sink.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.CopyN(io.Discard, struct{ io.Reader }{c.sink.TCPConn}, lingerBytes)
	}
}

// send sends one message, or keeps it until the connection stands.
func (c *conn) send(p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.gone() || c.ended:
		return errGone
	case c.open:
		if err := c.write(p); err != nil {
			return err
		}
		c.active.Store(c.g.tick())
		return nil
	case len(c.queue)+len(p) > c.g.o.OutBuffer:
		return ErrFull
	}
	c.queue = append(c.queue, p...)
	c.queued++
	return nil
}

// errGone says that a connection ended meanwhile: another may be made.
var errGone = errors.New("the connection ended")

// gone reports whether the connection ends.
func (c *conn) gone() bool { return c.cause.Load() != nil }

// write writes one message. The caller holds mu.
func (c *conn) write(p []byte) error {
	if c.g.ws {
		return c.writeFrame(ws.OpText, p)
	}
	_, err := c.rw.Write(p)
	return err
}

// writeFrame writes one frame of a WebSocket. SIP messages that are text go as such: a
// browser hands binary ones to its page as something else. The caller holds mu.
func (c *conn) writeFrame(op ws.OpCode, p []byte) error {
	if op == ws.OpText && !utf8.Valid(p) {
		op = ws.OpBinary
	}
	b := takeBlock(maxFrameHeader + len(p))
	_, err := c.rw.Write(appendFrame(b.b[:0], op, p))
	b.give()
	return err
}

// leave ends a connection. It does not wait, may be called by anybody who does not hold
// mu, and more than once; the first cause counts.
func (c *conn) leave(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open && !c.ended && !c.gone() && (cause == net.ErrClosed || cause == errIdle) {
		if c.g.ws {
			_ = c.writeFrame(ws.OpClose, ws.NewCloseFrameBody(ws.StatusGoingAway, ""))
		}
		if c.tls != nil {
			_ = c.tls.CloseWrite()
		}
	}
	c.drop(cause)
}

// drop is leave without a farewell. The connection has a socket, or the caller holds mu.
func (c *conn) drop(cause error) {
	if !c.cause.CompareAndSwap(nil, &cause) {
		return
	}
	c.g.table.unlist(c)
	if c.sink != nil {
		_ = c.sink.TCPConn.Close() // wakes up whoever reads or writes
	}
}

// finished takes a connection off everything, when its goroutine ends.
func (c *conn) finished() {
	g := c.g
	c.mu.Lock()
	c.drop(io.EOF) // without effect where there was a cause
	lost := c.queued
	c.queue, c.queued, c.open = nil, 0, false
	if c.sink != nil {
		g.stats.lostBytes.Add(uint64(c.sink.unsent()))
	}
	c.mu.Unlock()
	g.stats.lostMessages.Add(uint64(lost))
	g.table.remove(c)
	g.sources.release(c.peer.Addr(), c.dialed)
	g.stats.live.Add(-1)
	switch cause := *c.cause.Load(); {
	case cause == net.ErrClosed || cause == errIdle || g.ctx.Err() != nil:
	case errors.Is(cause, errSlow):
		g.stats.slow.Add(1)
		fallthrough
	default:
		if c.listed.Load() && g.o.Failed != nil {
			g.o.Failed(c.peer, c.flow, cause)
		}
	}
}
