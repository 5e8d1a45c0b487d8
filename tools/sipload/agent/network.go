package agent

import (
	"net/netip"
	"time"
)

// Network takes what agents send. b is only good during the call.
type Network interface {
	Send(socket int, to netip.AddrPort, b []byte)
}

// tick is the resolution of timers.
const tick = 250 * time.Microsecond

// Timers are the timers of RFC 3261, table 4.
type Timers struct {
	T1 time.Duration // round-trip estimate: first interval of retransmissions
	T2 time.Duration // longest interval, except for INVITE
}

// DefaultTimers are the RFC's.
var DefaultTimers = Timers{T1: 500 * time.Millisecond, T2: 4 * time.Second}

// giveUp is timers B, F, H and J.
func (t Timers) giveUp() time.Duration { return 64 * t.T1 }

// endpoint is an address and port without a pointer in it, so that the collector
// has nothing to look for in tables of calls.
type endpoint struct {
	ip   [16]byte
	port uint16
	v4   bool
}

func endpointOf(a netip.AddrPort) endpoint {
	return endpoint{ip: a.Addr().As16(), port: a.Port(), v4: a.Addr().Is4()}
}

func (e *endpoint) addrPort() netip.AddrPort {
	a := netip.AddrFrom16(e.ip)
	if e.v4 {
		a = a.Unmap()
	}
	return netip.AddrPortFrom(a, e.port)
}

// share picks a fixed share of what it is asked about, evenly spread: of any n in
// a row, n times the share, rounded down or up.
type share struct{ millionths, sum int }

func newShare(of float64) share { return share{millionths: int(of*1e6 + 0.5)} }

func (s *share) next() bool {
	s.sum += s.millionths
	if s.sum < 1e6 {
		return false
	}
	s.sum -= 1e6
	return true
}
