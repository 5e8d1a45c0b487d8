package upgrade

import (
	"bytes"
	"flag"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"trunkline/appliance/spec"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func sources(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.hcl"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: no spec: %v", dir, err)
	}
	out := map[string][]byte{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(name)] = b
	}
	return out
}

func mustUpgrade(t *testing.T, files map[string][]byte) Result {
	t.Helper()
	r, diags, parsed := Spec(files)
	if diags.HasErrors() {
		t.Fatalf("%s", shown(t, parsed, diags))
	}
	return r
}

func shown(t testing.TB, files map[string]*hcl.File, diags hcl.Diagnostics) string {
	t.Helper()
	var b strings.Builder
	if err := spec.WriteDiagnostics(&b, files, diags, 0, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func same(a, b map[string][]byte) bool {
	return maps.EqualFunc(a, b, func(x, y []byte) bool { return bytes.Equal(x, y) })
}

// The fixture of the draft becomes the golden files of version 1, which are
// a spec without a mistake.
func TestFromDraft(t *testing.T) {
	const golden = "testdata/1/edge"
	old := sources(t, "testdata/0/edge")
	r := mustUpgrade(t, old)
	if r.From != 0 || r.To != spec.FormatVersion || !slices.Equal(r.Versions, []string{"10-edge.hcl"}) {
		t.Errorf("from %d to %d, versions in %v", r.From, r.To, r.Versions)
	}
	for name, b := range r.Files {
		if *update {
			if err := os.WriteFile(filepath.Join(golden, name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(filepath.Join(golden, name))
		if err != nil {
			t.Fatalf("%v (write it with -update)", err)
		}
		if !bytes.Equal(b, want) {
			t.Errorf("%s becomes\n%s\nwant\n%s", name, b, want)
		}
		if got, want := comments(t, b), comments(t, old[name]); !slices.Equal(got, want) {
			t.Errorf("%s: comments %q, want %q", name, got, want)
		}
	}
	s, diags, files := spec.Load(golden, spec.Options{})
	if len(diags) > 0 {
		t.Fatalf("%s", shown(t, files, diags))
	}
	if l := s.Listeners; l[0].Port != 5080 || l[0].Workers != 2 || l[1].Workers != 0 || l[2].Address.String() != "2001:db8::10" {
		t.Errorf("listeners %+v %+v %+v", l[0], l[1], l[2])
	}
	if w := s.Workload; w.ConcurrentCalls != 12000 || w.CallDuration.String() != "1m0s" || w.RingTime.String() != "7.5s" {
		t.Errorf("workload %+v", w)
	}
	if again := mustUpgrade(t, r.Files); again.From != spec.FormatVersion || !same(again.Files, r.Files) {
		t.Error("the upgraded spec is upgraded again")
	}
}

// An upgrade may end between two files: the one with the version is written
// last, and running it again gives the same result.
func TestAnUpgradeCutShortIsFinished(t *testing.T) {
	old := sources(t, "testdata/0/edge")
	want := mustUpgrade(t, old)
	half := maps.Clone(old)
	half["20-calls.hcl"] = want.Files["20-calls.hcl"]
	if got := mustUpgrade(t, half); !same(got.Files, want.Files) {
		t.Error("finishing an upgrade gives another spec than doing it at once")
	}
}

func comments(t *testing.T, src []byte) []string {
	t.Helper()
	tokens, diags := hclsyntax.LexConfig(src, "", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	var out []string
	for _, tok := range tokens {
		if tok.Type == hclsyntax.TokenComment {
			out = append(out, strings.TrimSpace(string(tok.Bytes)))
		}
	}
	return out
}

func TestSmallCases(t *testing.T) {
	for _, c := range []struct{ name, old, want string }{
		{"one line", `listen "a" { bind = "192.0.2.1:5060" }`, "listener \"a\" {\n  address = \"192.0.2.1\"\n  port    = 5060\n}"},
		{"no newline at the end", "listen \"a\" {\n  bind = \"192.0.2.1:5061\"\n}", "listener \"a\" {\n  address = \"192.0.2.1\"\n  port    = 5061\n}"},
		{"computed duration", `workload { call_duration = 2 * 30 }`, `workload { call_duration = "${2 * 30}s" }`},
		{"computed destination", `destination "a" { address = cidrhost("10.0.0.0/24", 11) }`, `destination "a" { uri = "sip:${cidrhost("10.0.0.0/24", 11)}" }`},
		{"template", `workload { ring_time = "${8}s" }`, `workload { ring_time = "${8}s" }`},
		{"same names elsewhere", "state {\n  children = 1\n  timeout  = 4\n}", "state {\n  children = 1\n  timeout  = 4\n}"},
	} {
		r := mustUpgrade(t, map[string][]byte{"v.hcl": []byte("format_version = 0\n"), "x.hcl": []byte(c.old)})
		if got := string(r.Files["x.hcl"]); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"syntax", "format_version = 0\nlisten {{\n", "on x.hcl line 2"},
		{"no version", `appliance "a" {}`, "Missing format_version"},
		{"computed version", "format_version = 1 - 1\n", "plain number"},
		{"negative", "format_version = -1\n", "plain number"},
		{"fraction", "format_version = 0.5\n", "plain number"},
		{"newer", "format_version = 99\n", "Use a newer Trunkline"},
		{"computed bind", "format_version = 0\nlisten \"a\" {\n  bind = cidrhost(\"10.0.0.0/24\", 1)\n}\n", "on x.hcl line 3"},
		{"bind of words", "format_version = 0\nlisten \"a\" {\n  bind = \"wan:5060\"\n}\n", "no plain \"ADDRESS:PORT\""},
		{"both ports", "format_version = 0\nlisten \"a\" {\n  bind = \"10.0.0.1:5060\"\n  port = 5070\n}\n", "on x.hcl line 4"},
		{"both addresses", "format_version = 0\nlisten \"a\" {\n  bind = \"10.0.0.1\"\n  address = \"10.0.0.1\"\n}\n", "Remove one of the two"},
		{"both names", "format_version = 0\nworkload {\n  calls = 1\n  concurrent_calls = 1\n}\n", "calls became concurrent_calls"},
		{"long duration", "format_version = 0\nworkload {\n  call_duration = max(\n    1,\n    2)\n}\n", "was a number of seconds"},
		{"long address", "format_version = 0\ndestination \"a\" {\n  address = join(\":\", [\n    \"10.0.0.1\"])\n}\n", "address became uri"},
	} {
		_, diags, files := Spec(map[string][]byte{"x.hcl": []byte(c.text)})
		if got := shown(t, files, diags); !diags.HasErrors() || !strings.Contains(got, c.want) {
			t.Errorf("%s: want %q in\n%s", c.name, c.want, got)
		}
	}
	_, diags, _ := Spec(map[string][]byte{"a.hcl": []byte("format_version = 0\n"), "b.hcl": []byte("format_version = 1\n")})
	if !diags.HasErrors() || diags[0].Summary != "Two format versions" {
		t.Errorf("two versions: %v", diags)
	}
}

// The loader names the command that mends a spec of an older version.
func TestTheLoaderSendsHere(t *testing.T) {
	var fsys fs.FS = fstest.MapFS{"main.hcl": {Data: []byte("format_version = 0\nlisten \"a\" {}\n")}}
	_, diags, _ := spec.LoadFS(fsys, "sites/edge", spec.Options{})
	if len(diags) != 1 || !strings.Contains(diags[0].Detail, "`trunkline upgrade sites/edge`") {
		t.Errorf("%v", diags)
	}
}

// Whatever the file: no panic, and what is upgraded needs no further upgrade.
func FuzzSpec(f *testing.F) {
	for _, dir := range []string{"testdata/0/edge", "testdata/1/edge"} {
		for _, b := range sources(f, dir) {
			f.Add(b)
		}
	}
	f.Add([]byte("listen \"a\" { bind = \"192.0.2.1:5060\" }"))
	f.Add([]byte("destination \"a\" {\n  address = <<E\n10.0.0.1\nE\n}\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		r, diags, _ := Spec(map[string][]byte{"a.hcl": []byte("format_version = 0\n"), "b.hcl": src})
		if diags.HasErrors() {
			return
		}
		again, diags, _ := Spec(r.Files)
		if diags.HasErrors() || !same(again.Files, r.Files) {
			t.Fatalf("%v\n%s", diags, r.Files["b.hcl"])
		}
	})
}
