package report

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// specs is a repository of specs with the pipeline.
type specs struct {
	t   *testing.T
	dir string
	env []string
}

func newSpecs(t *testing.T) *specs {
	t.Helper()
	s := &specs{t: t, dir: t.TempDir()}
	s.env = append(os.Environ(), "TRUNKLINE="+program(t),
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=author", "GIT_AUTHOR_EMAIL=author@example.net",
		"GIT_COMMITTER_NAME=author", "GIT_COMMITTER_EMAIL=author@example.net",
		// What a CI of this repository's own may have set.
		"GITHUB_ACTIONS=", "GITHUB_BASE_REF=", "CI_MERGE_REQUEST_TARGET_BRANCH_SHA=", "CI_MERGE_REQUEST_DIFF_BASE_SHA=", "CI_COMMIT_BEFORE_SHA=")
	s.git("init", "-q", "-b", "main")
	if err := os.WriteFile(filepath.Join(s.dir, ".gitignore"), []byte("/out/\n/summary.md\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *specs) git(args ...string) string {
	s.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = s.dir, s.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (s *specs) commit() {
	s.t.Helper()
	s.git("add", "-A")
	s.git("commit", "-q", "-m", "change")
}

func (s *specs) copy(from, to string) {
	s.t.Helper()
	if err := os.CopyFS(filepath.Join(s.dir, to), os.DirFS(from)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *specs) edit(file, old, new string) {
	s.t.Helper()
	file = filepath.Join(s.dir, file)
	b, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	if !strings.Contains(string(b), old) {
		s.t.Fatalf("%s has no %q", file, old)
	}
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(b), old, new)), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// read returns a file below the repository, empty when there is none.
func (s *specs) read(file string) string {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, file))
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	return string(b)
}

// pipeline runs ci/pipeline over sites/* and returns what it printed and its summary.
func (s *specs) pipeline(mode string, env ...string) (out, summary string, err error) {
	s.t.Helper()
	script, e := filepath.Abs("../../pipeline")
	if e != nil {
		s.t.Fatal(e)
	}
	cmd := exec.Command("sh", "-c", `rm -f summary.md; exec "$0" "$1" sites/*`, script, mode)
	cmd.Dir, cmd.Env = s.dir, append(append(s.env, "SUMMARY=summary.md"), env...)
	b, err := cmd.CombinedOutput()
	return string(b), s.read("summary.md"), err
}

// The pipeline gives a reviewer the plan as Markdown, or what is wrong.
func TestPipelineSummary(t *testing.T) {
	s := newSpecs(t)
	s.copy(example, "sites/edge")
	out, summary, err := s.pipeline("check", "GITHUB_ACTIONS=true")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wants(t, summary, "## edge-fra1", "**Saturates first: ", "<details><summary>Ceilings")
	wants(t, out, "::notice title=edge-fra1::Saturates first")
	// The folder is the appliance's, where its image will lie.
	for _, name := range []string{"plan.txt", "plan.json", "plan.html"} {
		if s.read("out/edge-fra1/"+name) == "" {
			t.Errorf("there is no %s", name)
		}
	}
	if s.read("out/comment.md") != "" {
		t.Error("a comment without anything to compare with")
	}

	s.edit("sites/edge/core.hcl", `"round-robin"`, `"round-robbin"`)
	out, summary, err = s.pipeline("check", "GITHUB_ACTIONS=true")
	if err == nil {
		t.Errorf("a wrong spec passed:\n%s", out)
	}
	wants(t, summary, "edge: no plan, the spec is wrong", "`sites/edge/core.hcl:6`", "round-robin")
	wants(t, out, "::error file=sites/edge/core.hcl,line=6,")
	left, err := filepath.Glob(filepath.Join(s.dir, "out/.new-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A pull request is compared with its base: what changed, what is new, what went.
func TestPipelineComparesWithTheBase(t *testing.T) {
	s := newSpecs(t)
	s.copy(example, "sites/edge")
	s.copy(fleet, "sites/fleet")
	s.edit("sites/fleet/fleet.hcl", "edge-fra1", "edge-fra9")
	s.copy("../../../appliance/examples/loopback", "sites/old")
	s.commit()
	s.git("checkout", "-q", "-b", "change")
	s.edit("sites/edge/edge.hcl", `["198.51.100.0/24"]`, `["198.51.100.0/25", "192.0.2.0/28"]`)
	s.git("mv", "sites/old", "sites/other")
	s.edit("sites/fleet/fleet.hcl", "edge-lab1", "edge-lab2")
	s.commit()

	reach := "| carrier-a `udp 203.0.113.10:5060` | `192.0.2.0/28` | `198.51.100.128/25` | `live` |"
	said := []string{
		"## edge-fra1: 2 changes, 1 of them a removal;", "### Who can now reach what", reach,
		"## loopback: a new spec", "The base revision has no spec in sites/other.",
		"## sites/old: the spec is there no more",
		"Appliances that are there no more", "- `edge-lab1`", "- `edge-lab2`",
	}
	t.Run("by hand", func(t *testing.T) {
		out, summary, err := s.pipeline("check", "BASE=main")
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		wants(t, summary, said...)
		wants(t, summary, "## edge-fra1 (fra1): can be built")
		if strings.Index(summary, reach) > strings.Index(summary, "## edge-fra1 (fra1): can be built") {
			t.Error("the plan stands before what changes")
		}
		comment := s.read("out/comment.md")
		wants(t, comment, said...)
		if !strings.HasPrefix(comment, "<!-- trunkline:pipeline -->\n") {
			t.Errorf("the next run would not find this comment:\n%.200s", comment)
		}
		wants(t, out, "Who can now reach what:", "sites/old: the spec is there no more")
		for file, want := range map[string]string{
			"out/edge-fra1/diff.md": reach, "out/edge-fra1/diff.txt": "+ 192.0.2.0/28", "out/edge-fra1/diff.json": `"gained": [`,
			"out/fleet/diff.md": "1 removed, 1 added", "out/fleet/plan.html": "<h1>3 appliances</h1>", "out/edge-lab2/plan.json": `"name": "edge-lab2"`,
		} {
			wants(t, s.read(file), want)
		}
	})
	t.Run("a pull request whose target went on", func(t *testing.T) {
		// As actions/checkout leaves it: the merge of both, and the target as a remote branch.
		s.git("checkout", "-q", "main")
		s.edit("sites/edge/core.hcl", `reply_timeout  = "5s"`, `reply_timeout  = "4s"`)
		s.commit()
		s.git("update-ref", "refs/remotes/origin/main", "main")
		s.git("checkout", "-q", "--detach", "change")
		for _, head := range []string{"the branch itself", "its merge"} {
			if head == "its merge" {
				s.git("merge", "-q", "--no-edit", "main")
			}
			_, _, err := s.pipeline("check", "GITHUB_BASE_REF=main")
			if err != nil {
				t.Fatal(err)
			}
			comment := s.read("out/comment.md")
			wants(t, comment, said...)
			if strings.Contains(comment, "reply timeout") {
				t.Errorf("%s: what others changed counts as the branch's", head)
			}
		}
	})
	t.Run("a merge request", func(t *testing.T) {
		for _, name := range []string{"CI_MERGE_REQUEST_TARGET_BRANCH_SHA", "CI_MERGE_REQUEST_DIFF_BASE_SHA"} {
			if out, _, err := s.pipeline("check", name+"="+s.git("rev-parse", "main")); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			wants(t, s.read("out/comment.md"), reach)
		}
	})
	t.Run("a push to a branch", func(t *testing.T) {
		if out, _, err := s.pipeline("check", "CI_COMMIT_BEFORE_SHA="+s.git("rev-parse", "main")); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		wants(t, s.read("out/comment.md"), reach)
		if err := os.RemoveAll(filepath.Join(s.dir, "out")); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"BASE", "CI_COMMIT_BEFORE_SHA"} {
			out, _, err := s.pipeline("check", name+"="+strings.Repeat("0", 40))
			if err != nil || s.read("out/comment.md") != "" {
				t.Errorf("a new branch is compared with something: %v\n%s", err, out)
			}
		}
	})
	t.Run("a repository that cannot be read", func(t *testing.T) {
		_, summary, err := s.pipeline("check", "BASE=main", "GIT_DIR="+t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		wants(t, summary, "**No comparison:** the repository of the specs cannot be read", "## edge-fra1")
	})
	t.Run("nothing changed", func(t *testing.T) {
		if _, _, err := s.pipeline("check", "BASE=HEAD"); err != nil {
			t.Fatal(err)
		}
		if got, want := s.read("out/comment.md"), "<!-- trunkline:pipeline -->\nNo changes: edge-fra1, fleet, loopback.\n"; got != want {
			t.Errorf("the comment is\n%s", got)
		}
	})
	t.Run("a base that is not there", func(t *testing.T) {
		out, summary, err := s.pipeline("check", "GITHUB_BASE_REF=nowhere")
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		wants(t, summary, "**No comparison:**", "fetch-depth: 0", "## edge-fra1")
		wants(t, s.read("out/comment.md"), "**No comparison:**")
		if s.read("out/edge-fra1/diff.md") != "" {
			t.Error("a diff of an earlier run is still there")
		}
	})
	t.Run("a base that was wrong", func(t *testing.T) {
		s.git("checkout", "-q", "-B", "broken")
		s.edit("sites/edge/core.hcl", `"round-robin"`, `"round-robbin"`)
		s.commit()
		out, summary, err := s.pipeline("check", "BASE=HEAD~1")
		if err == nil {
			t.Errorf("a wrong spec passed:\n%s", out)
		}
		comment := s.read("out/comment.md")
		wants(t, comment, "edge: no plan, the spec is wrong", "No changes: fleet, loopback.")
		wants(t, summary, "edge: no plan, the spec is wrong")
		s.edit("sites/edge/core.hcl", `"round-robbin"`, `"round-robin"`)
		if out, _, err := s.pipeline("check", "BASE=HEAD"); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		wants(t, s.read("out/comment.md"), "## edge-fra1: not compared")
	})
}

// What this version cannot run is shown, and stops a build before its first image.
func TestPipelineOfWhatCannotBeBuilt(t *testing.T) {
	s := newSpecs(t)
	s.copy(example, "sites/edge")
	s.copy("../../../appliance/examples/loopback", "sites/a-good-one")
	s.commit()
	hidden := "messages {\n  hide_topology = true\n}\n"
	if err := os.WriteFile(filepath.Join(s.dir, "sites/edge/messages.hcl"), []byte(hidden), 0o644); err != nil {
		t.Fatal(err)
	}
	out, summary, err := s.pipeline("check", "BASE=HEAD")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wants(t, summary, "(fra1): cannot be built yet", "> - messages: hide\\_topology `messages.hcl:2`")
	wants(t, s.read("out/comment.md"), "| new: messages | none | added |", "**The spec has parts that this version of Trunkline cannot run: build refuses it.**")
	out, _, err = s.pipeline("build", "BASE=HEAD", "OUT=images")
	if err == nil || !strings.Contains(out, "sites/edge has parts that this version of Trunkline cannot run") || strings.Contains(out, ": build\n") {
		t.Errorf("%v\n%s", err, out)
	}
}

// Two specs of one appliance would take each other's place.
func TestPipelineRefusesOneNameTwice(t *testing.T) {
	s := newSpecs(t)
	s.copy(example, "sites/a")
	s.copy(example, "sites/b")
	out, _, err := s.pipeline("check")
	if err == nil || !strings.Contains(out, "sites/b and sites/a both want the folder edge-fra1") {
		t.Errorf("%v\n%s", err, out)
	}
}

// What many specs say fits into one comment.
func TestPipelineCommentIsBounded(t *testing.T) {
	const count, listeners = 6, 60
	s := newSpecs(t)
	for i := range count {
		name := "edge-" + string(rune('a'+i))
		s.copy(example, "sites/"+name)
		s.edit("sites/"+name+"/edge.hcl", `"edge-fra1"`, `"`+name+`"`)
	}
	s.commit()
	for i := range count {
		name := "edge-" + string(rune('a'+i))
		var b strings.Builder
		for n := range listeners {
			b.WriteString("listener \"more-" + strings.Repeat("x", 20) + string(rune('a'+n%26)) + string(rune('a'+n/26)) + "\" {\n  nic     = \"wan\"\n  address = \"203.0.113.10\"\n  port    = " + strconv.Itoa(20000+n) + "\n  sources = [\"192.0.2.0/24\"]\n}\n")
		}
		if err := os.WriteFile(filepath.Join(s.dir, "sites", name, "more.hcl"), []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out, _, err := s.pipeline("check", "BASE=HEAD")
	if err != nil {
		t.Fatalf("%v\n%.3000s", err, out)
	}
	comment := s.read("out/comment.md")
	if n := len(comment); n > 65_536 || n < 20_000 {
		t.Errorf("the comment has %d bytes", n)
	}
	for i := range count {
		wants(t, comment, "## edge-"+string(rune('a'+i))+": ")
	}
}
