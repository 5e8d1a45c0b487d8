package load

import (
	"context"
	"fmt"
	"time"

	"trunkline/tools/sipload/result"
)

// Ramp is a search for the highest clean rate.
type Ramp struct {
	From, To, Step float64 // calls a second
	Warmup         time.Duration
	Duration       time.Duration // measured, of each step
	Precise        bool          // halve the interval between the last clean rate and the first that was not
	Pause          time.Duration // between steps: the proxy forgets its transactions
	Group          int64         // as in Step
}

// Check reports what is wrong with the ramp.
func (r Ramp) Check() error {
	if r.From <= 0 || r.To < r.From || r.Step <= 0 || r.To > MaxRate {
		return fmt.Errorf("a ramp from %g to %g in steps of %g: write FROM:TO:STEP with 0 < FROM <= TO <= %d and a STEP above 0, for example 1000:8000:500", r.From, r.To, r.Step, MaxRate)
	}
	if n := (r.To-r.From)/r.Step + 1; n > maxSteps {
		return fmt.Errorf("a ramp of %.0f steps: %d is the most, choose a larger STEP", n, maxSteps)
	}
	return Step{Rate: r.To, Warmup: r.Warmup, Duration: r.Duration, Group: r.Group}.Check()
}

const maxSteps = 200

// precision ends the bisection: the interval over its lower end.
const precision = 0.02

// afterLoss is how much longer the pause is after a step that lost something.
const afterLoss = 4

// Run measures rising rates until one is not clean. report is called after each
// step. When ctx ends it returns what there is.
func (r Ramp) Run(ctx context.Context, e *Engine, report func(*result.Run)) (*result.Ramp, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	out := &result.Ramp{From: r.From, To: r.To, Step: r.Step, Limit: true}
	measure := func(rate float64) (bool, error) {
		if n := len(out.Steps); n > 0 {
			pause := r.Pause
			if !out.Steps[n-1].Clean() {
				pause *= afterLoss
			}
			if err := e.Idle(ctx, pause); err != nil {
				return false, nil // the context ended
			}
		}
		run, err := e.Run(ctx, Step{Rate: rate, Warmup: r.Warmup, Duration: r.Duration, Group: r.Group})
		if err != nil {
			return false, err
		}
		out.Steps = append(out.Steps, run)
		report(run)
		if run.Clean() {
			out.Knee = max(out.Knee, rate)
		}
		return run.Clean(), nil
	}
	bad := 0.0
	for i := 0; ; i++ {
		rate := r.From + float64(i)*r.Step
		if rate > r.To*(1+1e-9) || ctx.Err() != nil {
			break
		}
		clean, err := measure(rate)
		if err != nil {
			return nil, err
		}
		if !clean {
			out.Limit, bad = false, rate
			break
		}
	}
	for r.Precise && out.Knee > 0 && bad-out.Knee > precision*out.Knee && ctx.Err() == nil {
		rate := (out.Knee + bad) / 2
		clean, err := measure(rate)
		if err != nil {
			return nil, err
		}
		if !clean {
			bad = rate
		}
	}
	if ctx.Err() != nil {
		out.Limit = false
	}
	return out, nil
}
