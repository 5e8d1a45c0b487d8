package debian

import (
	"fmt"
	"strings"
)

// A Relation is one alternative of a dependency, or one conflict: a package name
// with an optional version constraint.
type Relation struct {
	Name    string
	Op      string // "<<" "<=" "=" ">=" ">>", or "" for any version
	Version string
}

// String renders r as a control file does.
func (r Relation) String() string {
	if r.Op == "" {
		return r.Name
	}
	return fmt.Sprintf("%s (%s %s)", r.Name, r.Op, r.Version)
}

// Allows reports whether a package of that version meets the constraint.
func (r Relation) Allows(version string) bool {
	if r.Op == "" {
		return true
	}
	c := CompareVersions(version, r.Version)
	switch r.Op {
	case "<<":
		return c < 0
	case "<=":
		return c <= 0
	case "=":
		return c == 0
	case ">=":
		return c >= 0
	case ">>":
		return c > 0
	}
	return false
}

// A Dependency is a list of alternatives; any one of them will do.
type Dependency []Relation

// String renders d as a control file does.
func (d Dependency) String() string {
	s := make([]string, len(d))
	for i, r := range d {
		s[i] = r.String()
	}
	return strings.Join(s, " | ")
}

// ParseDependencies parses the value of Depends, Pre-Depends, Provides, Conflicts
// or Breaks as binary packages have them. Architecture qualifiers (":any") are
// dropped: one archive of one architecture is read.
func ParseDependencies(value string) ([]Dependency, error) {
	var out []Dependency
	for _, part := range strings.Split(value, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		var d Dependency
		for _, alt := range strings.Split(part, "|") {
			r, err := parseRelation(strings.TrimSpace(alt))
			if err != nil {
				return nil, err
			}
			d = append(d, r)
		}
		out = append(out, d)
	}
	return out, nil
}

func parseRelation(s string) (Relation, error) {
	bad := func(why string) (Relation, error) {
		return Relation{}, fmt.Errorf("relationship %.60q: %s", s, why)
	}
	name, rest := s, ""
	if i := strings.IndexAny(s, " \t\n("); i >= 0 {
		name, rest = s[:i], strings.TrimSpace(s[i:])
	}
	name, _, _ = strings.Cut(name, ":")
	if !validName(name) {
		return bad("not a package name")
	}
	r := Relation{Name: name}
	if rest == "" {
		return r, nil
	}
	inner, ok := strings.CutPrefix(rest, "(")
	if !ok {
		return bad("unexpected text after the name")
	}
	if inner, ok = strings.CutSuffix(inner, ")"); !ok {
		return bad("no closing parenthesis")
	}
	inner = strings.TrimSpace(inner)
	n := len(inner) - len(strings.TrimLeft(inner, "<>="))
	r.Op, r.Version = inner[:n], strings.TrimSpace(inner[n:])
	switch r.Op {
	case "<": // obsolete spellings mean the inclusive forms (Policy 7.1)
		r.Op = "<="
	case ">":
		r.Op = ">="
	case "<<", "<=", "=", ">=", ">>":
	default:
		return bad("unknown operator")
	}
	if r.Version == "" || strings.ContainsAny(r.Version, " \t\n()") {
		return bad("no version")
	}
	return r, nil
}

// validName keeps Policy 5.6.1, and one-character names out of nobody's way.
func validName(s string) bool {
	if s == "" || len(s) > 200 {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', isDigit(c):
		case i > 0 && (c == '+' || c == '-' || c == '.' || c == '_'):
		case c >= 'A' && c <= 'Z': // not by policy, but archives have them as virtual names
		default:
			return false
		}
	}
	return true
}
