package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"trunkline/tools/sipload/result"
	"trunkline/tools/sipload/rig"
)

// Addresses of every cell: the load, the proxy, the callees.
const (
	caller  = "127.90.0.10:5060"
	target  = "127.90.0.2:5060"
	callees = "127.90.0.21:5060,127.90.0.22:5060"
)

// rig is where a proxy of this run and its load are.
func (b *bench) rig() *rig.Rig {
	return &rig.Rig{Sipload: b.program("sipload"), ProxyCPU: b.proxyCore, LoadCPU: b.loadCore, Caller: caller, Target: target, Callees: callees}
}

// cell measures one proxy at one rate.
func (b *bench) cell(ctx context.Context, kind string, rate int) (*result.Run, error) {
	p, err := b.start(ctx, kind)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	seconds := b.seconds + b.warmup
	r, err := b.rig().Window(ctx, time.Duration(seconds*float64(time.Second))+time.Minute, p.Process,
		"--rate", strconv.Itoa(rate), "--duration", fmt.Sprintf("%gs", b.seconds), "--warmup", fmt.Sprintf("%gs", b.warmup))
	if err != nil {
		return nil, fmt.Errorf("%s at %d calls/s: %w", kind, rate, err)
	}
	return r, nil
}

// knee finds the highest loss-free rate of one proxy.
func (b *bench) knee(ctx context.Context, kind string) (*result.Ramp, error) {
	p, err := b.start(ctx, kind)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	d, err := b.rig().Load(ctx, 10*time.Minute, p.Process, "--ramp", b.ramp, "--step-duration", fmt.Sprintf("%gs", b.seconds/2),
		"--warmup", "1s", "--precise")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	if d.Ramp == nil {
		return nil, fmt.Errorf("%s: sipload ramped nothing", kind)
	}
	return d.Ramp, nil
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
	var after int64
	look := func() error {
		after, err = p.used()
		return err
	}
	// All calls have begun, and the first has two seconds left to ring.
	r, err := b.rig().During(ctx, 2*time.Minute, p.Process, (ringing/ringingRate+2)*time.Second, look, "--rate", strconv.Itoa(ringingRate), "--ring", "14s",
		"--duration", fmt.Sprintf("%ds", ringing/ringingRate), "--max-calls", strconv.Itoa(ringing))
	// Calls that were sent twice rang all the same; ones that failed did not.
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s: %w", kind, err)
	case r.Caller.Failed > 0:
		return 0, fmt.Errorf("%s: %d of %d calls failed: %v", kind, r.Caller.Failed, ringing, r.Problems)
	}
	return float64(after-before) / ringing, nil
}
