package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// conn is a UDP socket on the wire. Reads after Close give net.ErrClosed.
type conn struct {
	*gonet.UDPConn
	wire *Wire
	addr netip.Addr
	once sync.Once
	done chan struct{}
}

// ListenPacket opens a UDP socket at an address of the wire, which from then on
// exists: it answers echo requests until the last socket on it is closed. Port 0
// takes a free one.
func (w *Wire) ListenPacket(at netip.AddrPort) (net.PacketConn, error) {
	return w.listen(at)
}

func (w *Wire) listen(at netip.AddrPort) (*conn, error) {
	addr := at.Addr().Unmap()
	if !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() {
		return nil, fmt.Errorf("wire: %s cannot be a host's address", at)
	}
	if w.portOf(addr) != nil {
		return nil, fmt.Errorf("wire: %s is the guest's own address", addr)
	}
	if err := w.acquire(addr); err != nil {
		return nil, err
	}
	proto := tcpip.NetworkProtocolNumber(ipv4.ProtocolNumber)
	if addr.Is6() {
		proto = ipv6.ProtocolNumber
	}
	u, err := gonet.DialUDP(w.stack, &tcpip.FullAddress{NIC: nicID, Addr: address(addr), Port: at.Port()}, nil, proto)
	if err != nil {
		w.release(addr)
		return nil, fmt.Errorf("wire: opening %s: %w", at, err)
	}
	c := &conn{UDPConn: u, wire: w, addr: addr, done: make(chan struct{})}
	if !w.adopt(c) {
		_ = c.Close()
		return nil, errors.New("wire: closed")
	}
	return c, nil
}

// adopt makes Close of the wire close c too.
func (w *Wire) adopt(c io.Closer) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.closer = append(w.closer, c)
	return true
}

func (w *Wire) acquire(a netip.Addr) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refs[a]++
	if w.refs[a] > 1 {
		return nil
	}
	proto := tcpip.NetworkProtocolNumber(header.IPv4ProtocolNumber)
	if a.Is6() {
		proto = header.IPv6ProtocolNumber
	}
	err := w.stack.AddProtocolAddress(nicID, tcpip.ProtocolAddress{
		Protocol:          proto,
		AddressWithPrefix: address(a).WithPrefix(),
	}, stack.AddressProperties{})
	if err != nil {
		delete(w.refs, a)
		return fmt.Errorf("wire: address %s: %s", a, err)
	}
	return nil
}

func (w *Wire) release(a netip.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refs[a]--; w.refs[a] == 0 {
		delete(w.refs, a)
		_ = w.stack.RemoveAddress(nicID, address(a))
	}
}

// Close implements net.PacketConn.
func (c *conn) Close() error {
	c.once.Do(func() {
		close(c.done)
		_ = c.UDPConn.Close()
		c.wire.release(c.addr)
	})
	return nil
}

// ReadFrom implements net.PacketConn.
func (c *conn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.UDPConn.ReadFrom(b)
		if err == nil {
			return n, from, nil
		}
		select {
		case <-c.done:
			return 0, nil, net.ErrClosed
		default:
		}
		var timeout net.Error
		if errors.Is(err, io.EOF) || errors.As(err, &timeout) && timeout.Timeout() {
			return 0, nil, err
		}
		// What is left are ICMP errors to an earlier packet of ours; a UDP
		// listener goes on.
	}
}

func address(a netip.Addr) tcpip.Address { return tcpip.AddrFromSlice(a.AsSlice()) }
