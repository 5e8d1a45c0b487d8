package cli

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"trunkline/appliance/sizing"
	"trunkline/image"
	"trunkline/image/debian"
)

// buildProgress shows how a build goes.
type buildProgress interface {
	image.Progress
	done(ok bool) // ends the display; nothing is shown after it
}

// progress is bars on a terminal, and one line per step everywhere else.
func (a *app) progress() buildProgress {
	if a.terminal(a.Stderr) {
		return newBars(a.Stderr)
	}
	return &lines{w: a.Stderr, now: time.Now}
}

// lines prints a step with its duration when it has ended.
type lines struct {
	w     io.Writer
	now   func() time.Time
	mu    sync.Mutex
	name  string
	begin time.Time
}

func (l *lines) Step(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end()
	l.name, l.begin = name, l.now()
}

func (l *lines) end() {
	if l.name != "" {
		fmt.Fprintf(l.w, "  %-9s %6.1f s\n", l.name, l.now().Sub(l.begin).Seconds())
	}
	l.name = ""
}

func (l *lines) Plan(packages int, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.w, "  downloading %s, %s\n", count(packages, "package"), sizing.Bytes(float64(bytes)))
}

func (*lines) Begin(debian.Package)          {}
func (*lines) Advance(debian.Package, int64) {}
func (*lines) End(debian.Package, error)     {}

func (l *lines) done(ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ok {
		l.end()
	}
}

// buildSteps are the steps of a build from nothing, in order (image.Progress). A
// warm build leaves most of them out.
var buildSteps = [...]string{"base", "packages", "rootfs", "modules", "erofs", "initrd", "uki", "disk", "evidence"}

// bars shows the steps as one bar, and downloads as another below it.
type bars struct {
	p     *mpb.Progress
	steps *mpb.Bar

	mu       sync.Mutex
	download *mpb.Bar
	name     string
}

func newBars(w io.Writer) *bars {
	b := &bars{p: mpb.New(mpb.WithOutput(w), mpb.WithAutoRefresh())}
	b.steps = b.p.AddBar(int64(len(buildSteps)),
		mpb.PrependDecorators(decor.Any(func(decor.Statistics) string {
			b.mu.Lock()
			defer b.mu.Unlock()
			return fmt.Sprintf("%-10s", b.name)
		})),
		mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_MMSS)))
	return b
}

func (b *bars) Step(name string) {
	b.mu.Lock()
	b.name = name
	b.mu.Unlock()
	if i := slices.Index(buildSteps[:], name); i >= 0 {
		b.steps.SetCurrent(int64(i))
	}
}

func (b *bars) Plan(packages int, bytes int64) {
	bar := b.p.AddBar(bytes,
		mpb.PrependDecorators(decor.Name(fmt.Sprintf("%-10s", count(packages, "deb")))),
		mpb.AppendDecorators(decor.CountersKibiByte("% .1f / % .1f"), decor.Name("  "), decor.AverageSpeed(decor.SizeB1024(0), "% .1f")))
	b.mu.Lock()
	b.download = bar
	b.mu.Unlock()
}

func (*bars) Begin(debian.Package)      {}
func (*bars) End(debian.Package, error) {}

func (b *bars) Advance(_ debian.Package, n int64) {
	b.mu.Lock()
	bar := b.download
	b.mu.Unlock()
	if bar != nil {
		bar.IncrInt64(n)
	}
}

func (b *bars) done(ok bool) {
	if ok {
		b.steps.SetCurrent(int64(len(buildSteps)))
	} else {
		b.steps.Abort(false)
	}
	b.mu.Lock()
	bar := b.download
	b.mu.Unlock()
	if bar != nil && !bar.Completed() {
		bar.Abort(false)
	}
	b.p.Wait()
}
