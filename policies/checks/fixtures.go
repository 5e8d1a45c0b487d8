package checks

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sort"
	"strings"

	"trunkline/appliance/spec"
)

// Fixtures are small specs below a pack's directory:
//
//	fixtures/base/*.hcl             what all of them share
//	fixtures/RULE/pass*/*.hcl       laid over base, satisfies RULE
//	fixtures/RULE/fail*/*.hcl       laid over base, breaks RULE
//
// A file of a fixture replaces the one of its name in base. In a failing one, the
// comment "# finding" ends the lines that findings of the rule must be about;
// without such a mark any finding will do.
const fixtureDir = "fixtures"

// Planner gives the encoded plan of a spec.
type Planner func(*spec.Spec) (any, error)

// Result is the outcome of one fixture, or of a rule without one.
type Result struct {
	Rule, Fixture string // "invite-timeout", "fail"
	Err           error  // nil: as it should be
}

// Test judges every fixture of p in fsys, the pack's directory. Every rule needs at
// least one fixture that satisfies it and one that breaks it. Results are sorted by
// rule, in the pack's order, then by fixture.
func Test(p *Pack, fsys fs.FS, plan Planner) []Result {
	var out []Result
	for _, r := range p.Rules {
		dir := path.Join(fixtureDir, r.ID)
		entries, err := fs.ReadDir(fsys, dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			out = append(out, Result{r.ID, "", fmt.Errorf("%s cannot be read: %s", dir, cause(err))})
			continue
		}
		pass, fail := false, false
		for _, e := range entries {
			name := e.Name()
			isPass, isFail := strings.HasPrefix(name, "pass"), strings.HasPrefix(name, "fail")
			if !e.IsDir() || !isPass && !isFail {
				out = append(out, Result{r.ID, name, errors.New("is no directory named pass... or fail...: rename or remove it")})
				continue
			}
			pass, fail = pass || isPass, fail || isFail
			out = append(out, Result{r.ID, name, try(r, fsys, path.Join(dir, name), isFail, plan)})
		}
		if !pass {
			out = append(out, Result{r.ID, "pass", fmt.Errorf("missing: add %s/pass with a spec that satisfies the rule", dir)})
		}
		if !fail {
			out = append(out, Result{r.ID, "fail", fmt.Errorf("missing: add %s/fail with a spec that breaks the rule", dir)})
		}
	}
	return append(out, strays(p, fsys)...)
}

// strays are fixtures of rules there are not: a rule was renamed, or never tested.
func strays(p *Pack, fsys fs.FS) []Result {
	entries, err := fs.ReadDir(fsys, fixtureDir)
	if err != nil {
		return nil
	}
	var out []Result
	for _, e := range entries {
		if e.IsDir() && e.Name() != "base" && p.Rule(e.Name()) == nil {
			out = append(out, Result{e.Name(), "", errors.New("no rule has this id: rename or remove its fixtures")})
		}
	}
	return out
}

// try judges one fixture by its rule.
func try(r *Rule, fsys fs.FS, dir string, fails bool, plan Planner) error {
	top, err := fs.Sub(fsys, dir)
	if err != nil {
		return err
	}
	base, err := fs.Sub(fsys, path.Join(fixtureDir, "base"))
	if err != nil {
		return err
	}
	tree := overlay{top, base}
	s, diags, _ := spec.LoadFS(tree, "", spec.Options{})
	if diags.HasErrors() {
		return fmt.Errorf("the spec is wrong: %w", diags)
	}
	in := Input{Spec: s, Plan: func() (any, error) { return plan(s) }}
	found, err := Evaluate([]*Pack{{Name: "the rule", Rules: []*Rule{r}}}, in)
	if err != nil {
		return err
	}
	want, err := marks(tree)
	if err != nil {
		return err
	}
	var got []string
	for _, f := range found {
		if f.Summary == brokenSummary {
			return errors.New(f.Detail)
		}
		got = append(got, f.At)
	}
	sort.Strings(got)
	switch {
	case !fails && len(found) > 0:
		return fmt.Errorf("should satisfy the rule, but: %s (%s)", found[0].Detail, orText(found[0].At, "no place"))
	case fails && len(found) == 0:
		return errors.New("should break the rule, but satisfies it")
	case fails && len(want) > 0 && !slices.Equal(got, want):
		return fmt.Errorf("findings are about %s, the fixture marks %s", strings.Join(got, ", "), strings.Join(want, ", "))
	}
	return nil
}

func orText(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// marks lists the lines that end in "# finding", as findings name them.
func marks(fsys fs.FS) ([]string, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".hcl") {
			continue
		}
		b, err := fs.ReadFile(fsys, e.Name())
		if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(bytes.NewReader(b))
		lines.Buffer(nil, maxFileSize)
		for n := 1; lines.Scan(); n++ {
			if strings.HasSuffix(strings.TrimSpace(lines.Text()), "# finding") {
				out = append(out, fmt.Sprintf("%s:%d", e.Name(), n))
			}
		}
	}
	sort.Strings(out)
	return out, nil
}

// overlay is a directory laid over another, both without subdirectories.
type overlay struct{ top, base fs.FS }

// Open implements fs.FS.
func (o overlay) Open(name string) (fs.File, error) {
	f, err := o.top.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return o.base.Open(name)
	}
	return f, err
}

// ReadDir implements fs.ReadDirFS.
func (o overlay) ReadDir(name string) ([]fs.DirEntry, error) {
	out, err := fs.ReadDir(o.top, name)
	if err != nil {
		return nil, err
	}
	below, err := fs.ReadDir(o.base, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a pack may do without a base
		return nil, err
	}
	for _, e := range below {
		if !slices.ContainsFunc(out, func(t fs.DirEntry) bool { return t.Name() == e.Name() }) {
			out = append(out, e)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name() < out[j].Name() })
	return out, nil
}

// brokenSummary marks the finding of a rule that cannot be evaluated.
const brokenSummary = "Rule cannot be evaluated"
