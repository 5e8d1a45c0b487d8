package spec

import (
	"regexp"
	"regexp/syntax"
	"strings"
)

// What a pattern may be, as sbcd compiles it (proxy/route).
const (
	maxPatternGroups       = 9
	maxPatternInstructions = 256
	// maxStrip is as many characters as the longest prefix of a table has.
	maxStrip = 255
)

// placeholder is a group of a pattern, or a dollar, in what a number becomes.
var placeholder = regexp.MustCompile(`\$[0-9$]`)

// numberRule reads what a route does with the number called.
func (d *decoder) numberRule(sec *section, r *Route) {
	r.Pattern, r.Rewrite = sec.str("pattern", ""), sec.str("rewrite", "")
	r.Strip, r.Add = sec.integer("strip", 0, maxStrip, 0), sec.str("add", "")
	r.PatternRange, r.StripRange, r.AddRange, r.RewriteRange = sec.rng("pattern"), sec.rng("strip"), sec.rng("add"), sec.rng("rewrite")
	if strings.HasPrefix(r.Prefix, "urn:") {
		for _, name := range []string{"pattern", "strip", "add", "rewrite"} {
			if sec.stated(name) {
				d.errorf(sec.rng(name), "Rule for a service", "The prefix %q is of a service, which has no number. Remove %s.", r.Prefix, name)
			}
		}
		return
	}
	groups, sure := d.pattern(r)
	if strings.Trim(r.Add, userChars) != "" {
		d.errorf(r.AddRange, "Invalid number", "%q holds characters that no user part of a SIP URI has (RFC 3261 section 25.1). For example: add = \"+49\"", r.Add)
	}
	if !sec.stated("rewrite") {
		return
	}
	switch {
	case !sec.stated("pattern") && !sec.typos["pattern"]:
		d.errorf(r.RewriteRange, "Rewrite without a pattern", "rewrite takes groups of a pattern, and route %q has none. Write strip and add, or the pattern, for example: pattern = \"00([1-9][0-9]*)\"", r.Name)
	case sec.stated("strip") || sec.stated("add"):
		d.errorf(r.RewriteRange, "Two rules for a number", "Route %q has both rewrite and strip or add. Keep one: rewrite says what the whole number becomes.", r.Name)
	case sure:
		d.rewrite(r, groups)
	}
}

// pattern checks the expression and counts its groups.
func (d *decoder) pattern(r *Route) (groups int, sure bool) {
	if r.Pattern == "" {
		return 0, false
	}
	re, err := syntax.Parse(r.Pattern, syntax.Perl)
	if err != nil {
		d.errorf(r.PatternRange, "Invalid pattern", "%q is no regular expression: %s. The syntax is that of RE2. A backslash is written twice in quotes; digits are [0-9]. For example: pattern = \"00([1-9][0-9]*)\"", r.Pattern, err)
		return 0, false
	}
	groups = re.MaxCap()
	if groups > maxPatternGroups {
		d.errorf(r.PatternRange, "Invalid pattern", "The pattern has %d groups, at most %d can be named. Write (?:...) where nothing is taken out.", groups, maxPatternGroups)
		return groups, false
	}
	if prog, err := syntax.Compile(re.Simplify()); err != nil || len(prog.Inst) > maxPatternInstructions {
		d.errorf(r.PatternRange, "Pattern too long", "The pattern takes too much time for the path of a call. Split it over several routes, or write fewer repetitions.")
		return groups, false
	}
	return groups, true
}

// rewrite checks what a number becomes.
func (d *decoder) rewrite(r *Route, groups int) {
	for _, p := range placeholder.FindAllString(r.Rewrite, -1) {
		if n := int(p[1] - '0'); p[1] != '$' && n > groups {
			d.errorf(r.RewriteRange, "Unknown group", "%q takes group %d of the pattern, which has %d. Correct one of them.", r.Rewrite, n, groups)
			return
		}
	}
	switch rest := placeholder.ReplaceAllString(r.Rewrite, ""); {
	case strings.Contains(rest, "$"):
		d.errorf(r.RewriteRange, "Invalid rewrite", "%q has a $ without a group. Write $1 to $9 for a group, $0 for the whole number, or $$ for a dollar.", r.Rewrite)
	case strings.Trim(rest, userChars) != "":
		d.errorf(r.RewriteRange, "Invalid rewrite", "%q holds characters that no user part of a SIP URI has (RFC 3261 section 25.1). For example: rewrite = \"+$1\"", r.Rewrite)
	}
}
