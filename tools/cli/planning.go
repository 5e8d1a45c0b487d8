package cli

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"trunkline/appliance/bake"
	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
)

// planned is a spec all the way to its config layer.
type planned struct {
	spec  *spec.Spec
	plan  *plan.Plan
	files []bake.File
}

// makePlan sizes and plans a spec and renders its files.
func (a *app) makePlan(dir string) (*planned, error) {
	s, err := a.load(dir)
	if err != nil {
		return nil, err
	}
	return a.planSpec(s)
}

// planSpec sizes and plans a loaded spec and renders its files.
func (a *app) planSpec(s *spec.Spec) (*planned, error) {
	o, err := a.planOptions()
	if err != nil {
		return nil, err
	}
	return planOne(s, a.calibration.coefficients, o, warned(a.diags))
}

// planOne does the work of planSpec. It changes nothing that is shared, and so may
// run for several specs at once.
func planOne(s *spec.Spec, c *sizing.Coefficients, o plan.Options, warnings []plan.Warning) (*planned, error) {
	p, err := plan.Make(s, sizing.Size(s, c), o)
	if err != nil {
		return nil, err
	}
	files, err := bake.Seal(p, s)
	if err != nil {
		return nil, err
	}
	p.Warnings = warnings
	return &planned{s, p, files}, nil
}

// planSpecs is planSpec for the appliances of a fleet, on all processors and with a
// bar on a terminal. The plans are in the order of the specs; the error, if any, is
// that of the first spec that has one.
func (a *app) planSpecs(ctx context.Context, specs []*spec.Spec) ([]*planned, error) {
	o, err := a.planOptions() // once: packs and coefficients are read, and complained of, here
	if err != nil {
		return nil, err
	}
	warnings := warned(a.diags)
	out, errs := make([]*planned, len(specs)), make([]error, len(specs))
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	step, done := a.fleetProgress(len(specs))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(specs)) {
		workers.Go(func() {
			for i := range next {
				if out[i], errs[i] = planOne(specs[i], a.calibration.coefficients, o, warnings); errs[i] != nil {
					stop()
				}
				step()
			}
		})
	}
	// In order: when one fails, all before it have begun, and the first error is
	// the same in every run.
	for i := range specs {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	workers.Wait()
	for i, err := range errs {
		if err != nil {
			done(false)
			return nil, fmt.Errorf("%s: %w", specs[i].Appliance.Name, err)
		}
	}
	if err := ctx.Err(); err != nil {
		done(false)
		return nil, err
	}
	done(true)
	return out, nil
}

// fleetProgress shows a bar on a terminal, and nothing elsewhere. Step may be called
// from several goroutines.
func (a *app) fleetProgress(n int) (step func(), done func(ok bool)) {
	if n < 2 || !a.terminal(a.Stderr) {
		return func() {}, func(bool) {}
	}
	p, bar := a.fleetBar(n, decor.Name("planning  "))
	return bar.Increment, func(ok bool) {
		if !ok {
			bar.Abort(true)
		}
		p.Wait()
	}
}

// fleetBar is a bar of n appliances, which goes when it is full.
func (a *app) fleetBar(n int, what decor.Decorator) (*mpb.Progress, *mpb.Bar) {
	p := mpb.New(mpb.WithOutput(a.Stderr), mpb.WithAutoRefresh())
	return p, p.AddBar(int64(n), mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(what, decor.CountersNoUnit("%d / %d")),
		mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_MMSS)))
}
