package engine

import (
	"bytes"
	"net/netip"
	"unsafe"

	"trunkline/proxy/dispatch"
	"trunkline/proxy/message"
	"trunkline/proxy/transaction"
)

// probePrefix begins the branch of the dispatcher's own OPTIONS.
var probePrefix = []byte(dispatch.ProbePrefix)

// literal reads an address; a name is not one. IPv6 comes without brackets.
func literal(host []byte) (netip.Addr, bool) {
	if len(host) == 0 {
		return netip.Addr{}, false
	}
	// A first look spares names the cost of an error value.
	for _, c := range host {
		if (c < '0' || c > '9') && c != '.' && c != ':' && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return netip.Addr{}, false
		}
	}
	// ParseAddr keeps no part of an address without a zone, which the characters
	// above exclude, so the bytes may pass as a string for the call.
	a, err := netip.ParseAddr(unsafe.String(&host[0], len(host)))
	return a.Unmap(), err == nil
}

// viaTarget is where a reply goes by its top Via (18.2.2, RFC 3581 4).
func viaTarget(v *message.View) (netip.AddrPort, bool) {
	host := v.Get(v.Via.Received)
	if len(host) == 0 {
		host = v.Get(v.Via.Host)
	}
	addr, ok := literal(bytes.Trim(host, "[]"))
	if !ok {
		return netip.AddrPort{}, false
	}
	port := v.Via.Port
	if n, ok := portNumber(v.Get(v.Via.RPort)); ok {
		port = n
	}
	if port == 0 {
		port = defaultPort
	}
	return netip.AddrPortFrom(addr, port), true
}

func portNumber(b []byte) (uint16, bool) {
	if len(b) == 0 || len(b) > 5 {
		return 0, false
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return uint16(n), n > 0 && n < 65536
}

// edits is what forwarding a request changes whatever the destination: hops, own
// Route values, and where the request came from (18.2.1, RFC 3581 4).
func edits(v *message.View, upstream transaction.Endpoint, strip uint8) message.RequestEdits {
	ed := message.RequestEdits{RemoveRoutes: int(strip), SetMaxForwards: true}
	ed.MaxForwards, _ = v.Forwarded()
	ed.Received, ed.RPort = source(v, upstream)
	return ed
}

// source is what received and rport of a request's top Via must say. received is
// left out where the Via tells the truth and rport was not asked for.
func source(v *message.View, upstream transaction.Endpoint) (netip.Addr, uint16) {
	from := upstream.AddrPort()
	if v.Via.HasRPort {
		return from.Addr(), from.Port()
	}
	if a, ok := literal(v.Get(v.Via.Host)); ok && a == from.Addr() && v.Via.Received.Empty() {
		return netip.Addr{}, 0
	}
	return from.Addr(), 0
}

// routeURI is the URI of a Route value, counted from the top.
func routeURI(v *message.View, i int) (message.URI, bool) {
	if i >= v.RouteCount || i > message.RemovableRoutes {
		return message.URI{}, false
	}
	_, uri := v.Route(i)
	u, err := message.ParseURI(v.Get(uri))
	return u, err == nil
}
