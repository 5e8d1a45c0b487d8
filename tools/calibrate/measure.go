package calibrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"trunkline/appliance/sizing"
	"trunkline/tools/sipload/result"
	"trunkline/tools/sipload/rig"
	"trunkline/tools/sipload/usage"
)

// Options are the terms of a run.
type Options struct {
	Sbcd, Sipload     string // the programs
	Dir               string // an empty directory for what lies there meanwhile
	ProxyCPU, LoadCPU int
	Profile           Profile // whose CPU per call becomes cpu_per_call

	// Allowance is what costs are multiplied by, for what a run over loopback lacks: a card's
	// interrupts, a packet filter, longer messages. 1: as measured.
	Allowance float64
	// Rate, calls a second; Settle: how long a load runs before it is measured; Window of each measurement; Rounds of each that varies; Calls of those
	// that count memory; Ramp of the search for the highest rate, FROM:TO:STEP; Kills of the
	// search for the gap.
	Rate   int
	Settle time.Duration
	Window time.Duration
	Rounds int
	Calls  int
	Ramp   string
	Kills  int
	// Again is how often a measurement that the machine has spoiled is made again.
	Again int
	// Noisy takes figures of a machine that does other things, too, and says so in their source.
	Noisy bool
	// Progress hears what is done next; nil: nobody.
	Progress func(string)
}

// Full are the terms of a calibration: about four minutes. A transaction lives for five seconds after its
// end, and the proxy is as busy as it gets only then.
func Full() Options {
	return Options{ProxyCPU: 0, LoadCPU: 1, Profile: Proxy, Allowance: 2, Rate: 1000, Settle: 6 * time.Second, Window: 8 * time.Second, Rounds: 3, Calls: 10000,
		Ramp: "2000:16000:1000", Kills: 10, Again: 2}
}

// Quick are those of a look: less than a minute, of less worth.
func Quick() Options {
	o := Full()
	o.Rate, o.Settle, o.Window, o.Rounds, o.Calls, o.Ramp, o.Kills, o.Again = 500, 2*time.Second, 2*time.Second, 1, 1000, "1000:3000:1000", 2, 0
	return o
}

// Figure is one coefficient as measured.
type Figure struct {
	Name   string // of sizing's coefficient
	Value  float64
	Low    float64 // measured, without allowance
	High   float64
	Source string
}

// Result is what a run found.
type Result struct {
	Figures []Figure
	// CPU per call of each profile, seconds, the median without allowance.
	CPU map[Profile]float64
	// Missing are figures that could not be had, with the reason.
	Missing []string
}

// Run measures. It fails where nothing can be measured at all.
func Run(ctx context.Context, o Options) (*Result, error) {
	r := &Result{CPU: map[Profile]float64{}}
	steps := []func(context.Context, *Options, *Result) error{cpu, transactions, calls, socket, gap}
	for _, step := range steps {
		if err := step(ctx, &o, r); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (o *Options) say(format string, args ...any) {
	if o.Progress != nil {
		o.Progress(fmt.Sprintf(format, args...))
	}
}

// cpu measures what a call costs in each profile, and what the process takes beside its state.
func cpu(ctx context.Context, o *Options, r *Result) error {
	for _, p := range Profiles() {
		var costs, resident []float64
		why, noise := "", ""
		for round := 0; round < o.Rounds; round++ {
			for try := 0; ; try++ {
				o.say("CPU per call, profile %s, %d calls/s, round %d of %d", p, o.Rate, round+1, o.Rounds)
				x, beyond, err := o.cell(ctx, p)
				if err != nil {
					return err
				}
				why = disturbed(x)
				if why == "" || o.Noisy && x.Caller.Failed == 0 {
					if why != "" {
						noise = why
					}
					costs = append(costs, x.CPU.Watched.PerThousand/1000)
					resident = append(resident, beyond)
					break
				}
				if try == o.Again {
					break
				}
			}
		}
		if len(costs) == 0 {
			r.missing("cpu_per_call of profile "+string(p), why)
			continue
		}
		r.CPU[p] = median(costs)
		if p != o.Profile {
			continue
		}
		r.add(o, Figure{Name: "cpu_per_call", Value: slices.Max(costs) * o.Allowance, Low: slices.Min(costs), High: slices.Max(costs),
			Source: fmt.Sprintf("measured: sbcd, profile %s, 13 datagrams a call over loopback, %d calls/s on one CPU%s", p, o.Rate, o.allowance())}, noise)
		r.add(o, Figure{Name: "process_bytes", Value: slices.Max(resident) * o.Allowance, Low: slices.Min(resident), High: slices.Max(resident),
			Source: fmt.Sprintf("measured: resident memory of sbcd beside its state at %d calls/s%s", o.Rate, o.allowance())}, noise)
	}
	return nil
}

// cell measures one profile once. beyond is what sbcd has in main memory beside its state, bytes.
func (o *Options) cell(ctx context.Context, p Profile) (x *result.Run, beyond float64, err error) {
	s, err := serve(ctx, o, p)
	if err != nil {
		return nil, 0, err
	}
	defer s.close()
	run, err := s.Window(ctx, o.Settle+o.Window+time.Minute, s.process, "--rate", strconv.Itoa(o.Rate), "--duration", o.Window.String(), "--warmup", o.Settle.String())
	if err != nil {
		return nil, 0, err
	}
	_, state, err := usage.Mapping(s.process.Pid(), arena)
	if err != nil {
		return nil, 0, err
	}
	return run, float64(run.CPU.Watched.Resident - state), nil
}

// arena is the path of sbcd's state in its address space.
const arena = "/memfd:trunkline"

// transactions measures the messages that a ringing call keeps.
func transactions(ctx context.Context, o *Options, r *Result) error {
	o.say("memory of %d ringing calls", o.Calls)
	took, why, err := o.growth(ctx, Proxy, false, "--ring", o.while().String())
	if err != nil {
		return err
	}
	c := sizing.DefaultCoefficients()
	rows := at(c, "transaction_slot_bytes") + at(c, "call_slot_bytes")
	if why == "" && took <= rows {
		why = fmt.Sprintf("a ringing call took %.0f B, less than its rows", took)
	}
	if why != "" {
		r.missing("message_bytes_stored", why)
		return nil
	}
	stored := took - rows
	r.add(o, Figure{Name: "message_bytes_stored", Value: stored * o.Allowance, Low: stored, High: stored,
		Source: fmt.Sprintf("measured: growth of sbcd's state over %d ringing calls, a transaction's and a call's rows taken off%s", o.Calls, o.allowance())}, "")
	return nil
}

// while is how long calls last that are to be up at once, with time to look at them.
func (o *Options) while() time.Duration {
	return time.Duration(float64(o.Calls)/float64(o.Rate)*float64(time.Second)) + 2*o.Settle + 2*time.Second
}

// growth measures what a call adds to the state of sbcd while many are up, bytes; why is the
// reason where that cannot be said. settled: what calls have before they are answered does not count.
func (o *Options) growth(ctx context.Context, p Profile, settled bool, how ...string) (took float64, why string, err error) {
	s, err := serve(ctx, o, p)
	if err != nil {
		return 0, "", err
	}
	defer s.close()
	if settled { // the memory of transactions that end is used again, and stays the process's
		if _, err := s.Load(ctx, 2*o.Settle+time.Minute, s.process, "--rate", strconv.Itoa(o.Rate), "--duration", (2 * o.Settle).String()); err != nil {
			return 0, "", err
		}
	}
	_, before, err := usage.Mapping(s.process.Pid(), arena)
	if err != nil {
		return 0, "", err
	}
	begun := time.Duration(float64(o.Calls) / float64(o.Rate) * float64(time.Second))
	var after int64
	look := func() error {
		_, after, err = usage.Mapping(s.process.Pid(), arena)
		return err
	}
	run, err := s.During(ctx, begun+o.while()+time.Minute, s.process, begun+2*o.Settle, look,
		append([]string{"--rate", strconv.Itoa(o.Rate), "--duration", begun.String(), "--max-calls", strconv.Itoa(o.Calls)}, how...)...)
	switch {
	case errors.Is(err, rig.ErrEarly):
		return 0, err.Error(), nil
	case err != nil:
		return 0, "", err
	case run.Caller.Failed > 0:
		return 0, fmt.Sprintf("%d of %d calls failed", run.Caller.Failed, o.Calls), nil
	}
	return float64(after-before) / float64(o.Calls), "", nil
}

// socket measures what one socket, and so one worker, takes without loss.
func socket(ctx context.Context, o *Options, r *Result) error {
	o.say("highest rate of one socket without loss")
	s, err := serve(ctx, o, Proxy)
	if err != nil {
		return err
	}
	defer s.close()
	d, err := s.Load(ctx, 10*time.Minute, s.process, "--ramp", o.Ramp, "--step-duration", (o.Window / 2).String(), "--warmup", "1s", "--precise")
	if err != nil {
		return err
	}
	if d.Ramp == nil || d.Ramp.Knee == 0 {
		r.missing("socket_packets", "not even the first step of "+o.Ramp+" calls/s was without loss")
		return nil
	}
	const received = 6 // datagrams of a call that the proxy receives
	packets := d.Ramp.Knee * received
	source := fmt.Sprintf("measured: one socket and its worker on one CPU took %.0f calls/s of 6 received datagrams without loss", d.Ramp.Knee)
	if d.Ramp.Limit {
		source += ", and no higher rate was tried"
	}
	r.add(o, Figure{Name: "socket_packets", Value: packets / o.Allowance, Low: packets, High: packets, Source: source + o.allowance()}, "")
	return nil
}

// gap measures how long nobody answers after sbcd was killed.
func gap(ctx context.Context, o *Options, r *Result) error {
	s, err := serve(ctx, o, SBC)
	if err != nil {
		return err
	}
	defer s.close()
	var gaps []float64
	for n := range o.Kills {
		o.say("time from a kill to the next answer, %d of %d", n+1, o.Kills)
		at := time.Now()
		s.kill()
		answered, err := ask()
		if err != nil {
			return err
		}
		if err := s.start(ctx); err != nil {
			return err
		}
		if err := answered(); err != nil {
			return err
		}
		gaps = append(gaps, time.Since(at).Seconds())
	}
	r.add(o, Figure{Name: "stall", Value: max(slices.Max(gaps)*o.Allowance, leastStall), Low: slices.Min(gaps), High: slices.Max(gaps),
		Source: fmt.Sprintf("measured: from a kill of sbcd to its next answer, %d times, without calls in progress%s; at least %g s, for what else may hold up a worker", o.Kills, o.allowance(), leastStall)}, "")
	return nil
}

// leastStall is the least pause that sockets are sized for, seconds.
const leastStall = 0.5

func (o *Options) allowance() string {
	if o.Allowance == 1 {
		return ""
	}
	return fmt.Sprintf("; times %g for what such a run lacks", o.Allowance)
}

func (r *Result) add(_ *Options, f Figure, noise string) {
	if noise != "" {
		f.Source += "; while " + noise
	}
	r.Figures = append(r.Figures, f)
}

func (r *Result) missing(what, why string) {
	r.Missing = append(r.Missing, what+": "+why)
}

func at(c *sizing.Coefficients, name string) float64 {
	v, _ := c.Get(name)
	return v.Value
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// calls measures what a call that is up keeps of its dialog.
func calls(ctx context.Context, o *Options, r *Result) error {
	o.say("memory of %d calls that are up", o.Calls)
	took, why, err := o.growth(ctx, SBC, true, "--hold", o.while().String())
	if err != nil {
		return err
	}
	if row := at(sizing.DefaultCoefficients(), "call_slot_bytes"); why == "" && took <= row {
		why = fmt.Sprintf("a call took %.0f B, less than its row", took)
	} else {
		took -= row
	}
	if why != "" {
		r.missing("dialog_bytes", why)
		return nil
	}
	r.add(o, Figure{Name: "dialog_bytes", Value: took, Low: took, High: took,
		Source: fmt.Sprintf("measured: growth of sbcd's state over %d calls that are up, a call's row taken off", o.Calls)}, "")
	return nil
}
