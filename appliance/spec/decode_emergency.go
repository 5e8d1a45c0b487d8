package spec

import (
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// defaultReserve is how many emergency calls there is room for where the spec does not say.
const defaultReserve = 10

// maxNumber bounds an emergency number, characters: E.164 has 15 digits, the proxy compares 64.
const maxNumber = 64

// priority is a namespace of RFC 4412 section 3.1, or a namespace with a value.
var priority = regexp.MustCompile(`^[A-Za-z0-9!%*_+\x60'~-]+(\.[A-Za-z0-9!%*_+\x60'~-]+)?$`)

// emergency reads which calls go first.
func (d *decoder) emergency(limits *section) *Emergency {
	sec := limits.one("emergency")
	if sec == nil {
		return nil
	}
	e := &Emergency{Reserve: sec.integer("reserve", 1, 1_000_000, defaultReserve), Range: sec.def, ReserveRange: sec.rng("reserve")}
	numbers, places := sec.textsIfStated("numbers")
	for i, n := range numbers {
		if n == "" || len(n) > maxNumber || strings.Trim(n, userChars) != "" || strings.Contains(n, ";") {
			d.errorf(places[i], "Invalid number", "%q is no number a call can be for: the user part of a SIP URI (RFC 3261 section 25.1), without parameters, of at most %d characters. For example: numbers = [\"112\", \"+49112\"]", n, maxNumber)
			continue
		}
		e.Numbers = append(e.Numbers, n)
	}
	d.once(numbers, places, "Number", strings.Clone)
	priorities, places := sec.textsIfStated("resource_priority")
	for i, p := range priorities {
		if !priority.MatchString(p) {
			d.errorf(places[i], "Invalid resource_priority", "%q is no namespace and no value of one (RFC 4412 section 3.1). For example: resource_priority = [\"esnet.0\"], or [\"esnet\"] for all its values", p)
			continue
		}
		e.ResourcePriorities = append(e.ResourcePriorities, p)
	}
	d.once(priorities, places, "Resource priority", strings.ToLower)
	return e
}

// textsIfStated is texts for an attribute that may be left out.
func (s *section) textsIfStated(name string) ([]string, []hcl.Range) {
	if !s.stated(name) {
		return nil, nil
	}
	return s.texts(name)
}

// once reports texts that stand twice in a list; same gives what they are compared by.
func (d *decoder) once(list []string, places []hcl.Range, what string, same func(string) string) {
	seen := map[string]bool{}
	for i, x := range list {
		if seen[same(x)] {
			d.errorf(places[i], what+" named twice", "%q is in the list already. Remove one of the two.", x)
		}
		seen[same(x)] = true
	}
}
