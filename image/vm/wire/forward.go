package wire

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Bounds of the mappings: one per client, forgotten when idle.
const (
	maxClients = 256
	idle       = 5 * time.Minute
	bufferSize = 1 << 16
)

// relay carries datagrams between a listening socket and one peer socket per
// client, in both directions.
type relay struct {
	listen net.PacketConn
	dial   func(client netip.AddrPort) (net.PacketConn, error)
	to     net.Addr
	wg     sync.WaitGroup

	mu     sync.Mutex
	peers  map[netip.AddrPort]net.PacketConn
	closed bool
}

// Forward listens on a UDP address of the host, which must be a loopback
// address, and carries what arrives to the guest, making it come from the
// address as. A client keeps its port number where that is free, so replies sent
// by Via (RFC 3261, 18.2.2) find their way. It returns the host address in use
// (port 0 takes a free one). The forward ends with the wire.
func (w *Wire) Forward(host, guest netip.AddrPort, as netip.Addr) (netip.AddrPort, error) {
	if !host.Addr().IsLoopback() {
		return netip.AddrPort{}, fmt.Errorf("wire: forward from %s: only loopback addresses are forwarded", host)
	}
	if w.portOf(guest.Addr().Unmap()) == nil {
		return netip.AddrPort{}, fmt.Errorf("wire: forward to %s: no NIC of the guest has that address", guest)
	}
	l, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(host))
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("wire: forward: %w; choose another port", err)
	}
	r := &relay{
		listen: l, to: net.UDPAddrFromAddrPort(guest),
		dial: func(client netip.AddrPort) (net.PacketConn, error) {
			c, err := w.listen(netip.AddrPortFrom(as, client.Port()))
			if err != nil {
				return w.ListenPacket(netip.AddrPortFrom(as, 0))
			}
			return c, nil
		},
	}
	if err := w.run(r); err != nil {
		return netip.AddrPort{}, err
	}
	return l.LocalAddr().(*net.UDPAddr).AddrPort(), nil
}

// Map lets the guest reach a UDP address of the host: what it sends to dest goes
// to host, which must be a loopback address, and comes back as from dest. The
// mapping ends with the wire.
func (w *Wire) Map(dest, host netip.AddrPort) error {
	if !host.Addr().IsLoopback() {
		return fmt.Errorf("wire: mapping to %s: only loopback addresses are mapped", host)
	}
	l, err := w.ListenPacket(dest)
	if err != nil {
		return err
	}
	local := netip.AddrPortFrom(host.Addr(), 0)
	return w.run(&relay{
		listen: l, to: net.UDPAddrFromAddrPort(host),
		dial: func(netip.AddrPort) (net.PacketConn, error) {
			return net.ListenUDP("udp", net.UDPAddrFromAddrPort(local))
		},
	})
}

func (w *Wire) run(r *relay) error {
	r.peers = map[netip.AddrPort]net.PacketConn{}
	if !w.adopt(r) {
		_ = r.Close()
		return fmt.Errorf("wire: closed")
	}
	r.wg.Go(r.forward)
	return nil
}

func (r *relay) forward() {
	b := make([]byte, bufferSize)
	for {
		n, from, err := r.listen.ReadFrom(b)
		if err != nil {
			return
		}
		client := from.(*net.UDPAddr).AddrPort()
		if p := r.peer(client); p != nil {
			_, _ = p.WriteTo(b[:n], r.to) // UDP: what is lost is retransmitted by its sender
		}
	}
}

// peer returns the socket that stands for a client; nil when there are too many.
func (r *relay) peer(client netip.AddrPort) net.PacketConn {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p, ok := r.peers[client]; ok {
		_ = p.SetReadDeadline(time.Now().Add(idle))
		return p
	}
	if r.closed || len(r.peers) >= maxClients {
		return nil
	}
	p, err := r.dial(client)
	if err != nil {
		return nil
	}
	_ = p.SetReadDeadline(time.Now().Add(idle))
	r.peers[client] = p
	r.wg.Go(func() { r.backward(client, p) })
	return p
}

func (r *relay) backward(client netip.AddrPort, p net.PacketConn) {
	defer func() {
		r.mu.Lock()
		delete(r.peers, client)
		r.mu.Unlock()
		_ = p.Close()
	}()
	b := make([]byte, bufferSize)
	to := net.UDPAddrFromAddrPort(client)
	for {
		n, _, err := p.ReadFrom(b)
		if err != nil {
			return
		}
		_ = p.SetReadDeadline(time.Now().Add(idle))
		_, _ = r.listen.WriteTo(b[:n], to)
	}
}

// Close ends the relay and waits for its goroutines.
func (r *relay) Close() error {
	r.mu.Lock()
	r.closed = true
	peers := make([]net.PacketConn, 0, len(r.peers))
	for _, p := range r.peers {
		peers = append(peers, p)
	}
	r.mu.Unlock()
	err := r.listen.Close()
	for _, p := range peers {
		_ = p.Close()
	}
	r.wg.Wait()
	return err
}
