// Package wire is an isolated Ethernet for one virtual machine, living inside
// this process and needing no privilege.
//
// It promises:
//
//   - nothing the guest sends leaves the process, except what Map and Forward
//     name; a packet to any other address is dropped in silence, as if its host
//     were down;
//   - address resolution (ARP, IPv6 neighbour discovery) is answered for every
//     address but the guest's own, so gateways and on-link peers need no
//     configuration; duplicate address detection is left alone;
//   - in-process agents may live at any address (ListenPacket), with real UDP:
//     checksums, fragmentation and reassembly, ICMP echo answered.
//
// The switch may have several ports, one per NIC of the guest. A packet to a
// guest address goes to the port that owns the address. The MTU is 1500.
package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

const (
	mtu      = 1500
	nicID    = 1
	queueLen = 4096
	// socketBuffer is what one in-process UDP socket holds, bytes: a burst of
	// some hundred SIP messages.
	socketBuffer = 4 << 20
)

// mac is the address the wire answers with: locally administered.
var mac = net.HardwareAddr{0x02, 0x74, 0x6b, 0x00, 0x00, 0x01}

// Wire is the network. Close it after the virtual machine has ended.
type Wire struct {
	stack  *stack.Stack
	link   *channel.Endpoint
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	ports  []*Port
	refs   map[netip.Addr]int // users of each address of ours
	closer []io.Closer
	closed bool
}

// New makes a network without ports.
func New() (*Wire, error) {
	w := &Wire{
		stack: stack.New(stack.Options{
			NetworkProtocols: []stack.NetworkProtocolFactory{ipv4.NewProtocol,
				ipv6.NewProtocolWithOptions(ipv6.Options{})},
			TransportProtocols: []stack.TransportProtocolFactory{udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
			HandleLocal:        true,
		}),
		link: channel.New(queueLen, mtu, ""),
		refs: map[netip.Addr]int{},
	}
	sizes := tcpip.ReceiveBufferSizeOption{Min: 4096, Default: socketBuffer, Max: socketBuffer}
	if err := w.stack.SetOption(sizes); err != nil {
		return nil, fmt.Errorf("wire: socket buffers: %s", err)
	}
	if err := w.stack.CreateNIC(nicID, w.link); err != nil {
		return nil, fmt.Errorf("wire: %s", err)
	}
	w.stack.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, NIC: nicID},
		{Destination: header.IPv6EmptySubnet, NIC: nicID},
	})
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	w.wg.Go(func() { w.outbound(ctx) })
	return w, nil
}

// Close ends the network, its sockets and forwards.
func (w *Wire) Close() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil
	}
	w.closed = true
	closers, ports := w.closer, w.ports
	w.mu.Unlock()
	for _, c := range closers {
		_ = c.Close() // closed twice at worst
	}
	w.cancel()
	for _, p := range ports {
		p.close()
	}
	w.wg.Wait()
	w.stack.Close()
	w.link.Close()
	return nil
}

// Port is one NIC's end of the wire. It is a network backend of package vm.
type Port struct {
	wire   *Wire
	mac    net.HardwareAddr
	guest  []netip.Addr
	host   net.Conn
	remote *os.File // QEMU's end; closed here once QEMU has it
	once   sync.Once
	write  sync.Mutex
}

// Port adds a port for a NIC with this MAC and these guest addresses.
func (w *Wire) Port(guestMAC net.HardwareAddr, addresses []netip.Prefix) (*Port, error) {
	if len(guestMAC) != 6 {
		return nil, fmt.Errorf("wire: MAC %q of the guest is not an Ethernet address", guestMAC)
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("wire: %w", err)
	}
	ours := os.NewFile(uintptr(fds[0]), "wire")
	host, err := net.FileConn(ours) // duplicates, and puts it under the poller
	_ = ours.Close()
	remote := os.NewFile(uintptr(fds[1]), "wire-guest")
	if err != nil {
		_ = remote.Close()
		return nil, fmt.Errorf("wire: %w", err)
	}
	p := &Port{wire: w, mac: guestMAC, host: host, remote: remote}
	for _, a := range addresses {
		p.guest = append(p.guest, a.Addr().Unmap())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		p.close()
		return nil, errors.New("wire: closed")
	}
	w.ports = append(w.ports, p)
	w.wg.Go(p.inbound)
	return p, nil
}

// Netdev returns QEMU's -netdev option for this port. pass hands a file to the
// QEMU process and returns its descriptor number there.
func (p *Port) Netdev(id string, pass func(*os.File) int) (string, error) {
	return "socket,id=" + id + ",fd=" + strconv.Itoa(pass(p.remote)), nil
}

// Started is called once QEMU holds its end, so that its exit ends the port.
func (p *Port) Started() { _ = p.remote.Close() }

func (p *Port) close() {
	p.once.Do(func() {
		_ = p.host.Close()
		_ = p.remote.Close()
	})
}

// inbound reads the guest's frames: QEMU's stream format is a 32-bit big-endian
// length before each.
func (p *Port) inbound() {
	var head [4]byte
	frame := make([]byte, 1<<16)
	for {
		if _, err := io.ReadFull(p.host, head[:]); err != nil {
			return
		}
		n := binary.BigEndian.Uint32(head[:])
		if n > uint32(len(frame)) {
			return
		}
		if _, err := io.ReadFull(p.host, frame[:n]); err != nil {
			return
		}
		p.frame(frame[:n])
	}
}

// frame handles one frame of the guest.
func (p *Port) frame(f []byte) {
	if len(f) < header.EthernetMinimumSize {
		return
	}
	eth, payload := header.Ethernet(f), f[header.EthernetMinimumSize:]
	switch eth.Type() {
	case header.ARPProtocolNumber:
		if reply := p.arpReply(payload); reply != nil {
			p.send(header.ARPProtocolNumber, reply)
		}
	case header.IPv6ProtocolNumber:
		if reply, is := p.neighbourReply(payload); is {
			if reply != nil {
				p.send(header.IPv6ProtocolNumber, reply)
			}
			return
		}
		p.wire.inject(header.IPv6ProtocolNumber, payload)
	case header.IPv4ProtocolNumber:
		p.wire.inject(header.IPv4ProtocolNumber, payload)
	}
}

func (w *Wire) inject(proto tcpip.NetworkProtocolNumber, packet []byte) {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet)})
	w.link.InjectInbound(proto, pkt)
	pkt.DecRef()
}

// send frames a packet for the guest behind p.
func (p *Port) send(proto tcpip.NetworkProtocolNumber, payload []byte) {
	frame := make([]byte, 4+header.EthernetMinimumSize, 4+header.EthernetMinimumSize+len(payload))
	header.Ethernet(frame[4:]).Encode(&header.EthernetFields{
		SrcAddr: tcpip.LinkAddress(mac), DstAddr: tcpip.LinkAddress(p.mac), Type: proto,
	})
	frame = append(frame, payload...)
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	p.write.Lock()
	defer p.write.Unlock()
	_, _ = p.host.Write(frame) // fails when the guest is gone; its packets are lost with it
}

// outbound carries the stack's packets to the port of their destination.
func (w *Wire) outbound(ctx context.Context) {
	for {
		pkt := w.link.ReadContext(ctx)
		if pkt == nil {
			return
		}
		view := pkt.ToView()
		b := view.AsSlice()
		var to netip.Addr
		switch pkt.NetworkProtocolNumber {
		case header.IPv4ProtocolNumber:
			to = netip.AddrFrom4(header.IPv4(b).DestinationAddress().As4())
		case header.IPv6ProtocolNumber:
			to = netip.AddrFrom16(header.IPv6(b).DestinationAddress().As16())
		}
		if p := w.portOf(to); p != nil {
			p.send(pkt.NetworkProtocolNumber, b)
		}
		view.Release()
		pkt.DecRef()
	}
}

// portOf is the port whose guest owns the address.
func (w *Wire) portOf(a netip.Addr) *Port {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.ports {
		if p.owns(a) {
			return p
		}
	}
	return nil
}

func (p *Port) owns(a netip.Addr) bool {
	for _, g := range p.guest {
		if g == a {
			return true
		}
	}
	return false
}
