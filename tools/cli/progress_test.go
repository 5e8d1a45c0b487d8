package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"trunkline/image/debian"
)

func TestLines(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	l := &lines{w: &out, now: func() time.Time { return now }}
	after := func(d time.Duration) { now = now.Add(d) }
	l.Step("packages")
	l.Plan(2, 3<<20)
	l.Begin(debian.Package{})
	l.Advance(debian.Package{}, 100)
	l.End(debian.Package{}, nil)
	after(1500 * time.Millisecond)
	l.Step("rootfs")
	after(12 * time.Second)
	l.done(true)
	want := "  downloading 2 packages, 3 MiB\n  packages     1.5 s\n  rootfs      12.0 s\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}

	out.Reset()
	l.Step("uki")
	l.done(false)
	if out.Len() > 0 {
		t.Errorf("a step that failed is told as if it had ended: %q", out.String())
	}
}

// Bars end whatever becomes of the build, or the program would hang.
func TestBarsEnd(t *testing.T) {
	for _, ok := range []bool{true, false} {
		var out bytes.Buffer
		b := newBars(&out)
		for _, step := range []string{"base", "packages"} {
			b.Step(step)
		}
		b.Plan(2, 1000)
		b.Begin(debian.Package{})
		b.Advance(debian.Package{}, 700)
		b.Advance(debian.Package{}, -200) // an attempt that starts over
		b.End(debian.Package{}, nil)
		b.Step("a step of a later version")
		b.done(ok)
		if ok && !strings.Contains(out.String(), "2 debs") {
			t.Errorf("no download bar:\n%s", out.String())
		}
	}
}
