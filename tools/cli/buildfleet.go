package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
	"trunkline/image"
	"trunkline/image/debian"
)

// maxBuilders bounds the images built at once: each takes some 150 MB of memory.
const maxBuilders = 8

// perProcessor is how many images are built at once on each processor: while one waits
// for the disk to write, another counts, and several are hashed in the time of one
// (image/multibuffer).
const perProcessor = 4

// buildFleet builds the images of all appliances of a spec. Every plan is made, and
// every refusal told, before the first image is. The first error ends the work;
// images that are whole by then stay.
func (a *app) buildFleet(ctx context.Context, dir string, specs []*spec.Spec, o buildOptions) error {
	begin := time.Now()
	made, err := a.planSpecs(ctx, specs)
	if err != nil {
		return err
	}
	refused := 0
	for _, p := range made {
		if a.refuse(p.plan) != nil {
			refused++
		}
		if p.spec.Hardware.Platform != specs[0].Hardware.Platform {
			return fmt.Errorf("%s is %s and %s is %s, and one lock file is for one platform: give the appliances of each platform a directory of their own",
				specs[0].Appliance.Name, specs[0].Hardware.Platform, p.spec.Appliance.Name, p.spec.Hardware.Platform)
		}
	}
	if refused > 0 {
		fmt.Fprintf(a.Stderr, "%s: %d of %s refused, none is built.\n", dir, refused, count(len(made), "appliance"))
		return errShown
	}
	common, noMirror, err := a.buildRequest(ctx, dir, specs, o)
	if err != nil {
		return err
	}
	unmake := remover(o.out)
	results, err := a.buildAll(ctx, made, common, o.out)
	if err != nil {
		unmake()
		return withoutMirror(err, noMirror, o.offline)
	}
	return a.fleetSummary(made, results, time.Since(begin))
}

// buildAll builds on all processors. Results are in the order of the plans; the
// error, if any, is that of the first one that has one.
func (a *app) buildAll(ctx context.Context, made []*planned, common image.Request, out string) ([]image.Result, error) {
	show := a.fleetBuildProgress(len(made))
	common.Memory = new(image.Memory)
	results, errs := make([]image.Result, len(made)), make([]error, len(made))
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(perProcessor*runtime.GOMAXPROCS(0), len(made), maxBuilders) {
		workers.Go(func() {
			for i := range next {
				if results[i], errs[i] = a.buildOne(ctx, made[i], common, out, show); errs[i] != nil {
					stop()
				}
			}
		})
	}
	for i := range made {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	workers.Wait()
	show.done(ctx.Err() == nil)
	var interrupted error
	for i, err := range errs {
		switch {
		case err == nil:
		case errors.Is(err, context.Canceled):
			interrupted = err // by the error of another, or by a signal
		default:
			return nil, fmt.Errorf("%s: %w", made[i].plan.Appliance.Name, err)
		}
	}
	if interrupted == nil {
		interrupted = ctx.Err()
	}
	return results, interrupted
}

func (a *app) buildOne(ctx context.Context, p *planned, common image.Request, out string, show *fleetBuild) (image.Result, error) {
	name := p.plan.Appliance.Name
	r := p.request(common, filepath.Join(out, name), show.of(name))
	unmake := remover(r.OutDir)
	if err := writable(r.OutDir); err != nil {
		return image.Result{}, err
	}
	res, err := image.Build(ctx, r)
	if err == nil {
		err = a.writePlan(r.OutDir, p.plan)
	}
	if err != nil {
		unmake()
		return res, err
	}
	show.built(name)
	return res, nil
}

// fleetSummary is what the build of a fleet ends with: one line for each appliance.
func (a *app) fleetSummary(made []*planned, results []image.Result, took time.Duration) error {
	w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	how := "warm: base layer reused"
	for i, r := range results {
		fmt.Fprintf(w, "%s\t%s\t%s\tsha256:%s\n", made[i].plan.Appliance.Name, r.UKI.Path, sizing.Bytes(float64(r.UKI.Size)), r.UKI.SHA256)
		if !r.BaseReused {
			how = "cold: base layer built"
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(a.Stdout, "%s built in %.1f s (%s)\n", count(len(results), "appliance"), took.Seconds(), how)
	noted := map[string]bool{} // base layers
	for i, r := range results {
		if !noted[r.Base.Digest] {
			noted[r.Base.Digest] = true
			a.noteImage(r, made[i].spec)
		}
	}
	return nil
}

// fleetBuild shows how the build of a fleet goes, in one display: a bar on a
// terminal, and elsewhere a line for each image that is built.
type fleetBuild struct {
	a        *app
	n        int
	progress *mpb.Progress
	bar      *mpb.Bar // nil: no terminal

	mu    sync.Mutex
	ended int
	doing string // what was begun last
}

func (a *app) fleetBuildProgress(n int) *fleetBuild {
	f := &fleetBuild{a: a, n: n}
	if a.terminal(a.Stderr) {
		f.progress, f.bar = a.fleetBar(n, decor.Any(func(decor.Statistics) string {
			f.mu.Lock()
			defer f.mu.Unlock()
			return fmt.Sprintf("%-28.28s ", f.doing)
		}))
	}
	return f
}

func (f *fleetBuild) of(name string) image.Progress { return &fleetMember{f: f, name: name} }

// built notes that an image is there.
func (f *fleetBuild) built(name string) {
	if f.bar != nil {
		f.bar.Increment() // without the mutex: drawing the bar takes it
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended++
	fmt.Fprintf(f.a.Stderr, "  %*d / %d  %s\n", len(fmt.Sprint(f.n)), f.ended, f.n, name)
}

func (f *fleetBuild) done(ok bool) {
	if f.bar == nil {
		return
	}
	if !ok {
		f.bar.Abort(true)
	}
	f.progress.Wait()
}

// fleetMember is the progress of one image of several.
type fleetMember struct {
	f    *fleetBuild
	name string
}

func (m *fleetMember) Step(step string) {
	m.f.mu.Lock()
	defer m.f.mu.Unlock()
	m.f.doing = m.name + ": " + step
}

func (m *fleetMember) Plan(packages int, bytes int64) {
	m.f.mu.Lock()
	defer m.f.mu.Unlock()
	if m.f.bar == nil {
		fmt.Fprintf(m.f.a.Stderr, "  downloading %s, %s\n", count(packages, "package"), sizing.Bytes(float64(bytes)))
	}
}

func (*fleetMember) Begin(debian.Package)          {}
func (*fleetMember) Advance(debian.Package, int64) {}
func (*fleetMember) End(debian.Package, error)     {}
