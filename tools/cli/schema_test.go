package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"trunkline/appliance/plan/schema"
)

// What the command prints is what it says it prints.
func TestPlansSatisfyTheSchema(t *testing.T) {
	status, text, stderr := run(t, "schema", "plan")
	if status != exitOK || text != string(schema.Plan()) {
		t.Fatalf("exit status %d\n%s", status, stderr)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(schema.ID(), doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(schema.ID())
	if err != nil {
		t.Fatal(err)
	}
	satisfies := func(name, text string) {
		t.Helper()
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err == nil {
			err = s.Validate(doc)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	dir := t.TempDir()
	lab := filepath.Join(dir, "lab.hcl")
	const stall = "coefficient \"stall\" {\n  value = 0.1\n  unit = \"s\"\n  source = \"a test\"\n  date = \"2026-11\"\n}\n"
	if err := os.WriteFile(lab, []byte(stall), 0o644); err != nil {
		t.Fatal(err)
	}
	changed := func(name, file string, pairs ...string) string {
		t.Helper()
		to := filepath.Join(dir, name)
		if err := os.CopyFS(to, os.DirFS(example)); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(to, file))
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(text, pairs[i]) {
				t.Fatalf("%s has no %q", file, pairs[i])
			}
			text = strings.Replace(text, pairs[i], pairs[i+1], 1)
		}
		if err := os.WriteFile(filepath.Join(to, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return to
	}
	for _, tt := range []struct {
		name   string
		args   []string
		status int
		holds  string
	}{
		{"example", []string{example}, exitOK, `"complete": true`},
		{"loopback", []string{"../../appliance/examples/loopback"}, exitOK, `"complete": true`},
		{"calibration", []string{"-calibration", lab, example}, exitOK, `"calibration": {`},
		{"fleet", []string{"../../appliance/examples/fleet"}, exitOK, `"plans": [`},
		{"errors", []string{changed("small", "edge.hcl", `memory   = "4GiB"`, `memory   = "512MiB"`)}, exitRefused, `"severity": "error"`},
		{"warnings", []string{changed("warned", "core.hcl", `on    = ["5xx"`, `on    = ["4xx"`, "never = [486, 603]", "never = [603]"), "-strict"}, exitRefused, `"warnings": [`},
		{"wrong spec", []string{changed("wrong", "core.hcl", "dispatcher", "despatcher")}, exitRefused, `"diagnostics": [`},
		{"no spec", []string{dir + "/nowhere"}, exitRefused, `"diagnostics": [`},
		{"not built", []string{changed("later", "edge.hcl", `workload {`, "control {\n  log_level = \"debug\"\n}\nworkload {")}, exitOK, `"not_built": [`},
	} {
		status, stdout, stderr := run(t, append([]string{"plan", "-json"}, tt.args...)...)
		if status != tt.status || !strings.Contains(stdout, tt.holds) {
			t.Errorf("%s: exit status %d, want %d and %s\n%s", tt.name, status, tt.status, tt.holds, stderr)
		}
		satisfies(tt.name, stdout)
	}
	// Saved plans are the same documents.
	saved := filepath.Join(dir, "plan.json")
	if status, _, stderr := run(t, "plan", "-out", saved, example); status != exitOK {
		t.Fatal(stderr)
	}
	b, err := os.ReadFile(saved)
	if err != nil {
		t.Fatal(err)
	}
	satisfies("saved plan", string(b))
}
