package policy

// Transport is how a request goes to its next hop.
type Transport uint8

const (
	Datagram         Transport = iota
	Stream                     // over a connection, and back to Datagram when the far side refuses it
	StreamOnly                 // over a connection or not at all
	UndeliverableUDP           // over none: too long for a datagram, and there is no connection to be had
)

// maxDatagramBytes is what a UDP datagram over IPv4 holds.
const maxDatagramBytes = 65507

// Hop is what is known of a next hop when a request is about to leave.
type Hop struct {
	Pinned bool // a transport is written down for it (URI, destination or flow): no other is tried (RFC 3263 section 4.1)
	Stream bool // this side has a listener over TCP from which that address can be reached
}

// ChooseTransport says over what a request of size bytes goes to a hop that UDP was
// chosen for. Beyond limit bytes it must go over a transport with congestion control,
// and when that is refused it should go over UDP after all (RFC 3261 section 18.1.1);
// fallback false keeps it from there. Replies go where their request came from and are
// never asked about. A limit of 0 asks for UDP whatever the size.
//
// size is that of the request as it leaves: the Via of a connection says TCP and is as
// long as that of UDP, so the choice does not change it.
func ChooseTransport(size, limit int, fallback bool, hop Hop) Transport {
	over := limit > 0 && size > limit
	switch {
	case over && hop.Stream && !hop.Pinned && fallback && size <= maxDatagramBytes:
		return Stream
	case over && hop.Stream && !hop.Pinned:
		return StreamOnly
	case size > maxDatagramBytes:
		return UndeliverableUDP
	case over && !fallback && !hop.Pinned:
		return UndeliverableUDP
	}
	return Datagram
}
