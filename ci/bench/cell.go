package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// Addresses of every cell: the load, the proxy, the callees.
const (
	caller  = "127.90.0.10:5060"
	target  = "127.90.0.2:5060"
	callees = "127.90.0.21:5060,127.90.0.22:5060"
)

// document is what of sipload's result is read here.
type document struct {
	Clean bool  `json:"clean"`
	Run   *run  `json:"run"`
	Ramp  *ramp `json:"ramp"`
}

type run struct {
	Problems []string `json:"problems"`
	Warnings []string `json:"warnings"`
	Window   struct {
		Rate float64 `json:"rate"`
	} `json:"window"`
	Caller struct {
		Failed uint64 `json:"failed"`
	} `json:"uac"`
	Latency map[string]struct {
		P50 int64 `json:"p50_us"`
		P99 int64 `json:"p99_us"`
	} `json:"latency"`
	CPU struct {
		Self struct {
			Cores float64 `json:"cores"`
		} `json:"self"`
		Watched *struct {
			PerThousand float64 `json:"seconds_per_1000_calls"`
			Cores       float64 `json:"cores"`
			Resident    int64   `json:"resident_bytes"`
		} `json:"watched"`
		Others float64 `json:"others"`
		Steal  float64 `json:"steal"`
	} `json:"cpu"`
}

type ramp struct {
	Knee  float64 `json:"knee"`
	Limit bool    `json:"at_end"`
}

// What a machine may do beside a cell: cores that other processes use, cores that a host
// takes away, and how late one call in a hundred is sent.
const (
	quiet    = 0.15 // cores
	quietLag = 500  // us
)

// disturbances are what the machine did that has nothing to do with the proxy.
func (r *run) disturbances() []string {
	var out []string
	if r.CPU.Others > quiet {
		out = append(out, fmt.Sprintf("other processes used %.2f cores", r.CPU.Others))
	}
	if r.CPU.Steal > quiet {
		out = append(out, fmt.Sprintf("the host took %.2f cores away", r.CPU.Steal))
	}
	if lag := r.Latency["schedule_lag"].P99; lag > quietLag {
		out = append(out, fmt.Sprintf("calls were sent %d us late", lag))
	}
	return out
}

// sipload runs the load generator on its core.
func (b *bench) sipload(ctx context.Context, bound time.Duration, args ...string) (*document, error) {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	all := append([]string{"-c", b.loadCore, b.program("sipload"), "--target", target, "--uac", caller, "--uas", callees, "--json", "-"}, args...)
	cmd := exec.CommandContext(ctx, "taskset", all...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) { // 1: measured, and not clean
		return nil, fmt.Errorf("sipload: %w: %s", err, errs.String())
	}
	var d document
	if err := json.Unmarshal(out.Bytes(), &d); err != nil {
		return nil, fmt.Errorf("sipload's result: %w: %s", err, errs.String())
	}
	return &d, nil
}

// cell measures one proxy at one rate.
func (b *bench) cell(ctx context.Context, kind string, rate int) (*run, error) {
	p, err := b.start(ctx, kind)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	seconds := b.seconds + b.warmup
	d, err := b.sipload(ctx, time.Duration(seconds*float64(time.Second))+time.Minute,
		"--rate", strconv.Itoa(rate), "--duration", fmt.Sprintf("%gs", b.seconds), "--warmup", fmt.Sprintf("%gs", b.warmup),
		"--watch", strconv.Itoa(p.pid()))
	if err != nil {
		return nil, err
	}
	if d.Run == nil || d.Run.CPU.Watched == nil {
		return nil, fmt.Errorf("%s at %d calls/s: sipload measured nothing", kind, rate)
	}
	return d.Run, p.alive()
}

// knee finds the highest loss-free rate of one proxy.
func (b *bench) knee(ctx context.Context, kind string) (*ramp, error) {
	p, err := b.start(ctx, kind)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	d, err := b.sipload(ctx, 10*time.Minute, "--ramp", b.ramp, "--step-duration", fmt.Sprintf("%gs", b.seconds/2),
		"--warmup", "1s", "--precise", "--watch", strconv.Itoa(p.pid()))
	if err != nil {
		return nil, err
	}
	if d.Ramp == nil {
		return nil, fmt.Errorf("%s: sipload ramped nothing", kind)
	}
	return d.Ramp, p.alive()
}

// ringing is how many calls stand in one proxy at once while its memory is read,
// and how they get there: 1,000 a second.
const (
	ringing     = 10000
	ringingRate = 1000
)

// memory measures the bytes a live INVITE transaction takes: what grows in the
// proxy while many calls ring.
func (b *bench) memory(ctx context.Context, kind string) (float64, error) {
	p, err := b.start(ctx, kind)
	if err != nil {
		return 0, err
	}
	defer p.stop()
	before, err := p.used()
	if err != nil {
		return 0, err
	}
	type result struct {
		d   *document
		err error
	}
	done := make(chan result, 1)
	go func() {
		d, err := b.sipload(ctx, 2*time.Minute, "--rate", strconv.Itoa(ringingRate), "--ring", "14s",
			"--duration", fmt.Sprintf("%ds", ringing/ringingRate), "--max-calls", strconv.Itoa(ringing))
		done <- result{d, err}
	}()
	// All calls have begun, and the first has two seconds left to ring.
	select {
	case r := <-done:
		return 0, fmt.Errorf("the calls ended before they rang: %v", r.err)
	case <-time.After((ringing/ringingRate + 2) * time.Second):
	}
	after, err := p.used()
	if err != nil {
		return 0, err
	}
	// Calls that were sent twice rang all the same; ones that failed did not.
	if r := <-done; r.err != nil {
		return 0, r.err
	} else if failed := r.d.Run.Caller.Failed; failed > 0 {
		return 0, fmt.Errorf("%s: %d of %d calls failed: %v", kind, failed, ringing, r.d.Run.Problems)
	}
	return float64(after-before) / ringing, p.alive()
}
