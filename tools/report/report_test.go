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

	"trunkline/appliance/bake"
	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func planOf(t *testing.T, edit func(*spec.Spec)) *plan.Plan {
	t.Helper()
	s, diags, _ := spec.Load("../../appliance/examples/edge-fra1", spec.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if edit != nil {
		edit(s)
	}
	p, err := plan.Make(s, sizing.Size(s, nil), plan.Options{Version: "v0.1.0"})
	if err != nil {
		t.Fatal(err)
	}
	// The rules have golden files of their own, where they are computed.
	if p.Ruleset != "" {
		p.Ruleset = "table inet trunkline {\n\tchain input {\n\t\ttype filter hook input priority 0; policy drop;\n\t}\n}\n"
	}
	if _, err := bake.Seal(p, s); err != nil {
		t.Fatal(err)
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
	broken := func(s *spec.Spec) {
		s.Hardware.Memory = 256 << 20
		s.Workload.CPS = 4000
		s.Firewall.Enabled = false
	}
	for name, c := range map[string]struct {
		o    Options
		edit func(*spec.Spec)
	}{
		"short":   {o: Options{Width: 80}},
		"full":    {o: Options{Width: 100, Full: true}},
		"narrow":  {o: Options{Width: 60}},
		"colour":  {o: Options{Width: 80, Color: true}},
		"errored": {o: Options{Width: 80}, edit: broken},
	} {
		t.Run(name, func(t *testing.T) {
			got := render(t, planOf(t, c.edit), c.o)
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
	p := planOf(t, nil)
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
	p := planOf(t, nil)
	first, _, _ := strings.Cut(render(t, p, Options{}), "\n")
	if first != p.Verdict {
		t.Errorf("first line: %q", first)
	}
	if strings.Contains(render(t, p, Options{}), "\x1b") {
		t.Error("colour without being asked")
	}
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, errors.New("closed") }

func TestWriterError(t *testing.T) {
	if err := Text(closed{}, planOf(t, nil), Options{}); err == nil {
		t.Error("a failed write was not reported")
	}
}
