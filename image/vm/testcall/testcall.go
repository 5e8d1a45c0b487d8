// Package testcall places one real SIP call through a booted appliance:
// INVITE, 180, 200, ACK, BYE, 200 (RFC 3261), with agents of its own on both
// sides.
//
// The destinations answer OPTIONS probes and INVITEs, so they are to be started
// before the appliance boots. Messages are sipgo's; the sockets are the caller's
// (those of package wire, where nothing leaves the process), because a SIP
// stack's own transport would open sockets of the host when it finds no
// connection to reuse.
package testcall

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Network gives UDP sockets at any address; a *wire.Wire is one.
type Network interface {
	ListenPacket(netip.AddrPort) (net.PacketConn, error)
}

// T1 and the bound of a non-INVITE transaction are RFC 3261's, table 4.
const (
	t1         = 500 * time.Millisecond
	t2         = 4 * time.Second
	transLimit = 64 * t1
)

// Call is one call to place.
type Call struct {
	From netip.AddrPort // the caller: an address among the listener's sources
	To   netip.AddrPort // the appliance's listener
	User string         // user part of the Request-URI; empty: "trunkline-test"
	Hold time.Duration  // between ACK and BYE; 0: 100 ms
}

// Result is a call that worked.
type Result struct {
	CallID      string
	Destination netip.AddrPort // who answered
	Ringing     time.Duration  // INVITE to 180
	Answered    time.Duration  // INVITE to 200
	Ended       time.Duration  // BYE to its 200
}

// Place calls through the appliance and hangs up. answer are the destinations
// started before. The error says at which step the call failed, and why.
func Place(ctx context.Context, n Network, c Call, answer *Destinations) (Result, error) {
	if c.User == "" {
		c.User = "trunkline-test"
	}
	if c.Hold == 0 {
		c.Hold = 100 * time.Millisecond
	}
	conn, err := n.ListenPacket(c.From)
	if err != nil {
		return Result{}, fmt.Errorf("test call: caller: %w", err)
	}
	u := newCaller(conn, c)
	defer u.close()
	r, err := u.call(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("test call %s -> sip:%s@%s: %w", c.From, c.User, c.To, err)
	}
	dest, acked, ended := answer.seen(u.callID)
	switch {
	case !dest.IsValid():
		return Result{}, fmt.Errorf("test call: answered, but by none of the destinations %v", answer.Addresses())
	case !acked:
		return Result{}, fmt.Errorf("test call: %s never got the ACK", dest)
	case !ended:
		return Result{}, fmt.Errorf("test call: %s never got the BYE", dest)
	}
	r.Destination = dest
	return r, nil
}

// errTimeout is a request nobody answered.
var errTimeout = errors.New("no answer")

// statusError is a final reply other than the one hoped for.
func statusError(step string, r *sip.Response) error {
	return fmt.Errorf("%s refused: %d %s", step, r.StatusCode, r.Reason)
}
