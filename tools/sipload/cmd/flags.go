package cmd

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"trunkline/tools/sipload/agent"
	"trunkline/tools/sipload/load"
)

// flags are the command line.
type flags struct {
	set *pflag.FlagSet

	target, uac      string
	uas, headers     []string
	sockets          int
	flow             string
	rate             float64
	duration, warmup time.Duration
	calls, group     int64
	ring, hold       time.Duration
	reject           int
	rejectShare      float64
	cancel           float64
	cancelAfter      time.Duration
	t1, t2           time.Duration
	from, to         string
	body             int
	watch            int
	ramp             string
	stepDuration     time.Duration
	pause            time.Duration
	precise          bool
	json             string
	sources          string
	spread           int
	seed             uint64
	buffer           int
}

func (f *flags) define(s *pflag.FlagSet) {
	f.set = s
	s.SortFlags = false
	s.StringVar(&f.target, "target", "", "ADDRESS:PORT of the proxy calls go to; without it calls are only answered")
	s.StringVar(&f.uac, "uac", "", "ADDRESS:PORT calls come from; port 0: the kernel's choice")
	s.StringSliceVar(&f.uas, "uas", nil, "ADDRESS:PORT calls are answered at, several with commas; without it calls are only placed")
	s.IntVar(&f.sockets, "sockets", 1, "source ports of the calls, from that of --uac on; 1 is one trunk")
	s.StringVar(&f.flow, "flow", load.FlowCall, "call, 180-200-burst, invite-reject, options or garbage")
	s.Float64Var(&f.rate, "rate", 10, "calls (or OPTIONS, or datagrams of garbage) a second")
	s.DurationVar(&f.duration, "duration", 10*time.Second, "how long is measured, after the warm-up; 1h where calls are only answered")
	s.DurationVar(&f.warmup, "warmup", 0, "how long calls are placed before measuring begins")
	s.Int64Var(&f.calls, "max-calls", 0, "most calls, warm-up included; 0: what rate and duration give")
	s.Int64Var(&f.group, "group", 1, "calls that start at the same instant; 1 spreads them evenly")
	s.DurationVar(&f.ring, "ring", 0, "from the 180 to the 200; 0: both at once")
	s.DurationVar(&f.hold, "hold", 0, "from the ACK to the BYE")
	s.IntVar(&f.reject, "reject", 0, "refuse calls with this code; a caller expects it")
	s.Float64Var(&f.rejectShare, "reject-share", 1, "share of the calls refused with --reject, 0 to 1")
	s.Float64Var(&f.cancel, "cancel", 0, "share of the calls cancelled once they ring, 0 to 1")
	s.DurationVar(&f.cancelAfter, "cancel-after", 0, "from the 180 to the CANCEL")
	s.DurationVar(&f.t1, "t1", agent.DefaultTimers.T1, "timer T1 of RFC 3261")
	s.DurationVar(&f.t2, "t2", agent.DefaultTimers.T2, "timer T2 of RFC 3261")
	s.StringVar(&f.from, "from", agent.DefaultTexts.FromUser, "user part of the caller")
	s.StringVar(&f.to, "to", agent.DefaultTexts.ToUser, "what called numbers begin with; seven digits follow")
	s.StringArrayVar(&f.headers, "header", nil, "a further line 'Name: value' of every INVITE and OPTIONS; may be repeated")
	s.IntVar(&f.body, "body-size", 0, "bytes the SDP is made up to")
	s.IntVar(&f.watch, "watch", 0, "process id of the proxy: its CPU, memory and lost datagrams are measured")
	s.StringVar(&f.ramp, "ramp", "", "FROM:TO:STEP: rising rates until one is not clean, in place of --rate")
	s.DurationVar(&f.stepDuration, "step-duration", 5*time.Second, "how long each step of a ramp is measured")
	s.DurationVar(&f.pause, "pause", time.Second, "between the steps of a ramp; four times as long after a loss")
	s.BoolVar(&f.precise, "precise", false, "find the end of a ramp to 2 %")
	s.StringVar(&f.json, "json", "", "write the result as JSON to this file; -: to standard output, in place of the table")
	s.StringVar(&f.sources, "garbage-from", load.DefaultSources.String(), "prefix garbage comes from")
	s.IntVar(&f.spread, "garbage-sources", 64, "number of addresses garbage comes from")
	s.Uint64Var(&f.seed, "seed", 1, "of garbage: the same seed sends the same")
	s.IntVar(&f.buffer, "recv-buffer", 0, "bytes of each receive queue; 0: 64 MB over all sockets, at most 16 MB each")
}

// address reads an address and port.
func address(flag, text string) (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(text)
	if err != nil {
		return a, fmt.Errorf("--%s %q: %w. Write ADDRESS:PORT with a literal address, for example 127.0.0.2:5060 or [::1]:5060", flag, text, err)
	}
	return a, nil
}

func (f *flags) options() (load.Options, error) {
	o := load.Options{
		Flow: f.flow, Sockets: f.sockets, Ring: f.ring, Hold: f.hold, Reject: f.reject, CancelShare: f.cancel, CancelAfter: f.cancelAfter,
		Timers: agent.Timers{T1: f.t1, T2: f.t2}, Watch: f.watch, Seed: f.seed, Buffer: f.buffer,
		Texts: agent.Texts{FromUser: f.from, ToUser: f.to, Headers: f.headers, BodySize: f.body},
	}
	var err error
	if f.reject != 0 || f.set.Changed("reject-share") {
		o.RejectShare = f.rejectShare
	}
	if f.set.Changed("garbage-from") {
		if o.Sources, err = netip.ParsePrefix(f.sources); err != nil {
			return o, fmt.Errorf("--garbage-from: %w. Write a prefix, for example %s", err, load.DefaultSources)
		}
	}
	if f.set.Changed("garbage-sources") {
		o.Spread = f.spread
	}
	if f.target != "" {
		if o.Target, err = address("target", f.target); err != nil {
			return o, err
		}
	}
	if f.uac != "" {
		if o.Caller, err = address("uac", f.uac); err != nil {
			return o, err
		}
	}
	for _, text := range f.uas {
		a, err := address("uas", text)
		if err != nil {
			return o, err
		}
		o.Callees = append(o.Callees, a)
	}
	if f.flow == load.FlowGarbage && !o.Caller.IsValid() {
		o.Caller = netip.AddrPortFrom(o.Target.Addr(), 0) // replaced by the sources
	}
	return o, o.Check()
}

// plan is what is measured: a ramp or one step.
func (f *flags) plan() (*load.Ramp, load.Step, error) {
	if f.ramp == "" {
		s := load.Step{Rate: f.rate, Warmup: f.warmup, Duration: f.duration, Calls: f.calls, Group: f.group}
		if f.target == "" && !f.set.Changed("duration") {
			s.Duration = load.MaxDuration
		}
		switch {
		case f.target == "":
			s.Rate = 0
		case f.rate <= 0:
			return nil, s, fmt.Errorf("--rate %g: write a number above 0", f.rate)
		}
		for _, name := range []string{"step-duration", "precise", "pause"} {
			if f.set.Changed(name) {
				return nil, s, fmt.Errorf("--%s is for a ramp: add --ramp FROM:TO:STEP", name)
			}
		}
		return nil, s, s.Check()
	}
	for _, name := range []string{"rate", "duration", "max-calls"} {
		if f.set.Changed(name) {
			return nil, load.Step{}, fmt.Errorf("--%s says nothing about a ramp: its rates are in --ramp, the length of its steps in --step-duration", name)
		}
	}
	if f.target == "" || f.flow == load.FlowGarbage {
		return nil, load.Step{}, errors.New("a ramp places calls: name the proxy with --target, and another flow than garbage")
	}
	r := &load.Ramp{Warmup: f.warmup, Duration: f.stepDuration, Precise: f.precise, Pause: f.pause, Group: f.group}
	parts := strings.Split(f.ramp, ":")
	into := []*float64{&r.From, &r.To, &r.Step}
	for i := range into {
		if len(parts) != len(into) {
			break // Check says what to write
		}
		v, err := strconv.ParseFloat(parts[i], 64)
		if err != nil {
			return nil, load.Step{}, fmt.Errorf("--ramp %q: %q is not a number. Write FROM:TO:STEP, for example 1000:8000:500", f.ramp, parts[i])
		}
		*into[i] = v
	}
	return r, load.Step{}, r.Check()
}
