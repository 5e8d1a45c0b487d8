package gitops

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
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

// publishes has pushes sign what they build and publish it to a directory.
func (r *repository) publishes() (www string) {
	r.t.Helper()
	dir := r.t.TempDir()
	www = filepath.Join(dir, "www")
	if out, err := exec.Command(os.Getenv("TRUNKLINE"), "keys", filepath.Join(dir, "keys")).CombinedOutput(); err != nil {
		r.t.Fatalf("trunkline keys: %v\n%s", err, out)
	}
	r.t.Setenv("TRUNKLINE_SECURE_BOOT_KEY", filepath.Join(dir, "keys/db.key"))
	r.t.Setenv("TRUNKLINE_SECURE_BOOT_CERT", filepath.Join(dir, "keys/db.crt"))
	r.t.Setenv("TZ", "UTC")
	r.git(r.bare, "config", "trunkline.publish", www)
	return www
}

// published is the index of edge-fra1, whose image is there.
func published(t *testing.T, www string) (x struct{ Version, File, SHA256 string }) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(www, "edge-fra1.json"))
	if err == nil {
		err = json.Unmarshal(b, &x)
	}
	if err == nil {
		b, err = os.ReadFile(filepath.Join(www, x.File))
	}
	if err != nil {
		t.Fatalf("nothing is published: %v", err)
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != x.SHA256 {
		t.Errorf("%s is not what the index says", x.File)
	}
	return x
}

func TestPushBuildsAnImage(t *testing.T) {
	r := newRepository(t)
	www := r.publishes()
	out, err := r.push("main")
	if err != nil {
		t.Fatalf("a right spec was refused: %v\n%s", err, out)
	}
	first := published(t, www)
	when := strings.TrimSpace(r.git(r.clone, "log", "-1", "--format=%cd", "--date=format-local:%Y%m%d.%H%M%S"))
	if first.Version != when {
		t.Errorf("version %s is published, of a commit of %s:\n%s", first.Version, when, out)
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

	t.Run("a second push says who can now reach what", func(t *testing.T) {
		r.t = t
		image := modified(t, filepath.Join(r.images, "edge-fra1/edge-fra1.efi"))
		r.edit("edge.hcl", `sources = ["198.51.100.0/24"]`, `sources = ["198.51.100.0/25", "192.0.2.0/28"]`)
		out, err := r.push("main")
		if err != nil {
			t.Fatalf("a right spec was refused: %v\n%s", err, out)
		}
		for _, want := range []string{"Who can now reach what:", "carrier-a udp 203.0.113.10:5060", "+ 192.0.2.0/28", "- 198.51.100.128/25"} {
			if !strings.Contains(out, want) {
				t.Errorf("the pusher did not see %q:\n%s", want, out)
			}
		}
		row := "| carrier-a `udp 203.0.113.10:5060` | `192.0.2.0/28` | `198.51.100.128/25` | `live` |"
		for _, name := range []string{"summary.md", "comment.md", "edge-fra1/diff.md"} {
			if b, err := os.ReadFile(filepath.Join(r.images, name)); err != nil || !strings.Contains(string(b), row) {
				t.Errorf("%s does not say who can now reach what (%v):\n%s", name, err, b)
			}
		}
		// The image, its plan and the diff that led to them lie together.
		b, err := os.ReadFile(filepath.Join(r.images, "edge-fra1/plan.json"))
		if err != nil || !strings.Contains(string(b), `"192.0.2.0/28"`) {
			t.Errorf("the plan beside the image is not the new one: %v", err)
		}
		if modified(t, filepath.Join(r.images, "edge-fra1/edge-fra1.efi")) == image {
			t.Error("the image was not built again")
		}
	})

	t.Run("a branch is compared with where it left", func(t *testing.T) {
		r.t = t
		published, err := os.ReadFile(filepath.Join(r.images, "edge-fra1/plan.json"))
		if err != nil {
			t.Fatal(err)
		}
		r.edit("edge.hcl", `"192.0.2.0/28"`, `"192.0.2.0/27"`)
		out, err := r.push("feature/wider")
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if !strings.Contains(out, "+ 192.0.2.16/28") || strings.Contains(out, "198.51.100.128/25") {
			t.Errorf("the pusher did not see what the branch changes:\n%s", out)
		}
		if now, _ := os.ReadFile(filepath.Join(r.images, "edge-fra1/plan.json")); string(now) != string(published) {
			t.Error("the plan of a branch lies beside the image of another")
		}
		r.git(r.clone, "checkout", "-q", "main")
	})

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

// A build takes the plan that was reviewed, and refuses a spec that gives another.
func TestBuildOfAReviewedPlan(t *testing.T) {
	r := newRepository(t)
	pipeline, err := filepath.Abs("../../pipeline")
	if err != nil {
		t.Fatal(err)
	}
	run := func(mode string, env ...string) (string, error) {
		cmd := exec.Command(pipeline, mode, "sites/edge-fra1")
		cmd.Dir, cmd.Env = r.clone, append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	plans := filepath.Join(t.TempDir(), "plans")
	if out, err := run("check", "OUT="+plans); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r.edit("edge.hcl", `sources = ["198.51.100.0/24"]`, `sources = ["0.0.0.0/0"]`)
	out, err := run("build", "OUT="+r.images, "PLANS="+plans)
	if err == nil || !strings.Contains(out, "stale plan") {
		t.Errorf("a plan that nobody reviewed was built: %v\n%s", err, out)
	}
	if fileExists(filepath.Join(r.images, "edge-fra1")) {
		t.Error("a refused build left something")
	}
	for _, c := range []struct{ plans, want string }{
		{t.TempDir(), "nobody reviewed a plan of edge-fra1"},
		{filepath.Join(plans, "absent"), "is no directory"},
	} {
		if out, err := run("build", "OUT="+r.images, "PLANS="+c.plans); err == nil || !strings.Contains(out, c.want) {
			t.Errorf("want %q, got %v\n%s", c.want, err, out)
		}
	}
	r.edit("edge.hcl", `sources = ["0.0.0.0/0"]`, `sources = ["198.51.100.0/24"]`)
	if out, err := run("build", "OUT="+r.images, "PLANS="+plans); err != nil {
		t.Errorf("the reviewed plan was refused: %v\n%s", err, out)
	}
	for _, name := range []string{"edge-fra1.efi", "edge-fra1.raw", "plan.json", "plan.txt", "plan.html"} {
		if !fileExists(filepath.Join(r.images, "edge-fra1", name)) {
			t.Errorf("there is no %s", name)
		}
	}
}

// A fleet has a folder for the plan of all, and one for the image of each.
func TestFleetHasAnImageEach(t *testing.T) {
	r := newRepository(t)
	pipeline, err := filepath.Abs("../../pipeline")
	if err != nil {
		t.Fatal(err)
	}
	spec := filepath.Join(r.clone, "sites/all")
	if err := os.CopyFS(spec, os.DirFS("../../../appliance/examples/fleet")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(pipeline, "build", "sites/all")
	cmd.Dir, cmd.Env = r.clone, append(os.Environ(), "OUT="+r.images, "BASE=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{
		"all/plan.txt", "all/plan.json", "all/plan.html",
		"edge-fra1/edge-fra1.raw", "edge-fra1/plan.html", "edge-ams1/edge-ams1.efi", "edge-lab1/edge-lab1.efi", "edge-lab1/plan.json",
	} {
		if !fileExists(filepath.Join(r.images, name)) {
			t.Errorf("there is no %s", name)
		}
	}
}

func modified(t *testing.T, name string) time.Time {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime()
}

func fileExists(path string) bool { _, err := os.Stat(path); return err == nil }
