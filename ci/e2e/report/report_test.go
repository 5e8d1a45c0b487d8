package report

import (
	"bytes"
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

const (
	example = "../../../appliance/examples/edge-fra1"
	fleet   = "../../../appliance/examples/fleet"
)

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
	_, said := open(t, page, flags...)
	return said
}

// open is browse that also returns what the browser printed.
func open(t *testing.T, page string, flags ...string) (printed, said string) {
	t.Helper()
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("there is no chromium: run ci/setup")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	args := []string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--enable-logging=stderr",
		"--host-resolver-rules=MAP * ~NOTFOUND", "--user-data-dir=" + t.TempDir(),
	}
	cmd := exec.CommandContext(ctx, browser, append(append(args, flags...), "file://"+page)...)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		t.Fatalf("chromium: %v\n%s", err, log.String())
	}
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, ":CONSOLE") {
			said += line
		}
	}
	return out.String(), said
}

// report is the page of the example, or of another spec.
func report(t *testing.T, spec ...string) string {
	t.Helper()
	page := filepath.Join(t.TempDir(), "plan.html")
	trunkline(t, "plan", append(spec, example)[0], "-format", "html", "-o", page)
	return page
}

func TestReportInABrowser(t *testing.T) {
	pages := map[string]string{"": report(t), "fleet-": report(t, fleet)}
	for _, c := range []struct {
		page, name    string
		width, height int
		dark          bool
		colours       int // large areas of different colour
	}{
		{"", "light", 1100, 3200, false, 8},
		{"", "dark", 1100, 3200, true, 8},
		{"", "phone", 360, 5200, false, 8},
		{"", "phone-dark", 360, 5200, true, 8},
		{"fleet-", "light", 1250, 1100, false, 5},
		{"fleet-", "dark", 1250, 1100, true, 5},
		{"fleet-", "phone", 360, 1700, false, 5},
		{"fleet-", "phone-dark", 360, 1700, true, 5},
	} {
		t.Run(c.page+c.name, func(t *testing.T) {
			shot := filepath.Join(t.TempDir(), c.name+".png")
			if keep := os.Getenv("TRUNKLINE_SHOTS"); keep != "" {
				shot = filepath.Join(keep, c.page+c.name+".png")
			}
			flags := []string{"--screenshot=" + shot, "--window-size=" + strconv.Itoa(c.width) + "," + strconv.Itoa(c.height)}
			if c.dark {
				flags = append(flags, "--blink-settings=preferredColorScheme=0")
			}
			if said := browse(t, pages[c.page], flags...); said != "" {
				t.Errorf("the console is not silent:\n%s", said)
			}
			look(t, shot, c.width, c.height, c.dark, c.colours)
		})
	}
}

// look checks a screenshot: drawn from top to bottom, in the scheme asked for,
// with the colours of the charts, and nothing hanging out on the right.
func look(t *testing.T, name string, width, height int, dark bool, colours int) {
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
	if large < colours {
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

// What is folded on the screen is printed; of a fleet's reports, which may be
// hundreds, those that are open.
func TestReportOnPaper(t *testing.T) {
	const rule = "details::details-content { content-visibility: visible; block-size: auto; }"
	for name, c := range map[string]struct {
		page, old, new string // what an edit of the page takes away, and puts there
		sheets, more   int    // at least; the sheets the edit adds (or, below 0, takes away)
	}{
		"appliance": {report(t), rule, "", 2, -3},
		"fleet":     {report(t, fleet), "<details>", "<details open>", 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(c.page)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(b), c.old) {
				t.Fatalf("the page has no %s", c.old)
			}
			edited := filepath.Join(t.TempDir(), "edited.html")
			if err := os.WriteFile(edited, []byte(strings.ReplaceAll(string(b), c.old, c.new)), 0o644); err != nil {
				t.Fatal(err)
			}
			few, many := pages(t, c.page), pages(t, edited)
			if c.more < 0 {
				few, many, c.more = many, few, -c.more
			}
			if few < c.sheets || many < few+c.more {
				t.Errorf("%d sheets with what is folded, %d without", many, few)
			}
		})
	}
}

var sheet = regexp.MustCompile(`/Type\s*/Page\b`)

func pages(t *testing.T, page string) int {
	t.Helper()
	pdf := filepath.Join(t.TempDir(), "plan.pdf")
	if keep := os.Getenv("TRUNKLINE_SHOTS"); keep != "" {
		pdf = filepath.Join(keep, filepath.Base(t.Name())+"-"+filepath.Base(page)+".pdf")
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

var rowName = regexp.MustCompile(`<tr[^>]*><th scope="row"><a href="#appliance-\d+">([^<]*)`)

// order is that of the appliances in a page as the browser has it.
func order(page string) string {
	var out []string
	for _, m := range rowName.FindAllStringSubmatch(page, -1) {
		if !strings.Contains(m[0], "hidden") {
			out = append(out, m[1])
		}
	}
	return strings.Join(out, " ")
}

// The table of a fleet is whole without scripts; with them a click on a heading
// sorts it, and words leave the rows that have them.
func TestFleetIsSorted(t *testing.T) {
	page := report(t, fleet)
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	policy := regexp.MustCompile(`script-src '[^']*'`)
	silent := filepath.Join(t.TempDir(), "silent.html")
	if err := os.WriteFile(silent, policy.ReplaceAll(b, []byte("script-src 'none'")), 0o644); err != nil {
		t.Fatal(err)
	}
	without, _ := open(t, silent, "--dump-dom")
	if got := order(without); len(strings.Fields(got)) != 3 || strings.Contains(without, "<button") {
		t.Errorf("without scripts the appliances are %q", got)
	}
	for _, c := range []struct{ name, script, want string }{
		{"by name", `heads[0].click()`, "edge-ams1 edge-fra1 edge-lab1"},
		{"by name, the other way", `heads[0].click(); heads[0].click()`, "edge-lab1 edge-fra1 edge-ams1"},
		{"by rate: numbers, not text", `heads[3].click()`, "edge-lab1 edge-ams1 edge-fra1"},
		{"by words", `words.value = "FRA1"; words.dispatchEvent(new Event("input"))`, "edge-fra1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			// The test's own script is none the policy knows.
			text := policy.ReplaceAllString(string(b), "script-src 'unsafe-inline'")
			text = strings.Replace(text, "</body>", `<script>var heads = document.querySelectorAll("#fleet th button"), words = document.getElementById("words"); `+c.script+`</script></body>`, 1)
			edited := filepath.Join(t.TempDir(), "edited.html")
			if err := os.WriteFile(edited, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			got, said := open(t, edited, "--dump-dom")
			if order(got) != c.want || said != "" {
				t.Errorf("the appliances are %q, want %q\n%s", order(got), c.want, said)
			}
		})
	}
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

func wants(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, w := range wants {
		if !strings.Contains(text, w) {
			t.Errorf("%q is missing in:\n%s", w, text)
		}
	}
}
