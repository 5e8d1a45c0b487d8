package network

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	pkt "gvisor.dev/gvisor/pkg/tcpip/header"
)

// Ethernet types.
const (
	typeVLAN = 0x8100 // IEEE 802.1Q
	typeSlow = 0x8809 // IEEE 802.3 Annex 57A: LACP
)

// ourMAC is of everybody the appliance talks to: the far end of each cable.
var ourMAC = net.HardwareAddr{0x02, 0, 0, 0, 0, 0xaa}

// packet is what came over a cable: UDP, or the state of an LACP port.
type packet struct {
	cable    string
	vlan     int // 0: untagged
	src, dst netip.AddrPort
	payload  []byte
	size     int // of the IP packet, bytes

	lacp    byte // state of the sender's port; 0: no LACPDU
	partner net.HardwareAddr
}

// cable is one card's: frames of the guest are read, ARP and LACP answered, UDP
// handed to got. It is a backend of package vm.
type cable struct {
	name   string
	port   uint16           // of the switch, as LACP tells it
	guest  net.HardwareAddr // of the card
	to     net.HardwareAddr // whom packets go to: the card, or the bond it is in
	host   net.Conn
	remote *os.File
	got    chan<- packet
	write  sync.Mutex
}

func newCable(t *testing.T, name string, port uint16, guest string, got chan<- packet) *cable {
	t.Helper()
	mac, err := net.ParseMAC(guest)
	if err != nil {
		t.Fatal(err)
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours := os.NewFile(uintptr(fds[0]), name)
	host, err := net.FileConn(ours)
	_ = ours.Close()
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{name: name, port: port, guest: mac, to: mac, host: host, remote: os.NewFile(uintptr(fds[1]), name), got: got}
	t.Cleanup(func() { _ = c.host.Close(); _ = c.remote.Close() })
	go c.read()
	return c
}

// Netdev and Started implement vm.Backend.
func (c *cable) Netdev(id string, pass func(*os.File) int) (string, error) {
	return "socket,id=" + id + ",fd=" + strconv.Itoa(pass(c.remote)), nil
}
func (c *cable) Started() { _ = c.remote.Close() }

// read takes frames in QEMU's stream format: each after its 32-bit length.
func (c *cable) read() {
	var head [4]byte
	for {
		if _, err := io.ReadFull(c.host, head[:]); err != nil {
			return
		}
		frame := make([]byte, binary.BigEndian.Uint32(head[:]))
		if _, err := io.ReadFull(c.host, frame); err != nil {
			return
		}
		if len(frame) >= pkt.EthernetMinimumSize {
			c.frame(frame)
		}
	}
}

func (c *cable) frame(f []byte) {
	kind, vlan, body := binary.BigEndian.Uint16(f[12:]), 0, f[14:]
	if kind == typeVLAN && len(f) >= 18 {
		vlan, kind, body = int(binary.BigEndian.Uint16(f[14:])&0xfff), binary.BigEndian.Uint16(f[16:]), f[18:]
	}
	switch {
	case kind == typeSlow && vlan == 0 && len(body) >= 110 && body[0] == 1:
		c.lacp(body)
	case kind == uint16(pkt.ARPProtocolNumber):
		c.arp(vlan, body)
	case kind == uint16(pkt.IPv4ProtocolNumber):
		c.udp(vlan, body)
	}
}

// lacp plays the switch (IEEE 802.1AX 6.4.2.3): its port is in sync, collects and
// distributes, and asks for a PDU each second.
func (c *cable) lacp(pdu []byte) {
	const ours = 0x3f // active, short timeout, aggregatable, in sync, collecting, distributing
	reply := make([]byte, 110)
	copy(reply, []byte{1, 1, 1, 20})
	actor := reply[4:]
	binary.BigEndian.PutUint16(actor, 0x8000)
	copy(actor[2:], ourMAC)
	binary.BigEndian.PutUint16(actor[8:], 1) // one key: the ports belong together
	binary.BigEndian.PutUint16(actor[10:], 0x80)
	binary.BigEndian.PutUint16(actor[12:], c.port)
	actor[14] = ours
	copy(reply[22:], []byte{2, 20})
	copy(reply[24:39], pdu[4:19])
	copy(reply[42:], []byte{3, 16})
	c.send(net.HardwareAddr{0x01, 0x80, 0xc2, 0, 0, 2}, 0, typeSlow, reply)
	c.got <- packet{cable: c.name, lacp: pdu[18], partner: net.HardwareAddr(pdu[6:12])}
}

// arp answers for every address but the asker's own.
func (c *cable) arp(vlan int, b []byte) {
	q := pkt.ARP(b)
	if !q.IsValid() || q.Op() != pkt.ARPRequest || string(q.ProtocolAddressSender()) == string(q.ProtocolAddressTarget()) {
		return
	}
	a := pkt.ARP(make([]byte, pkt.ARPSize))
	a.SetIPv4OverEthernet()
	a.SetOp(pkt.ARPReply)
	copy(a.HardwareAddressSender(), ourMAC)
	copy(a.ProtocolAddressSender(), q.ProtocolAddressTarget())
	copy(a.HardwareAddressTarget(), q.HardwareAddressSender())
	copy(a.ProtocolAddressTarget(), q.ProtocolAddressSender())
	c.send(net.HardwareAddr(q.HardwareAddressSender()), vlan, uint16(pkt.ARPProtocolNumber), a)
}

func (c *cable) udp(vlan int, b []byte) {
	ip := pkt.IPv4(b)
	if !ip.IsValid(len(b)) || ip.TransportProtocol() != pkt.UDPProtocolNumber || ip.More() || ip.FragmentOffset() > 0 {
		return // a fragment counts as nothing: the test asks for whole packets
	}
	u := pkt.UDP(ip.Payload())
	if len(u) < pkt.UDPMinimumSize {
		return
	}
	at := func(a tcpip.Address, port uint16) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4(a.As4()), port)
	}
	c.got <- packet{cable: c.name, vlan: vlan, src: at(ip.SourceAddress(), u.SourcePort()), dst: at(ip.DestinationAddress(), u.DestinationPort()),
		payload: u.Payload(), size: int(ip.TotalLength())}
}

// sendUDP sends a datagram to the card.
func (c *cable) sendUDP(vlan int, src, dst netip.AddrPort, payload []byte) {
	b := make([]byte, pkt.IPv4MinimumSize+pkt.UDPMinimumSize+len(payload))
	ip := pkt.IPv4(b)
	ip.Encode(&pkt.IPv4Fields{TotalLength: uint16(len(b)), TTL: 64, Protocol: uint8(pkt.UDPProtocolNumber),
		SrcAddr: tcpip.AddrFrom4(src.Addr().As4()), DstAddr: tcpip.AddrFrom4(dst.Addr().As4())})
	ip.SetChecksum(^ip.CalculateChecksum())
	// Without a checksum, which IPv4 allows (RFC 768).
	pkt.UDP(ip.Payload()).Encode(&pkt.UDPFields{SrcPort: src.Port(), DstPort: dst.Port(), Length: uint16(pkt.UDPMinimumSize + len(payload))})
	copy(b[pkt.IPv4MinimumSize+pkt.UDPMinimumSize:], payload)
	c.send(c.to, vlan, uint16(pkt.IPv4ProtocolNumber), b)
}

func (c *cable) send(to net.HardwareAddr, vlan int, kind uint16, body []byte) {
	f := append(append(make([]byte, 4, 22+len(body)), to...), ourMAC...)
	if vlan > 0 {
		f = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(f, typeVLAN), uint16(vlan))
	}
	f = append(binary.BigEndian.AppendUint16(f, kind), body...)
	binary.BigEndian.PutUint32(f, uint32(len(f)-4))
	c.write.Lock()
	defer c.write.Unlock()
	_, _ = c.host.Write(f) // fails when the guest is gone; the test then waits in vain and says so
}
