package report

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// saved reads a plan that `trunkline plan -json` wrote: what is tested here is the
// report, not what today's model says of a spec.
func saved(t *testing.T, name string) *plan.Plan {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name + ".plan.json")
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	// The rules have golden files of their own, where they are computed.
	if p.Ruleset != "" {
		p.Ruleset = "table inet trunkline {\n\tchain input {\n\t\ttype filter hook input priority 0; policy drop;\n\t}\n}\n"
	}
	return p
}

func render(t *testing.T, p *plan.Plan, o Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := Text(&b, p, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	for name, c := range map[string]struct {
		plan string
		o    Options
	}{
		"short":   {"edge-fra1", Options{Width: 80}},
		"full":    {"edge-fra1", Options{Width: 100, Full: true}},
		"narrow":  {"edge-fra1", Options{Width: 60}},
		"colour":  {"edge-fra1", Options{Width: 80, Color: true}},
		"errored": {"overloaded", Options{Width: 80}},
		// Everything that only some plans have.
		"media":      {"media", Options{Width: 80}},
		"media-full": {"media", Options{Width: 100, Full: true}},
	} {
		t.Run(name, func(t *testing.T) {
			got := render(t, saved(t, c.plan), c.o)
			golden := "testdata/" + name + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Errorf("(-want +got); if that is meant, run go test ./tools/report -update\n%s", d)
			}
		})
	}
}

func TestWidth(t *testing.T) {
	p := saved(t, "media")
	for _, width := range []int{60, 72, 80, 120, 200} {
		lines := strings.Split(render(t, p, Options{Width: width, Full: true}), "\n")
		for i, l := range lines[1:] { // the verdict stays on one line
			// Tables of numbers and single words are not cut.
			if n := utf8.RuneCountInString(l); n > width && strings.Contains(strings.TrimSpace(l), "  ") == false && strings.Contains(strings.TrimSpace(l), " ") {
				t.Errorf("width %d, line %d has %d columns: %s", width, i+2, n, l)
			}
			if strings.TrimRight(l, " ") != l {
				t.Errorf("width %d, line %d ends in blanks", width, i+2)
			}
		}
	}
}

func TestFirstLineIsTheVerdict(t *testing.T) {
	p := saved(t, "edge-fra1")
	first, _, _ := strings.Cut(render(t, p, Options{}), "\n")
	if first != p.Verdict {
		t.Errorf("first line: %q", first)
	}
	if strings.Contains(render(t, p, Options{}), "\x1b") {
		t.Error("colour without being asked")
	}
}

func TestAmount(t *testing.T) {
	for _, c := range []struct {
		v    float64
		unit string
		want string
	}{
		{0, "bit/s", "0 bit/s"}, {999, "bits/s", "999 bit/s"}, {1_000, "bit/s", "1 kbit/s"}, {87_200, "bit/s", "87.2 kbit/s"},
		{1_056_480_000, "bit/s", "1.1 Gbit/s"}, {4e15, "bit/s", "4000 Tbit/s"}, {1 << 20, "B", "1 MiB"}, {1500, "packets/s", "1,500 packets/s"},
	} {
		if got := Amount(sizing.Figure{Value: c.v, Unit: c.unit}); got != c.want {
			t.Errorf("%g %s: %q, want %q", c.v, c.unit, got, c.want)
		}
	}
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, errors.New("closed") }

func TestWriterError(t *testing.T) {
	if err := Text(closed{}, saved(t, "edge-fra1"), Options{}); err == nil {
		t.Error("a failed write was not reported")
	}
}
