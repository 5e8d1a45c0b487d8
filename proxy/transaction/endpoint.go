package transaction

import "net/netip"

// Endpoint is where packets of a transaction go: an address and the listener
// whose socket reaches it. It holds no pointer, which netip.AddrPort does; an IPv6
// zone is therefore lost, and link-local destinations are not supported. A slot has
// one for every attempt, so there is no room to spare.
type Endpoint struct {
	ip       [16]byte
	port     uint16
	Listener uint16  // index of the listener
	flow     [3]byte // Flow
	// Reliable: over a connection, so that nothing is retransmitted (RFC 3261 17). With a
	// listener over UDP it is a connection of the one that stands in for it (18.1.1).
	Reliable bool
}

const (
	// MaxFlow is the highest number of a connection.
	MaxFlow = 1<<24 - 2
	// GoneFlow is a connection that is no more, as those of a process before this one are.
	GoneFlow = 1<<24 - 1
)

// MakeEndpoint stores an address.
func MakeEndpoint(a netip.AddrPort, listener int) Endpoint {
	return Endpoint{ip: a.Addr().As16(), port: a.Port(), Listener: uint16(listener)}
}

// Flow is the one connection that leads there, as the listener numbers them from 1 to
// MaxFlow; 0: any, or one that is made when it is needed.
func (e Endpoint) Flow() uint32 {
	return uint32(e.flow[0])<<16 | uint32(e.flow[1])<<8 | uint32(e.flow[2])
}

// WithFlow is the endpoint by way of one connection.
func (e Endpoint) WithFlow(flow uint32) Endpoint {
	e.flow = [3]byte{byte(flow >> 16), byte(flow >> 8), byte(flow)}
	return e
}

// AddrPort is the stored address; IPv4 comes back as IPv4.
func (e Endpoint) AddrPort() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(e.ip).Unmap(), e.port)
}
