package cli

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trunkline/appliance/bake"
	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
	"trunkline/image/debian"
)

const example = "../../appliance/examples/edge-fra1"

// run runs a command as a shell without a terminal would.
func run(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = Run(context.Background(), args, Env{Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" }})
	return status, out.String(), errs.String()
}

func TestExitStatus(t *testing.T) {
	empty := t.TempDir()
	for _, tt := range []struct {
		args string
		want int
	}{
		{"", exitOK},
		{"help", exitOK},
		{"plan -help", exitOK},
		{"version", exitOK},
		{"validate " + example, exitOK},
		{"plan " + example, exitOK},
		{"plan -json " + example, exitOK},
		{"validate " + empty, exitRefused},
		{"validate -json " + empty, exitRefused},
		{"plan " + empty, exitRefused},
		{"bake " + empty + " -o " + empty + "/out", exitRefused},
		{"bake " + example + " -o " + example, exitRefused},
		{"lock " + empty, exitRefused},
		{"build " + empty, exitRefused},
		{"boot " + empty, exitRefused},
		{"inspect " + empty, exitRefused},
		{"paln " + example, exitUsage},
		{"plan", exitUsage},
		{"plan -jsn " + example, exitUsage},
		{"plan -json -full " + example, exitUsage},
		{"validate a b", exitUsage},
		{"bake " + example, exitUsage},
		{"boot " + example + " --memory much", exitUsage},
		{"version now", exitUsage},
		{"inspect", exitUsage},
		{"inspect -json -full " + empty, exitUsage},
	} {
		status, stdout, stderr := run(t, strings.Fields(tt.args)...)
		if status != tt.want {
			t.Errorf("trunkline %s: exit status %d, want %d\n%s%s", tt.args, status, tt.want, stdout, stderr)
		}
		if (stderr != "") != (status != exitOK) && !strings.Contains(tt.args, "validate -json") {
			t.Errorf("trunkline %s: exit status %d, but standard error is %q", tt.args, status, stderr)
		}
	}
}

func TestAnInterruptedCommandLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(example)); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, debian.LockName))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	mirror := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel() // Ctrl-C while the mirror is being slow
		<-r.Context().Done()
	}))
	defer mirror.Close()
	var out, errs bytes.Buffer
	status := Run(ctx, []string{"lock", dir, "--mirror", mirror.URL}, Env{Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" }})
	if status != exitInterrupted || !strings.Contains(errs.String(), "interrupted") || out.Len() > 0 {
		t.Errorf("exit status %d, want %d\n%s%s", status, exitInterrupted, out.String(), errs.String())
	}
	if after, err := os.ReadFile(filepath.Join(dir, debian.LockName)); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the lock file was touched: %v", err)
	}
}

func TestDoubleDashes(t *testing.T) {
	root := (&app{}).root()
	for in, want := range map[string]string{
		"plan -json x":     "plan --json x",
		"plan --json x":    "plan --json x",
		"bake x -o y":      "bake x -o y",
		"bake x -oy":       "bake x -oy",
		"bake x -out=y":    "bake x --out=y",
		"build x -offline": "build x --offline",
		"plan -x":          "plan -x",
		// Of a command below a command.
		"completion bash -no-descriptions": "completion bash --no-descriptions",
		"plan -- -json":                    "plan -- -json",
		"plan - -h -help -j":               "plan - -h --help -j",
	} {
		if got := doubleDashes(root, strings.Fields(in)); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

// Two checkouts differ in version and path; their images must not.
func TestNeitherVersionNorPathReachesTheImage(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "another", "place")
	if err := os.CopyFS(elsewhere, os.DirFS(example)); err != nil {
		t.Fatal(err)
	}
	seal := func(dir, version string) []bake.File {
		s, diags, _ := spec.Load(dir, spec.Options{})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		p, err := plan.Make(s, sizing.Size(s, nil), plan.Options{Version: version})
		if err != nil {
			t.Fatal(err)
		}
		files, err := bake.Seal(p, s)
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	a, b := seal(example, "v1.0.0"), seal(elsewhere, "v2.0.0-5-gabcdef-dirty")
	if !slices.EqualFunc(a, b, func(a, b bake.File) bool {
		return a.Path == b.Path && a.Mode == b.Mode && a.Link == b.Link && bytes.Equal(a.Data, b.Data)
	}) {
		t.Error("the config layer depends on the version or on where the spec lies")
	}
}

func TestLockOfAMirrorThatIsNotThere(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(example)); err != nil {
		t.Fatal(err)
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	status, stdout, stderr := run(t, "lock", dir, "--mirror", gone.URL)
	if status != exitRefused || stdout != "" || !strings.Contains(stderr, "connection refused") || !strings.Contains(stderr, "with --mirror or $"+debian.MirrorVariable) {
		t.Errorf("exit status %d\n%s%s", status, stdout, stderr)
	}
}
