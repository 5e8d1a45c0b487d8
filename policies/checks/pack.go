package checks

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty/function"

	"trunkline/appliance/sizing"
)

// Bounds on a pack: rules are written by people.
const (
	maxFileSize = 1 << 20
	maxFiles    = 200
	maxRules    = 1000
	maxNesting  = 60 // brackets, quotes and templates inside each other
	maxLoops    = 2  // for expressions and splats inside each other
)

// Rule is one guard rail.
type Rule struct {
	ID       string
	Severity string // of package sizing: error, warning, note
	Source   string
	Range    hcl.Range

	forEach, name, when, condition, at, summary, message, remedy hcl.Expression
}

// Pack is a set of rules, in the order of their files and lines.
type Pack struct {
	Name  string // directory it came from, for people
	Rules []*Rule
}

// Rule returns the rule with the id, or nil.
func (p *Pack) Rule(id string) *Rule {
	for _, r := range p.Rules {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// Load reads the pack at the root of fsys; name is put before file names. The Pack
// is nil when a diagnostic is an error. The files are for the snippets of a
// diagnostic writer.
func Load(fsys fs.FS, name string) (*Pack, hcl.Diagnostics, map[string]*hcl.File) {
	files := map[string]*hcl.File{}
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, problem(nil, "Policies not readable", "The policies in %q cannot be read: %s. Name a directory of *.hcl files with rule blocks.", name, cause(err)), files
	}
	p := &Pack{Name: name}
	var diags hcl.Diagnostics
	read := 0
	for _, e := range entries { // sorted by name
		if e.IsDir() || !strings.HasSuffix(e.Name(), ".hcl") || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if read++; read > maxFiles {
			return nil, problem(nil, "Too many policy files", "%q holds more than %d *.hcl files. Name the directory of one pack.", name, maxFiles), files
		}
		display := path.Join(name, e.Name())
		f, more := parse(fsys, e.Name(), display)
		if f != nil {
			files[display] = f
		}
		diags = append(diags, more...)
		if more.HasErrors() {
			continue
		}
		diags = append(diags, p.decode(f.Body)...)
	}
	switch {
	case diags.HasErrors():
		return nil, diags, files
	case len(p.Rules) == 0:
		return nil, append(diags, problem(nil, "No rules here", "The directory %q holds no rule. Write rule \"ID\" { ... } in a *.hcl file there, or name another directory.", name)...), files
	}
	return p, diags, files
}

func parse(fsys fs.FS, name, display string) (*hcl.File, hcl.Diagnostics) {
	b, err := readFile(fsys, name)
	if err != nil {
		return nil, problem(nil, "Policy file not readable", "%s cannot be read: %s.", display, cause(err))
	}
	if r := tooDeep(b, display); r != nil {
		return &hcl.File{Bytes: b}, problem(r, "Nested too deeply", "Brackets and quotes nest %d deep at most, and an exponent has three digits. Write this in several rules.", maxNesting)
	}
	f, diags := hclsyntax.ParseConfig(b, display, hcl.InitialPos)
	if f == nil {
		f = &hcl.File{Bytes: b}
	}
	return f, diags
}

func readFile(fsys fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(fsys, name) // opening a FIFO would wait for a writer
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err == nil && len(b) > maxFileSize {
		err = fmt.Errorf("it is larger than %d bytes", maxFileSize)
	}
	return b, err
}

var hugeExponent = regexp.MustCompile(`[eE][+-]?[0-9]{4,}$`)

// tooDeep finds nesting the recursive parser must not meet, and numbers nobody
// means.
func tooDeep(src []byte, display string) *hcl.Range {
	tokens, _ := hclsyntax.LexConfig(src, display, hcl.InitialPos)
	depth, unary := 0, 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote,
			hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote,
			hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
			depth = max(depth-1, 0)
		case hclsyntax.TokenMinus, hclsyntax.TokenBang, hclsyntax.TokenQuestion:
			unary++ // these nest without brackets
		case hclsyntax.TokenNumberLit:
			if hugeExponent.Match(t.Bytes) { // short to write, long to print
				return &t.Range
			}
		}
		if depth > maxNesting || unary > 5000 {
			return &t.Range
		}
	}
	return nil
}

type ruleBody struct {
	ID        string         `hcl:"id,label"`
	Severity  string         `hcl:"severity"`
	Source    string         `hcl:"source"`
	ForEach   hcl.Expression `hcl:"for_each,optional"`
	Name      hcl.Expression `hcl:"name,optional"`
	When      hcl.Expression `hcl:"when,optional"`
	Condition hcl.Expression `hcl:"condition"`
	At        hcl.Expression `hcl:"at,optional"`
	Summary   hcl.Expression `hcl:"summary"`
	Message   hcl.Expression `hcl:"message"`
	Remedy    hcl.Expression `hcl:"remedy"`
}

var (
	fileSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "rule", LabelNames: []string{"id"}}}}
	idRule     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)
	severities = []string{sizing.SeverityError, sizing.SeverityWarning, sizing.SeverityNote}
)

// decode adds the rules of one file.
func (p *Pack) decode(body hcl.Body) hcl.Diagnostics {
	content, diags := body.Content(fileSchema)
	for _, b := range content.Blocks {
		var raw ruleBody
		more := gohcl.DecodeBody(b.Body, nil, &raw)
		diags = append(diags, more...)
		if more.HasErrors() {
			continue
		}
		r := &Rule{ID: b.Labels[0], Severity: raw.Severity, Source: strings.TrimSpace(raw.Source), Range: b.DefRange,
			forEach: given(raw.ForEach), name: given(raw.Name), when: given(raw.When), condition: given(raw.Condition),
			at: given(raw.At), summary: given(raw.Summary), message: given(raw.Message), remedy: given(raw.Remedy)}
		more = p.check(r, b.LabelRanges[0])
		diags = append(diags, more...)
		if !more.HasErrors() {
			p.Rules = append(p.Rules, r)
		}
	}
	return diags
}

// given is nil for an attribute that is not there: gohcl makes a null of it.
func given(e hcl.Expression) hcl.Expression {
	if _, written := e.(hclsyntax.Expression); !written {
		return nil
	}
	return e
}

func (p *Pack) check(r *Rule, label hcl.Range) (diags hcl.Diagnostics) {
	if !idRule.MatchString(r.ID) {
		diags = append(diags, problem(&label, "Invalid rule id", "The id %q cannot be used: write 1 to 63 letters, digits, hyphens or underscores.", r.ID)...)
	}
	if first := p.Rule(r.ID); first != nil {
		diags = append(diags, problem(&label, "Rule id used twice", "A rule %q stands at %s already. Give this one another id.", r.ID, sizing.Location(first.Range))...)
	}
	if len(p.Rules) >= maxRules {
		diags = append(diags, problem(&label, "Too many rules", "A pack has at most %d rules. Split it into several directories.", maxRules)...)
	}
	if !slices.Contains(severities, r.Severity) {
		diags = append(diags, problem(&r.Range, "Invalid severity", "Rule %q has the severity %q. Write one of %s.", r.ID, r.Severity, strings.Join(severities, ", "))...)
	}
	if r.Source == "" {
		diags = append(diags, problem(&r.Range, "Rule without a source", "Rule %q cites nothing. Say in source where the rule comes from.", r.ID)...)
	}
	for _, m := range []struct {
		name string
		e    hcl.Expression
	}{{"condition", r.condition}, {"summary", r.summary}, {"message", r.message}, {"remedy", r.remedy}} {
		if m.e == nil { // gohcl takes every expression for optional
			diags = append(diags, problem(&r.Range, "Missing "+m.name, "Rule %q needs %s.", r.ID, m.name)...)
		}
	}
	for _, e := range r.expressions() {
		diags = append(diags, r.checkExpression(e)...)
	}
	return diags
}

func (r *Rule) expressions() []hclsyntax.Expression {
	var out []hclsyntax.Expression
	for _, e := range []hcl.Expression{r.forEach, r.name, r.when, r.condition, r.at, r.summary, r.message, r.remedy} {
		if e, ok := e.(hclsyntax.Expression); ok {
			out = append(out, e)
		}
	}
	return out
}

// checkExpression finds what would only fail, or take long, when a plan is there.
func (r *Rule) checkExpression(e hclsyntax.Expression) (diags hcl.Diagnostics) {
	for _, t := range e.Variables() {
		root, at := t.RootName(), t.SourceRange()
		switch {
		case root == "spec" || root == "plan":
		case root == "each" && r.forEach != nil && e != r.forEach:
		case root == "each":
			diags = append(diags, problem(&at, "Nothing to take each from", "each stands for an element of for_each. Add for_each to rule %q, or start from spec or plan.", r.ID)...)
		default:
			diags = append(diags, problem(&at, "Unknown name", "There is no %q here. Expressions see spec, plan and, with for_each, each; text is written in quotes.", root)...)
		}
	}
	w := &loopWalker{}
	hclsyntax.Walk(e, w)
	if w.deepest > maxLoops {
		at := e.Range()
		diags = append(diags, problem(&at, "Loops nested too deeply", "for expressions and [*] nest %d deep at most. Use for_each, or several rules.", maxLoops)...)
	}
	return append(diags, w.diags...)
}

// loopWalker measures the nesting of loops and checks that functions exist.
type loopWalker struct {
	depth, deepest int
	diags          hcl.Diagnostics
}

func (w *loopWalker) Enter(n hclsyntax.Node) hcl.Diagnostics {
	switch n := n.(type) {
	case *hclsyntax.ForExpr, *hclsyntax.SplatExpr:
		w.depth++
		w.deepest = max(w.deepest, w.depth)
	case *hclsyntax.FunctionCallExpr:
		if _, ok := functions[n.Name]; !ok {
			w.diags = append(w.diags, problem(&n.NameRange, "Unknown function", "There is no function %q. There are %s.", n.Name, strings.Join(names(functions), ", "))...)
		}
	}
	return nil
}

func (w *loopWalker) Exit(n hclsyntax.Node) hcl.Diagnostics {
	switch n.(type) {
	case *hclsyntax.ForExpr, *hclsyntax.SplatExpr:
		w.depth--
	}
	return nil
}

func names(m map[string]function.Function) []string {
	out := make([]string, 0, len(m))
	for n := range m {
		out = append(out, n)
	}
	sort.Strings(out)
	return out
}

func problem(at *hcl.Range, summary, format string, args ...any) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: at}}
}

// cause is a file error without operation and path, which the text around names.
func cause(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}
