package spec

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
)

func TestJSON(t *testing.T) {
	_, diags, files := LoadFS(os.DirFS("testdata/wrong/several-files"), "sites/edge", Options{})
	var b bytes.Buffer
	if err := WriteDiagnosticsJSON(&b, files, diags); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/values/several-files.json", b.Bytes())

	var r Report
	if err := json.Unmarshal(b.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if r.Valid || r.ErrorCount != len(diags) {
		t.Errorf("valid %v, %d errors of %d", r.Valid, r.ErrorCount, len(diags))
	}
	for _, d := range r.Diagnostics {
		s := d.Snippet
		if s == nil || s.HighlightStartOffset > s.HighlightEndOffset || s.HighlightEndOffset > len(s.Code) {
			t.Errorf("%s: snippet %+v", d.Summary, s)
		}
	}
	if got := NewReport(nil, nil); !got.Valid || got.Diagnostics == nil {
		t.Errorf("no diagnostics: %+v", got)
	}
}

// Color marks what is meant within a line and changes no word.
func TestColor(t *testing.T) {
	_, diags, files := LoadFS(os.DirFS("testdata/wrong/host-bits-in-source"), "", Options{})
	var plain, colored bytes.Buffer
	if err := WriteDiagnostics(&plain, files, diags, 0, false); err != nil {
		t.Fatal(err)
	}
	if err := WriteDiagnostics(&colored, files, diags, 0, true); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(colored.String(), "\x1b[1;4m\"198.51.100.7/24\"\x1b[0m") {
		t.Errorf("the wrong source is not marked:\n%q", colored.String())
	}
	for _, code := range []string{"\x1b[31m", "\x1b[33m", "\x1b[1;4m", "\x1b[0m"} {
		colored = *bytes.NewBuffer(bytes.ReplaceAll(colored.Bytes(), []byte(code), nil))
	}
	if plain.String() != colored.String() {
		t.Errorf("plain and colored text differ:\n%s\n%s", plain.String(), colored.String())
	}
}

// Names in diagnostics are the directory as it was given, then the file.
func TestNamesAsGiven(t *testing.T) {
	_, diags, files := Load("testdata/wrong/cache-rows", Options{})
	text := string(render(t, files, diags))
	for _, want := range []string{"on testdata/wrong/cache-rows/carriers.csv line 3", "on testdata/wrong/cache-rows/main.hcl line 53"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestNoSpec(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return p
	}
	file := write("file.hcl", "format_version = 1\n")
	write("empty/README.md", "nothing")
	write("large/main.hcl", strings.Repeat("# filler\n", maxSourceSize/9+1))
	if err := os.MkdirAll(filepath.Join(dir, "pipe"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe", "main.hcl"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ dir, summary, detail string }{
		{filepath.Join(dir, "absent"), "No such directory", "absent"},
		{file, "Not a directory", "directory"},
		{filepath.Join(dir, "empty"), "No spec here", "*.hcl"},
		{filepath.Join(dir, "large"), "Spec file not readable", "too large"},
		{filepath.Join(dir, "pipe"), "Spec file not readable", "not a regular file"},
	} {
		s, diags, files := Load(c.dir, Options{})
		if s != nil || len(diags) != 1 || diags[0].Summary != c.summary || !strings.Contains(diags[0].Detail, c.detail) {
			t.Errorf("%s: %v", c.dir, diags)
		}
		if out := render(t, files, diags); len(out) == 0 {
			t.Errorf("%s: nothing to read", c.dir)
		}
	}
}

// One small file must not end the process (deep recursion) or keep it busy (huge
// numbers): a diagnostic, and soon.
func TestHostileFiles(t *testing.T) {
	const n = 100_000
	for name, text := range map[string]string{
		"brackets":   "a = " + strings.Repeat("[", n),
		"parens":     "a = " + strings.Repeat("(", n) + "1" + strings.Repeat(")", n),
		"blocks":     strings.Repeat("a {\n", n),
		"templates":  "a = " + strings.Repeat(`"${`, n),
		"minus":      "a = " + strings.Repeat("-", n) + "1",
		"not":        "a = " + strings.Repeat("!", n) + "true",
		"ternary":    "a = " + strings.Repeat("true ? 1 : ", n) + "1",
		"exponent":   "format_version = 1e9999999999",
		"in text":    `format_version = "1e9999999999"`,
		"indexes":    "a = b" + strings.Repeat("[0]", n),
		"operators":  "a = 1" + strings.Repeat(" + 1", n),
		"zero bytes": strings.Repeat("\x00", n),
		"no UTF-8":   "appliance \"\xff\xfe\" {}\n",
		"BOM":        "\ufeffformat_version = 1\n",
	} {
		t.Run(name, func(t *testing.T) {
			s, diags, files := LoadFS(fstest.MapFS{"main.hcl": {Data: []byte(text)}}, "", Options{})
			if s != nil || !diags.HasErrors() {
				t.Fatal("accepted")
			}
			if len(diags) > maxDiagnostics+1 {
				t.Errorf("%d diagnostics", len(diags))
			}
			NewReport(files, diags)
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, pattern := range []string{"testdata/wrong/*/*.hcl", "testdata/good/*/*.hcl"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b, []byte("+49,core\n# x\n+43,far\n"), "203.0.113.10")
			f.Add(b, []byte("name,host\nedge-1,10\n"), "[1, {a = \"b\"}]")
		}
	}
	pem, err := os.ReadFile("testdata/good/services/update-signer.pem")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, source, table []byte, value string) {
		if len(source) > 16<<10 || len(table) > 16<<10 || len(value) > 1<<10 {
			return
		}
		fsys := fstest.MapFS{"main.hcl": {Data: source}, "carriers.csv": {Data: table}, "fleet.csv": {Data: table}}
		fsys["update-signer.pem"] = &fstest.MapFile{Data: pem}
		o := Options{
			Getenv:    func(string) string { return value },
			Variables: []Input{{File: "v.json", Value: value}, {File: "v.values", Value: value}},
		}
		if len(value)%2 == 0 { // most values are no file, which would end the load at once
			o.Variables = nil
		}
		specs, _, _ := LoadFleetFS(fsys, "", o)
		s, diags, files := LoadFS(fsys, "", o)
		if (s == nil) != diags.HasErrors() {
			t.Fatalf("spec %v beside %v", s, diags)
		}
		if s != nil && (len(specs) != 1 || specs[0].Digest != s.Digest) {
			t.Fatalf("%d appliances in the fleet of one", len(specs))
		}
		render(t, files, diags)
		NewReport(files, diags)
		if s == nil {
			return
		}
		servicesHold(t, s)
		for _, l := range s.Listeners {
			if !l.Address.IsValid() || l.Share <= 0 || len(l.Sources) == 0 || l.Stream() != (l.Conns != nil) || l.Secure() != (l.TLS != nil) {
				t.Fatalf("listener %+v", l)
			}
		}
		callsHold(t, s)
	})
}
