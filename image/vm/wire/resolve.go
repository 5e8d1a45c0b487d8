package wire

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// arpReply answers an ARP request (RFC 826), or nil. Probes for the guest's own
// addresses and address conflict detection (RFC 5227: sender all zero, or sender
// and target the same) get no answer: they must find the address free.
func (p *Port) arpReply(b []byte) []byte {
	q := header.ARP(b)
	if !q.IsValid() || q.Op() != header.ARPRequest {
		return nil
	}
	sender := netip.AddrFrom4([4]byte(q.ProtocolAddressSender()))
	target := netip.AddrFrom4([4]byte(q.ProtocolAddressTarget()))
	if sender.IsUnspecified() || sender == target || p.wire.portOf(target) != nil {
		return nil
	}
	reply := make([]byte, header.ARPSize)
	r := header.ARP(reply)
	r.SetIPv4OverEthernet()
	r.SetOp(header.ARPReply)
	copy(r.HardwareAddressSender(), mac)
	copy(r.ProtocolAddressSender(), q.ProtocolAddressTarget())
	copy(r.HardwareAddressTarget(), q.HardwareAddressSender())
	copy(r.ProtocolAddressTarget(), q.ProtocolAddressSender())
	return reply
}

// neighbourReply answers a neighbour solicitation (RFC 4861, 7.2.4). is says
// that b is neighbour discovery at all, which the stack must not see: it would
// answer for its own addresses only. A solicitation from the unspecified address
// is duplicate address detection (RFC 4862, 5.4) and stays unanswered.
func (p *Port) neighbourReply(b []byte) (reply []byte, is bool) {
	ip := header.IPv6(b)
	if !ip.IsValid(len(b)) || ip.TransportProtocol() != header.ICMPv6ProtocolNumber {
		return nil, false
	}
	msg := header.ICMPv6(ip.Payload())
	if len(msg) < header.ICMPv6HeaderSize {
		return nil, false
	}
	switch msg.Type() {
	case header.ICMPv6RouterSolicit, header.ICMPv6RouterAdvert, header.ICMPv6NeighborAdvert:
		return nil, true
	case header.ICMPv6NeighborSolicit:
	default:
		return nil, false
	}
	if len(msg) < header.ICMPv6NeighborSolicitMinimumSize {
		return nil, true
	}
	target := header.NDPNeighborSolicit(msg.MessageBody()).TargetAddress()
	if ip.SourceAddress().Unspecified() || p.wire.portOf(netip.AddrFrom16(target.As16())) != nil {
		return nil, true
	}
	options := header.NDPOptionsSerializer{header.NDPTargetLinkLayerAddressOption(mac)}
	size := header.ICMPv6NeighborAdvertMinimumSize + options.Length()
	packet := make([]byte, header.IPv6MinimumSize+size)
	header.IPv6(packet).Encode(&header.IPv6Fields{
		PayloadLength: uint16(size), TransportProtocol: header.ICMPv6ProtocolNumber,
		HopLimit: header.NDPHopLimit, SrcAddr: target, DstAddr: ip.SourceAddress(),
	})
	advert := header.ICMPv6(packet[header.IPv6MinimumSize:])
	advert.SetType(header.ICMPv6NeighborAdvert)
	na := header.NDPNeighborAdvert(advert.MessageBody())
	na.SetTargetAddress(target)
	na.SetSolicitedFlag(true)
	na.SetOverrideFlag(true)
	na.Options().Serialize(options)
	advert.SetChecksum(icmpChecksum(advert, target, ip.SourceAddress()))
	return packet, true
}

func icmpChecksum(msg header.ICMPv6, from, to tcpip.Address) uint16 {
	msg.SetChecksum(0)
	sum := header.PseudoHeaderChecksum(header.ICMPv6ProtocolNumber, from, to, uint16(len(msg)))
	return ^checksum.Checksum(msg, sum)
}
