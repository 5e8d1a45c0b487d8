package gitops

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// repository is a bare repository with the hook, and a clone of it.
type repository struct {
	t           *testing.T
	bare, clone string
	images      string
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	bin := os.Getenv("TRUNKLINE_BIN")
	if bin == "" {
		t.Skip("TRUNKLINE_BIN is not set: run `make e2e`, which builds the programs and sets it")
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	r := &repository{t: t, bare: filepath.Join(dir, "specs.git"), clone: filepath.Join(dir, "clone"), images: filepath.Join(dir, "images")}
	r.git(dir, "init", "-q", "--bare", "-b", "main", r.bare)
	for key, value := range map[string]string{
		"trunkline.specs": "sites/*", "trunkline.branch": "main",
		"trunkline.out": r.images, "trunkline.pipeline": filepath.Join(root, "ci/pipeline"),
	} {
		r.git(r.bare, "config", key, value)
	}
	hook, err := os.ReadFile(filepath.Join(root, "ci/git/pre-receive"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.bare, "hooks/pre-receive"), hook, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TRUNKLINE", filepath.Join(bin, "trunkline"))

	r.git(dir, "clone", "-q", r.bare, r.clone)
	if err := os.CopyFS(filepath.Join(r.clone, "sites/edge-fra1"), os.DirFS(filepath.Join(root, "appliance/examples/edge-fra1"))); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *repository) run(dir string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(),
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=author", "GIT_AUTHOR_EMAIL=author@example.net",
		"GIT_COMMITTER_NAME=author", "GIT_COMMITTER_EMAIL=author@example.net")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (r *repository) git(dir string, args ...string) string {
	r.t.Helper()
	out, err := r.run(dir, args...)
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// push commits everything in the clone and pushes it.
func (r *repository) push(branch string) (string, error) {
	r.t.Helper()
	r.git(r.clone, "checkout", "-q", "-B", branch)
	r.git(r.clone, "add", "-A")
	r.git(r.clone, "commit", "-q", "-m", "change the spec")
	return r.run(r.clone, "push", "origin", branch)
}

// edit replaces one text in a file of the example spec.
func (r *repository) edit(file, old, new string) {
	r.t.Helper()
	path := filepath.Join(r.clone, "sites/edge-fra1", file)
	b, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	if !strings.Contains(string(b), old) {
		r.t.Fatalf("%s does not contain %q", file, old)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(b), old, new, 1)), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func TestPushBuildsAnImage(t *testing.T) {
	r := newRepository(t)
	out, err := r.push("main")
	if err != nil {
		t.Fatalf("a right spec was refused: %v\n%s", err, out)
	}
	for _, name := range []string{"edge-fra1.efi", "edge-fra1.raw", "plan.json", "plan.txt", "plan.html"} {
		info, err := os.Stat(filepath.Join(r.images, "edge-fra1", name))
		if err != nil {
			t.Errorf("no image came out: %v\n%s", err, out)
		} else if info.Size() == 0 {
			t.Errorf("%s is empty", name)
		}
	}
	var plan struct {
		Appliance struct{ Name string } `json:"appliance"`
	}
	b, err := os.ReadFile(filepath.Join(r.images, "edge-fra1/plan.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &plan); err != nil || plan.Appliance.Name != "edge-fra1" {
		t.Errorf("plan.json: %v, appliance %q", err, plan.Appliance.Name)
	}
	if !strings.Contains(out, "Saturates first") {
		t.Errorf("the pusher saw no plan:\n%s", out)
	}

	t.Run("a wrong spec is refused with its diagnostics", func(t *testing.T) {
		r.t = t
		before := r.git(r.bare, "rev-parse", "main")
		image, err := os.ReadFile(filepath.Join(r.images, "edge-fra1/plan.json"))
		if err != nil {
			t.Fatal(err)
		}
		r.edit("edge.hcl", "port", "prot")
		out, err := r.push("main")
		if err == nil {
			t.Fatalf("a wrong spec was accepted:\n%s", out)
		}
		for _, want := range []string{"edge.hcl", "prot", `Did you mean "port"?`, "refused"} {
			if !strings.Contains(out, want) {
				t.Errorf("the pusher did not see %q:\n%s", want, out)
			}
		}
		if after := r.git(r.bare, "rev-parse", "main"); after != before {
			t.Errorf("the refused push moved main")
		}
		if now, _ := os.ReadFile(filepath.Join(r.images, "edge-fra1/plan.json")); string(now) != string(image) {
			t.Errorf("the refused push touched the published plan")
		}
	})
}

func TestPushToAnotherBranchOnlyChecks(t *testing.T) {
	r := newRepository(t)
	out, err := r.push("feature/more-calls")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if fileExists(filepath.Join(r.images, "edge-fra1/edge-fra1.raw")) {
		t.Error("a push to a feature branch built an image")
	}
	if !strings.Contains(out, "Saturates first") {
		t.Errorf("the pusher saw no plan:\n%s", out)
	}
}

func TestPushWithoutSpecsIsRefused(t *testing.T) {
	r := newRepository(t)
	if err := os.RemoveAll(filepath.Join(r.clone, "sites")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.clone, "README"), []byte("no specs yet\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := r.push("main")
	if err == nil || !strings.Contains(out, "no spec directory") {
		t.Errorf("want a refusal that says why, got %v\n%s", err, out)
	}
}

func fileExists(path string) bool { _, err := os.Stat(path); return err == nil }
