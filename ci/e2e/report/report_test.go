package report

import (
	"context"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

const example = "../../../appliance/examples/edge-fra1"

// trunkline runs the built program.
func trunkline(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(program(t), args...).CombinedOutput(); err != nil {
		t.Fatalf("trunkline %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func program(t *testing.T) string {
	t.Helper()
	bin := os.Getenv("TRUNKLINE_BIN")
	if bin == "" {
		t.Skip("TRUNKLINE_BIN is not set: run `make e2e`, which builds the programs and sets it")
	}
	return filepath.Join(bin, "trunkline")
}

// browse opens a page in a browser of its own and returns what the console said.
// The page is a file, and nothing else can be reached.
func browse(t *testing.T, page string, flags ...string) string {
	t.Helper()
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("there is no chromium: run ci/setup")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
	defer cancel()
	args := []string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--enable-logging=stderr",
		"--host-resolver-rules=MAP * ~NOTFOUND", "--user-data-dir=" + t.TempDir(),
	}
	cmd := exec.CommandContext(ctx, browser, append(append(args, flags...), "file://"+page)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("chromium: %v\n%s", err, out)
	}
	var said []string
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, ":CONSOLE") {
			said = append(said, line)
		}
	}
	return strings.Join(said, "")
}

func report(t *testing.T) string {
	t.Helper()
	page := filepath.Join(t.TempDir(), "plan.html")
	trunkline(t, "plan", example, "-format", "html", "-o", page)
	return page
}

func TestReportInABrowser(t *testing.T) {
	page := report(t)
	for _, c := range []struct {
		name          string
		width, height int
		dark          bool
	}{
		{"light", 1100, 3200, false},
		{"dark", 1100, 3200, true},
		{"phone", 360, 5200, false},
		{"phone-dark", 360, 5200, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			shot := filepath.Join(t.TempDir(), c.name+".png")
			if keep := os.Getenv("TRUNKLINE_SHOTS"); keep != "" {
				shot = filepath.Join(keep, c.name+".png")
			}
			flags := []string{"--screenshot=" + shot, "--window-size=" + strconv.Itoa(c.width) + "," + strconv.Itoa(c.height)}
			if c.dark {
				flags = append(flags, "--blink-settings=preferredColorScheme=0")
			}
			if said := browse(t, page, flags...); said != "" {
				t.Errorf("the console is not silent:\n%s", said)
			}
			look(t, shot, c.width, c.height, c.dark)
		})
	}
}

// look checks a screenshot: drawn from top to bottom, in the scheme asked for,
// with every colour of the charts, and nothing hanging out on the right.
func look(t *testing.T, name string, width, height int, dark bool) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	if b := img.Bounds(); b.Dx() != width || b.Dy() != height {
		t.Fatalf("the picture is %v, want %d x %d", b, width, height)
	}
	page := img.At(0, 0)
	if y := gray(page); dark != (y < 128) {
		t.Errorf("the page's ground has brightness %d: not the scheme asked for", y)
	}
	seen, drawn := map[color.RGBA]int{}, 0
	for y := range height {
		row := false
		for x := range width {
			c := color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)
			seen[c]++
			row = row || c != color.RGBAModel.Convert(page)
		}
		if row {
			drawn++
		}
	}
	if drawn < height/2 {
		t.Errorf("only %d of %d rows hold anything", drawn, height)
	}
	large := 0
	for _, n := range seen {
		if n > 500 {
			large++
		}
	}
	if large < 8 {
		t.Errorf("only %d colours cover more than a few pixels: charts are missing", large)
	}
	for y := range height {
		for x := width - 8; x < width; x++ { // the page's margin
			if c := img.At(x, y); c != page {
				t.Fatalf("something sticks out on the right at %d,%d: %v", x, y, c)
			}
		}
	}
}

func gray(c color.Color) uint8 { return color.GrayModel.Convert(c).(color.Gray).Y }

// What is folded on the screen is printed.
func TestReportOnPaper(t *testing.T) {
	page := report(t)
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	rule := "details::details-content { content-visibility: visible; block-size: auto; }"
	if !strings.Contains(string(b), rule) {
		t.Fatal("the style has no rule that prints what is folded")
	}
	folded := filepath.Join(t.TempDir(), "folded.html")
	if err := os.WriteFile(folded, []byte(strings.Replace(string(b), rule, "", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	all, few := pages(t, page), pages(t, folded)
	if few < 2 || all < few+3 {
		t.Errorf("%d sheets with what is folded, %d without", all, few)
	}
}

var sheet = regexp.MustCompile(`/Type\s*/Page\b`)

func pages(t *testing.T, page string) int {
	t.Helper()
	pdf := filepath.Join(t.TempDir(), "plan.pdf")
	if keep := os.Getenv("TRUNKLINE_SHOTS"); keep != "" {
		pdf = filepath.Join(keep, filepath.Base(page)+".pdf")
	}
	if said := browse(t, page, "--no-pdf-header-footer", "--print-to-pdf="+pdf); said != "" {
		t.Errorf("the console is not silent:\n%s", said)
	}
	b, err := os.ReadFile(pdf)
	if err != nil {
		t.Fatal(err)
	}
	return len(sheet.FindAll(b, -1))
}

// A test that listens for complaints must hear one.
func TestTheConsoleIsHeard(t *testing.T) {
	page := report(t)
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	bad := strings.Replace(string(b), "<main>", `<main><script>document.title = "x"</script>`, 1)
	if err := os.WriteFile(page, []byte(bad), 0o644); err != nil {
		t.Fatal(err)
	}
	said := browse(t, page, "--screenshot="+filepath.Join(t.TempDir(), "bad.png"))
	if !strings.Contains(said, "Content Security Policy") {
		t.Errorf("a script was stopped, and the console did not say so: %q", said)
	}
}

// The pipeline gives a reviewer the plan as Markdown, or what is wrong.
func TestPipelineSummary(t *testing.T) {
	bin := program(t)
	pipeline, err := filepath.Abs("../../pipeline")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	spec := filepath.Join(dir, "sites", "edge")
	if err := os.CopyFS(spec, os.DirFS(example)); err != nil {
		t.Fatal(err)
	}
	run := func() (out, summary string, err error) {
		cmd := exec.Command(pipeline, "check", "sites/edge")
		cmd.Dir = dir
		name := filepath.Join(t.TempDir(), "summary.md")
		cmd.Env = append(os.Environ(), "TRUNKLINE="+bin, "OUT="+filepath.Join(dir, "out"), "SUMMARY="+name, "GITHUB_ACTIONS=true")
		b, err := cmd.CombinedOutput()
		text, e := os.ReadFile(name)
		if e != nil {
			t.Fatalf("no summary: %v\n%s", e, b)
		}
		return string(b), string(text), err
	}
	out, summary, err := run()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wants(t, summary, "## edge-fra1", "**Saturates first: ", "<details><summary>Ceilings")
	wants(t, out, "::notice title=edge-fra1::Saturates first")
	if _, err := os.Stat(filepath.Join(dir, "out/edge/plan.html")); err != nil {
		t.Error(err)
	}

	file := filepath.Join(spec, "core.hcl")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(b), `"round-robin"`, `"round-robbin"`, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	out, summary, err = run()
	if err == nil {
		t.Errorf("a wrong spec passed:\n%s", out)
	}
	wants(t, summary, "edge: no plan, the spec is wrong", "`sites/edge/core.hcl:6`", "round-robin")
	wants(t, out, "::error file=sites/edge/core.hcl,line=6,")
}

func wants(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, w := range wants {
		if !strings.Contains(text, w) {
			t.Errorf("%q is missing in:\n%s", w, text)
		}
	}
}
