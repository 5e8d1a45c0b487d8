package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"trunkline/tools/sipload/wire"
)

// message is a received message with bytes of its own.
type message struct {
	wire.Message
	link *link          // it came by
	src  netip.AddrPort // it came from
}

// link is a way for messages: a UDP socket, or one TCP connection.
type link struct {
	local netip.AddrPort
	udp   *net.UDPConn
	tcp   net.Conn
	loss  float64 // share of the datagrams lost, in each direction
	mu    sync.Mutex
	gone  atomic.Bool
	end   chan struct{} // closed when gone
	deaf  *atomic.Bool  // nothing is heard and nothing said while true; nil: never
}

func (l *link) reliable() bool { return l.tcp != nil }

// deafNow reports whether the party behind the link plays dead.
func (l *link) deafNow() bool { return l.deaf != nil && l.deaf.Load() }

// send sends a message. One that cannot be sent is lost, as on any network.
func (l *link) send(to netip.AddrPort, b []byte) {
	if l.deafNow() {
		return
	}
	if l.tcp == nil {
		if rand.Float64() >= l.loss {
			_, _ = l.udp.WriteToUDPAddrPort(b, to)
		}
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.tcp.Write(b)
}

// reset ends a connection with a TCP reset; what is under way on it is lost. A socket
// over UDP has none.
func (l *link) reset() {
	if c, ok := l.tcp.(*net.TCPConn); ok {
		_ = c.SetLinger(0)
		l.close()
	}
}

func (l *link) close() {
	if l.gone.Swap(true) {
		return
	}
	close(l.end)
	if l.tcp != nil {
		_ = l.tcp.Close()
		return
	}
	_ = l.udp.Close()
}

// read hands on what comes until the link ends.
func (l *link) read(hand func(*message)) error {
	defer l.close()
	if l.tcp != nil {
		return l.readStream(hand)
	}
	buf := make([]byte, 65536)
	for {
		n, src, err := l.udp.ReadFromUDPAddrPort(buf)
		switch {
		case l.gone.Load():
			return nil
		case err != nil: // of an earlier datagram: the proxy's port was closed
			continue
		case l.deafNow() || rand.Float64() < l.loss:
			continue
		}
		m := &message{link: l, src: src}
		if err := m.Parse(bytes.Clone(buf[:n])); err != nil {
			return fmt.Errorf("%w: %q", err, buf[:n])
		}
		hand(m)
	}
}

// readStream cuts a stream into messages by Content-Length (RFC 3261 18.3).
func (l *link) readStream(hand func(*message)) error {
	r := bufio.NewReader(l.tcp)
	src, err := netip.ParseAddrPort(l.tcp.RemoteAddr().String())
	if err != nil {
		return err
	}
	for {
		var b []byte
		length := -1
		for {
			line, err := r.ReadBytes('\n')
			if err != nil {
				if len(b)+len(line) > 0 && errors.Is(err, io.EOF) && !l.gone.Load() {
					return fmt.Errorf("the proxy closed a connection within a message: %q", append(b, line...))
				}
				return nil
			}
			if len(b) == 0 && string(line) == "\r\n" {
				continue // a keep-alive
			}
			b = append(b, line...)
			if string(line) == "\r\n" {
				break
			}
			if name, value, ok := strings.Cut(string(line), ":"); ok && strings.EqualFold(name, "content-length") {
				if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
					return err
				}
			}
		}
		if length < 0 {
			return fmt.Errorf("a message without Content-Length over TCP: %q", b)
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(r, body); err != nil {
			return nil // the connection was reset
		}
		if l.deafNow() {
			continue
		}
		m := &message{link: l, src: src}
		if err := m.Parse(append(b, body...)); err != nil {
			return fmt.Errorf("%w: %q", err, b)
		}
		hand(m)
	}
}
