package scenarios

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// patience is how long something is waited for that must come. It decides nothing but
// when a broken proxy is given up.
const patience = time.Minute

// party is one agent on the network: an address, and connections unless it is over UDP. It
// sends what it is told and keeps what it gets.
type party struct {
	name      string
	addr      netip.AddrPort
	proxy     netip.AddrPort // the listener it talks to
	transport string         // "udp", "tcp", "tls"; callers also "ws", "wss"
	tls       *tls.Config    // with tls and wss
	up        bool
	deaf      bool // to probes; guarded by mu

	udp      *net.UDPConn
	listener net.Listener
	out      *link // what its own requests leave by

	mu    sync.Mutex
	links []*link
	inbox []arrival
	news  chan struct{}
	wg    sync.WaitGroup

	seen map[string]bool
	dups int // datagrams that came again
}

// link is what messages leave by: the socket over UDP, a connection otherwise.
type link struct {
	conn net.Conn // nil over UDP
	to   netip.AddrPort
	gone bool // it is closed; guarded by party.mu
}

// arrival is a message that came.
type arrival struct {
	msg  string
	from *link
}

// open makes the party reachable.
func (p *party) open(t testing.TB) {
	t.Helper()
	if p.up {
		return
	}
	var err error
	if p.transport == "udp" {
		if p.udp, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(p.addr)); err != nil {
			t.Fatal(err)
		}
		_ = p.udp.SetReadBuffer(1 << 20)
		p.wg.Go(func() { p.readDatagrams(p.udp) })
		p.out = &link{to: p.proxy}
	} else if !p.browser() {
		if p.listener, err = net.Listen("tcp", p.addr.String()); err != nil {
			t.Fatal(err)
		}
		ln := p.listener
		p.wg.Go(func() { p.accept(ln) })
	}
	p.up = true
}

// close makes the party unreachable: what is sent there is refused by its machine.
func (p *party) close() {
	if !p.up {
		return
	}
	if p.udp != nil {
		_ = p.udp.Close()
	}
	if p.listener != nil {
		_ = p.listener.Close()
	}
	p.hangUp(false)
	p.wg.Wait()
	p.up = false
}

// hangUp ends all connections, with a reset where asked.
func (p *party) hangUp(reset bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.links {
		l.gone = true
		if reset {
			raw := l.conn
			if c, ok := raw.(*tls.Conn); ok {
				raw = c.NetConn()
			}
			_ = raw.(*net.TCPConn).SetLinger(0)
			_ = raw.Close()
		} else {
			_ = l.conn.Close()
		}
	}
	p.links, p.out = nil, nil
	if p.transport == "udp" {
		p.out = &link{to: p.proxy}
	}
}

// halfClose says on all connections that nothing more comes from here.
func (p *party) halfClose(t testing.TB) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.links {
		if err := l.conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Error(err)
		}
	}
}

// put keeps what came. Probes are answered at once: they come when they like.
func (p *party) put(msg string, from *link) {
	p.mu.Lock()
	if strings.HasPrefix(msg, "OPTIONS ") && strings.Contains(all(msg, "via"), "branch=z9hG4bKtlprobe") {
		deaf := p.deaf
		p.mu.Unlock()
		if !deaf {
			ok := "SIP/2.0 200 OK\r\n" + all(msg, "via", "from") + strings.TrimSuffix(all(msg, "to"), "\r\n") + ";tag=p\r\n" + all(msg, "call-id", "cseq") + "Content-Length: 0\r\n\r\n"
			_ = p.write(from, ok) // what is lost comes again
		}
		return
	}
	p.inbox = append(p.inbox, arrival{msg, from})
	p.mu.Unlock()
	p.wake()
}

func (p *party) wake() {
	select {
	case p.news <- struct{}{}:
	default:
	}
}

func (p *party) readDatagrams(c *net.UDPConn) {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			if c.SetReadDeadline(time.Time{}) != nil {
				return // closed
			}
			continue // an ICMP error of what was sent before
		}
		p.put(string(buf[:n]), &link{to: netip.AddrPortFrom(from.Addr().Unmap(), from.Port())})
	}
}

func (p *party) accept(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		if p.tls != nil {
			c = tls.Server(c, p.tls)
		}
		p.take(c)
	}
}

// take reads a connection from now on.
func (p *party) take(c net.Conn) *link {
	l := &link{conn: c}
	p.mu.Lock()
	p.links = append(p.links, l)
	p.mu.Unlock()
	p.wg.Go(func() {
		if p.browser() {
			p.readFrames(l)
		} else {
			p.readStream(l)
		}
		p.mu.Lock()
		l.gone = true
		p.mu.Unlock()
		p.wake()
	})
	return l
}

// browser reports whether the party is one that nobody connects to (RFC 7118 4).
func (p *party) browser() bool { return strings.HasPrefix(p.transport, "ws") }

// readFrames takes a message out of each WebSocket message.
func (p *party) readFrames(l *link) {
	for {
		msg, _, err := wsutil.ReadServerData(l.conn) // answers pings
		if err != nil {
			return
		}
		p.put(string(msg), l)
	}
}

// readStream cuts a stream into messages (RFC 3261 18.3).
func (p *party) readStream(l *link) {
	r := bufio.NewReaderSize(l.conn, 1<<16)
	var msg strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		msg.WriteString(line)
		if line != "\r\n" {
			continue
		}
		if msg.Len() > 2 {
			n, _ := strconv.Atoi(header(msg.String()+"\r\n", "content-length"))
			body := make([]byte, n)
			if _, err := io.ReadFull(r, body); err != nil {
				return
			}
			msg.Write(body)
		}
		p.put(msg.String(), l)
		msg.Reset()
	}
}

func (p *party) connect() (net.Conn, error) {
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(p.addr.Addr(), 0)), Timeout: patience}
	return d.DialContext(context.Background(), "tcp", p.proxy.String())
}

// dial makes the connection that the party's own requests leave by.
func (p *party) dial(t testing.TB) {
	t.Helper()
	c, err := p.connect()
	if err != nil {
		t.Fatalf("%s cannot reach the proxy: %v", p.name, err)
	}
	if p.browser() {
		d := ws.Dialer{Protocols: []string{"sip"}, Timeout: patience, TLSConfig: p.tls, NetDial: func(context.Context, string, string) (net.Conn, error) { return c, nil }}
		w, _, _, err := d.Dial(context.Background(), p.transport+"://"+p.proxy.String()+"/")
		if err != nil {
			t.Fatalf("%s: WebSocket with the proxy: %v", p.name, err)
		}
		c = w
	} else if p.tls != nil {
		s := tls.Client(c, p.tls)
		_ = c.SetDeadline(time.Now().Add(patience))
		if err := s.Handshake(); err != nil {
			t.Fatalf("%s: TLS with the proxy: %v", p.name, err)
		}
		_ = c.SetDeadline(time.Time{})
		c = s
	}
	p.out = p.take(c)
}

// route is what a request of the party's own leaves by.
func (p *party) route(t testing.TB) *link {
	t.Helper()
	p.mu.Lock()
	alive := p.out != nil && !p.out.gone
	p.mu.Unlock()
	if !alive {
		p.dial(t)
	}
	return p.out
}

// send sends a message, in one piece.
func (p *party) send(t testing.TB, l *link, msg string) {
	t.Helper()
	err := p.write(l, msg)
	if isRefused(err) { // an ICMP error of what was sent before
		err = p.write(l, msg)
	}
	if err != nil {
		t.Fatalf("%s cannot send: %v", p.name, err)
	}
}

func (p *party) write(l *link, msg string) error {
	switch {
	case p.browser():
		return frame(l.conn, msg)
	case l.conn != nil:
		_, err := l.conn.Write([]byte(msg))
		return err
	}
	_, err := p.udp.WriteToUDPAddrPort([]byte(msg), l.to)
	return err
}

// frame writes a WebSocket message, in one piece: as text, or where it is no UTF-8 as
// binary (RFC 7118 5).
func frame(c net.Conn, msg string) error {
	f := ws.NewTextFrame([]byte(msg))
	if !utf8.ValidString(msg) {
		f = ws.NewBinaryFrame([]byte(msg))
	}
	_, err := c.Write(ws.MustCompileFrame(ws.MaskFrameInPlace(f)))
	return err
}

func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// next is what came next, waited for; ok is false when nothing came.
func (p *party) next() (a arrival, ok bool) {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		p.mu.Lock()
		if len(p.inbox) > 0 {
			a, p.inbox = p.inbox[0], p.inbox[1:]
			p.mu.Unlock()
			return a, true
		}
		p.mu.Unlock()
		select {
		case <-p.news:
		case <-late.C:
			return a, false
		}
	}
}

// gone waits until the proxy has closed some connections; without any named, all.
func (p *party) gone(links ...*link) bool {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		p.mu.Lock()
		if len(links) == 0 {
			links = slices.Clone(p.links)
		}
		open := slices.ContainsFunc(links, func(l *link) bool { return !l.gone })
		p.mu.Unlock()
		if !open {
			return true
		}
		select {
		case <-p.news:
		case <-late.C:
			return false
		}
	}
}

func (p *party) isGone(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return l.gone
}

// receive is the next message; datagrams that came before are passed over, for timers
// repeat them on a machine that is slow.
func (p *party) receive(t testing.TB, what string) arrival {
	t.Helper()
	for {
		a, ok := p.next()
		if !ok {
			t.Fatalf("%s did not get %s", p.name, what)
		}
		if a.from.conn != nil || !p.seen[a.msg] {
			p.seen[a.msg] = true
			return a
		}
		p.dups++
	}
}

// repeat waits for a datagram that came before to come again.
func (p *party) repeat(t testing.TB, msg string) {
	t.Helper()
	for {
		a, ok := p.next()
		if !ok {
			t.Fatalf("%s did not get this again:\n%s", p.name, msg)
		}
		if !p.seen[a.msg] {
			t.Fatalf("%s waits for a repeated %s and got\n%s", p.name, label(msg), a.msg)
		}
		p.dups++
		if a.msg == msg {
			return
		}
	}
}
