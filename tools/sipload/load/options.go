package load

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"trunkline/tools/sipload/agent"
	"trunkline/tools/sipload/result"
)

// Bounds of every run.
const (
	MaxDuration = time.Hour
	MaxCalls    = 20_000_000
	MaxRate     = 200_000
	MaxSockets  = 4096
	// ServeRate is the rate slots are provided for where calls are only answered.
	ServeRate = 2000
)

// Flows: what a measurement consists of.
const (
	FlowCall    = "call"          // INVITE, 180, 200, ACK, BYE
	FlowBurst   = "180-200-burst" // a call whose 180 and 200 leave together
	FlowReject  = "invite-reject" // INVITE, refusal, ACK
	FlowOptions = "options"       // OPTIONS
	FlowGarbage = "garbage"       // datagrams that are no SIP message
	flowList    = "call, 180-200-burst, invite-reject, options, garbage"
)

// Options say what is measured. The zero value of a field is the default where one
// is named.
type Options struct {
	Flow    string
	Target  netip.AddrPort   // the proxy; invalid: calls are only answered
	Caller  netip.AddrPort   // where calls come from; port 0: the kernel's choice
	Sockets int              // sockets of the caller, on ports that follow each other; 0: one
	Callees []netip.AddrPort // where calls are answered; none: they are only placed

	Ring, Hold  time.Duration
	Reject      int     // code of refused calls; 0: none are refused
	RejectShare float64 // of the calls, 0 to 1
	CancelShare float64
	CancelAfter time.Duration // from the ringing on
	Timers      agent.Timers
	Texts       agent.Texts

	Watch   int          // process to measure; 0: none
	Seed    uint64       // of garbage
	Sources netip.Prefix // of garbage: where it comes from
	Spread  int          // of garbage: number of source addresses
	Buffer  int          // receive queue of each socket, bytes; 0: 64 MB over all, 16 MB at most
}

// Step is one measurement.
type Step struct {
	Rate     float64 // calls a second
	Warmup   time.Duration
	Duration time.Duration // of the measured window
	Calls    int64         // most calls; 0: as many as rate and time give
	Group    int64         // calls that are due together; 0 or 1: calls are evenly spread
}

const maxGroup = 1000

// Total is the number of calls, warm-up included.
func (s Step) Total() int64 {
	n := int64(s.Rate * (s.Warmup + s.Duration).Seconds())
	if s.Calls > 0 {
		n = min(n, s.Calls)
	}
	return n
}

// Check reports what is wrong with the step.
func (s Step) Check() error {
	switch {
	case s.Rate < 0 || s.Rate > MaxRate:
		return fmt.Errorf("a rate of %g a second: write more than 0 and at most %d", s.Rate, MaxRate)
	case s.Duration <= 0 || s.Warmup < 0 || s.Warmup+s.Duration > MaxDuration:
		return fmt.Errorf("a warm-up of %v and a duration of %v: together they may be at most %v, and the duration more than 0", s.Warmup, s.Duration, MaxDuration)
	case s.Group < 0 || s.Group > maxGroup:
		return fmt.Errorf("groups of %d calls: write 1 to %d", s.Group, maxGroup)
	case s.Total() > MaxCalls:
		return fmt.Errorf("%g calls a second for %v are %d calls, and %d is the most: lower the rate or the duration", s.Rate, s.Warmup+s.Duration, s.Total(), MaxCalls)
	}
	return nil
}

// permitted reports whether traffic may go to an address: it never leaves the
// machine and its private networks.
func permitted(a netip.Addr) bool { return a.IsLoopback() || a.IsPrivate() }

// Check reports what is wrong with the options.
func (o *Options) Check() error {
	c := *o
	return c.normalise()
}

// normalise fills in defaults and reports what is wrong with the options.
func (o *Options) normalise() error {
	if o.Flow == "" {
		o.Flow = FlowCall
	}
	if !slices.Contains(strings.Split(flowList, ", "), o.Flow) {
		return fmt.Errorf("there is no flow %q: write one of %s", o.Flow, flowList)
	}
	if o.Timers == (agent.Timers{}) {
		o.Timers = agent.DefaultTimers
	}
	if o.Texts.FromUser == "" && o.Texts.ToUser == "" {
		o.Texts.FromUser, o.Texts.ToUser = agent.DefaultTexts.FromUser, agent.DefaultTexts.ToUser
	}
	if o.Sockets == 0 {
		o.Sockets = 1
	}
	if !o.Target.IsValid() && len(o.Callees) == 0 {
		return errors.New("neither a target nor an address to answer calls at is named: write --target ADDRESS:PORT of the proxy, --uas ADDRESS:PORT, or both")
	}
	if o.Target.IsValid() && !o.Caller.IsValid() {
		return fmt.Errorf("the address calls come from is missing: write --uac ADDRESS:PORT, for example --uac %s", example(o.Target))
	}
	for what, list := range map[string][]netip.AddrPort{"target": {o.Target}, "caller": {o.Caller}, "callee": o.Callees} {
		for _, a := range list {
			if !a.IsValid() {
				continue
			}
			if !permitted(a.Addr()) {
				return fmt.Errorf("the %s %s is neither a loopback nor a private address: load is only sent within a machine or a private network, so use 127.0.0.0/8, ::1, 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or fc00::/7", what, a)
			}
			if o.Target.IsValid() && a.Addr().Is4() != o.Target.Addr().Is4() && what == "caller" {
				return fmt.Errorf("the caller %s cannot send to the target %s: one is IPv4, the other IPv6", a, o.Target)
			}
		}
	}
	if o.Target.IsValid() && o.Target.Port() == 0 {
		return fmt.Errorf("the target %s has no port: write, for example, %s", o.Target, netip.AddrPortFrom(o.Target.Addr(), 5060))
	}
	if o.Sockets < 1 || o.Sockets > MaxSockets || o.Caller.Port() > 0 && int(o.Caller.Port())+o.Sockets > 65536 {
		return fmt.Errorf("%d sockets from port %d on: at least 1 and at most %d are possible, below port 65536", o.Sockets, o.Caller.Port(), MaxSockets)
	}
	return o.checkCalls()
}

func example(target netip.AddrPort) netip.AddrPort {
	if target.Addr().IsLoopback() && target.Addr().Is4() {
		return netip.MustParseAddrPort("127.0.0.10:5060")
	}
	return target
}

func (o *Options) checkCalls() error {
	if o.Flow == FlowBurst {
		o.Ring = 0
	}
	if o.Flow == FlowReject {
		if o.Reject == 0 {
			o.Reject = 486
		}
		o.RejectShare = 1
	}
	switch {
	case o.Ring < 0 || o.Hold < 0 || o.CancelAfter < 0 || o.Ring+o.Hold > MaxDuration:
		return fmt.Errorf("a ring time of %v, a hold time of %v and %v to a CANCEL: none may be negative, nor all longer than %v", o.Ring, o.Hold, o.CancelAfter, MaxDuration)
	case o.Reject != 0 && (o.Reject < 300 || o.Reject > 699):
		return fmt.Errorf("code %d refuses no call: write one of 300 to 699, for example 486", o.Reject)
	case o.RejectShare < 0 || o.RejectShare > 1 || o.CancelShare < 0 || o.CancelShare > 1:
		return fmt.Errorf("shares of %g refused and %g cancelled calls: write numbers from 0 to 1", o.RejectShare, o.CancelShare)
	case o.RejectShare > 0 && o.Reject == 0:
		return errors.New("a share of refused calls has no code: add --reject, for example --reject 486")
	case o.CancelShare > 0 && o.Flow != FlowCall:
		return fmt.Errorf("calls of the flow %s are not cancelled: cancel with --flow call", o.Flow)
	case o.CancelShare > 0 && len(o.Callees) > 0 && o.Ring <= o.CancelAfter:
		return fmt.Errorf("calls are to be cancelled %v after they ring, but are answered after %v: make --ring longer, for example --ring %v", o.CancelAfter, o.Ring, o.CancelAfter+time.Second)
	case o.Timers.T1 < time.Millisecond || o.Timers.T2 < o.Timers.T1 || o.Timers.T1 > time.Minute || o.Timers.T2 > MaxDuration:
		return fmt.Errorf("timers T1 %v and T2 %v: T1 is at least 1 ms and at most one minute, T2 at least T1", o.Timers.T1, o.Timers.T2)
	case o.Watch < 0:
		return fmt.Errorf("process %d to watch: write a process id", o.Watch)
	}
	if o.Flow == FlowGarbage {
		return o.checkGarbage()
	}
	return o.Texts.Check()
}

// locals are the addresses of all sockets: the callers' first. For garbage they
// are its sources.
func (o *Options) locals() []netip.AddrPort {
	var l []netip.AddrPort
	switch {
	case o.Flow == FlowGarbage:
		l = o.sources()
	case o.Target.IsValid():
		for i := range o.Sockets {
			port := o.Caller.Port()
			if port > 0 {
				port += uint16(i)
			}
			l = append(l, netip.AddrPortFrom(o.Caller.Addr(), port))
		}
	}
	return append(l, o.Callees...)
}

func (o *Options) buffer(sockets int) int {
	if o.Buffer > 0 {
		return o.Buffer
	}
	return max(64<<10, min(16<<20, 64<<20/max(sockets, 1)))
}

// places says whether the options place calls or send OPTIONS.
func (o *Options) places() bool { return o.Target.IsValid() && o.Flow != FlowGarbage }

// slots is how many calls may be up at once at a rate: all that start while one
// rings, holds and is given up for lost.
func (o *Options) slots(rate float64, calls int64) int {
	lasting := o.Ring + o.Hold + o.CancelAfter + 64*o.Timers.T1
	n := int64(rate*lasting.Seconds()) + 1000
	if calls > 0 {
		n = min(n, calls)
	}
	return int(max(1, min(n, 500_000)))
}

// Settings are the options as the document shows them.
func (o *Options) Settings() result.Settings {
	s := result.Settings{
		Flow: o.Flow, Ring: o.Ring.Seconds(), Hold: o.Hold.Seconds(), Reject: o.Reject, RejectShare: o.RejectShare,
		CancelShare: o.CancelShare, T1: o.Timers.T1.Seconds(), T2: o.Timers.T2.Seconds(), Watch: o.Watch,
	}
	if o.Target.IsValid() {
		s.Target = o.Target.String()
	}
	if o.places() {
		s.Caller, s.Sockets = o.Caller.String(), o.Sockets
	}
	for _, c := range o.Callees {
		s.Callees = append(s.Callees, c.String())
	}
	if o.Flow == FlowGarbage {
		s.Seed = o.Seed
	}
	return s
}
