package transaction

import "net/netip"

// Endpoint is where packets of a transaction go: an address and the listener
// whose socket reaches it. It holds no pointer, which netip.AddrPort does; an IPv6
// zone is therefore lost, and link-local destinations are not supported.
type Endpoint struct {
	ip       [16]byte
	port     uint16
	Listener uint16 // index of the listener
	// Reliable: over a connection, so that nothing is retransmitted (RFC 3261 17). With a
	// listener over UDP it is a connection of the one that stands in for it (18.1.1).
	Reliable bool
}

// MakeEndpoint stores an address.
func MakeEndpoint(a netip.AddrPort, listener int) Endpoint {
	return Endpoint{ip: a.Addr().As16(), port: a.Port(), Listener: uint16(listener)}
}

// AddrPort is the stored address; IPv4 comes back as IPv4.
func (e Endpoint) AddrPort() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(e.ip).Unmap(), e.port)
}
