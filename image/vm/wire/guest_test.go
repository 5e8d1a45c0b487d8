package wire

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// guest is a whole host on the far side of a port: its own stack, with ARP and
// neighbour discovery, speaking QEMU's framing.
type guest struct {
	t     *testing.T
	stack *stack.Stack
}

var guestMAC = net.HardwareAddr{0x52, 0x54, 0, 0x12, 0x34, 0x56}

// newGuest plugs a guest with these addresses into w; the gateways get the
// default routes.
func newGuest(t *testing.T, w *Wire, addresses, gateways []string) *guest {
	t.Helper()
	prefixes := make([]netip.Prefix, len(addresses))
	for i, a := range addresses {
		prefixes[i] = netip.MustParsePrefix(a)
	}
	port, err := w.Port(guestMAC, prefixes)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.FileConn(port.remote)
	if err != nil {
		t.Fatal(err)
	}
	port.Started()

	g := &guest{t: t, stack: stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{arp.NewProtocol, ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
	})}
	link := channel.New(512, mtu, tcpip.LinkAddress(guestMAC))
	if err := g.stack.CreateNIC(1, ethernet.New(link)); err != nil {
		t.Fatal(err)
	}
	var routes []tcpip.Route
	for _, p := range prefixes {
		proto := tcpip.NetworkProtocolNumber(header.IPv4ProtocolNumber)
		if p.Addr().Is6() {
			proto = header.IPv6ProtocolNumber
		}
		full := tcpip.AddressWithPrefix{Address: address(p.Addr()), PrefixLen: p.Bits()}
		if err := g.stack.AddProtocolAddress(1, tcpip.ProtocolAddress{Protocol: proto, AddressWithPrefix: full}, stack.AddressProperties{}); err != nil {
			t.Fatal(err)
		}
		routes = append(routes, tcpip.Route{Destination: full.Subnet(), NIC: 1})
	}
	for _, gw := range gateways {
		a := netip.MustParseAddr(gw)
		dest := header.IPv4EmptySubnet
		if a.Is6() {
			dest = header.IPv6EmptySubnet
		}
		routes = append(routes, tcpip.Route{Destination: dest, Gateway: address(a), NIC: 1})
	}
	g.stack.SetRouteTable(routes)

	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		conn.Close()
		g.stack.Close()
	})
	go g.receive(conn, link)
	go g.transmit(ctx, conn, link)
	return g
}

func (g *guest) receive(conn net.Conn, link *channel.Endpoint) {
	var head [4]byte
	for {
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return
		}
		frame := make([]byte, binary.BigEndian.Uint32(head[:]))
		if _, err := io.ReadFull(conn, frame); err != nil {
			return
		}
		pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(frame)})
		link.InjectInbound(0, pkt)
		pkt.DecRef()
	}
}

func (g *guest) transmit(ctx context.Context, conn net.Conn, link *channel.Endpoint) {
	for {
		pkt := link.ReadContext(ctx)
		if pkt == nil {
			return
		}
		view := pkt.ToView()
		frame := view.AsSlice()
		_, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...))
		view.Release()
		pkt.DecRef()
		if err != nil {
			return
		}
	}
}

// listen opens a UDP socket of the guest.
func (g *guest) listen(at string) net.PacketConn {
	g.t.Helper()
	a := netip.MustParseAddrPort(at)
	proto := tcpip.NetworkProtocolNumber(header.IPv4ProtocolNumber)
	if a.Addr().Is6() {
		proto = header.IPv6ProtocolNumber
	}
	c, err := gonet.DialUDP(g.stack, &tcpip.FullAddress{NIC: 1, Addr: address(a.Addr()), Port: a.Port()}, nil, proto)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { c.Close() })
	return c
}

// echo makes the guest send back what arrives at an address.
func (g *guest) echo(at string) {
	c := g.listen(at)
	go func() {
		b := make([]byte, 1<<16)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if _, err := c.WriteTo(b[:n], from); err != nil {
				return
			}
		}
	}()
}
