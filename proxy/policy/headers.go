package policy

import (
	"fmt"
	"slices"
	"strings"
)

// protectedHeaders are never removed. Each is needed by the transactions, the dialog,
// the body, the authentication, the timers or the billing of a call; the spec's
// reference says of each what breaks without it.
var protectedHeaders = []string{
	"Accept-Resource-Priority", "Allow-Events", "Authentication-Info", "Authorization",
	"CSeq", "Call-ID", "Contact", "Content-Disposition", "Content-Encoding", "Content-ID",
	"Content-Language", "Content-Length", "Content-Type", "Event", "Expires", "Feature-Caps",
	"From", "Geolocation", "Identity", "Info-Package", "Join", "MIME-Version", "Max-Forwards",
	"Min-Expires", "Min-SE", "P-Asserted-Identity", "P-Charging-Vector",
	"P-Preferred-Identity", "Path", "Privacy", "Proxy-Authenticate", "Proxy-Authorization",
	"Proxy-Require", "RAck", "RSeq", "Record-Route", "Recv-Info", "Refer-To", "Referred-By",
	"Replaces", "Require", "Resource-Priority", "Retry-After", "Route", "Service-Route",
	"Session-Expires", "Subscription-State", "Supported", "Target-Dialog", "To",
	"Unsupported", "Via", "WWW-Authenticate",
}

// ProtectedHeaders lists the header fields that Compile refuses to remove.
func ProtectedHeaders() []string { return slices.Clone(protectedHeaders) }

// compactForms are the names of one letter and what they stand for (RFC 3261 section
// 7.3.3 and the IANA registry of SIP header fields).
var compactForms = map[byte]string{
	'a': "Accept-Contact", 'b': "Referred-By", 'c': "Content-Type", 'd': "Request-Disposition",
	'e': "Content-Encoding", 'f': "From", 'i': "Call-ID", 'j': "Reject-Contact", 'k': "Supported",
	'l': "Content-Length", 'm': "Contact", 'n': "Identity-Info", 'o': "Event", 'r': "Refer-To",
	's': "Subject", 't': "To", 'u': "Allow-Events", 'v': "Via", 'x': "Session-Expires", 'y': "Identity",
}

// note is a header field whose value Apply looks at.
type note uint8

const (
	noteNone note = iota
	noteCSeq
	noteContentLength
	noteContentType
	noteContentEncoding
)

var noted = map[string]note{
	"cseq": noteCSeq, "content-length": noteContentLength,
	"content-type": noteContentType, "content-encoding": noteContentEncoding,
}

// rule is what becomes of the header lines of one name.
type rule struct {
	name    string // lower case
	remove  bool
	compact byte // letter to write the name as; 0: as it is
	note    note
}

// rules are looked up by the length of the name, or by its letter.
type rules struct {
	byLength [maxName + 1][]rule
	byLetter ['z' - 'a' + 1]*rule
	wild     []string // beginnings of names to remove, lower case
}

// maxName is the longest name that can be removed.
const maxName = 64

// newRules compiles the names to remove, and the compact forms when asked for.
func newRules(remove []string, compact bool) (*rules, error) {
	all := map[string]*rule{}
	at := func(name string) *rule {
		name = strings.ToLower(name)
		if all[name] == nil {
			all[name] = &rule{name: name, note: noted[name]}
		}
		return all[name]
	}
	r := &rules{}
	for _, name := range remove {
		lower := strings.ToLower(name)
		if len(lower) == 1 {
			if full := compactForms[lower[0]]; full != "" {
				lower = strings.ToLower(full)
			}
		}
		if err := removable(name, lower); err != nil {
			return nil, err
		}
		if beginning, isWild := strings.CutSuffix(lower, "*"); isWild {
			r.wild = append(r.wild, beginning)
			continue
		}
		at(lower).remove = true
	}
	for name := range noted {
		at(name)
	}
	for letter, full := range compactForms {
		one := at(full)
		if compact {
			one.compact = letter
		}
		r.byLetter[letter-'a'] = one
	}
	for _, one := range all {
		r.byLength[len(one.name)] = append(r.byLength[len(one.name)], *one)
	}
	for _, list := range r.byLength {
		slices.SortFunc(list, func(a, b rule) int { return strings.Compare(a.name, b.name) })
	}
	return r, nil
}

// removable says why a name cannot be removed; lower is its full form.
func removable(name, lower string) error {
	beginning, isWild := strings.CutSuffix(lower, "*")
	switch {
	case beginning == "" || len(beginning) > maxName || strings.ContainsFunc(beginning, notToken):
		return fmt.Errorf("messages: remove_headers: %q is no name of a header field of up to %d characters", name, maxName)
	case isWild && !strings.HasPrefix(beginning, "x-"):
		return fmt.Errorf("messages: remove_headers: %q would take headers that calls need; only names that begin with X- may end in *", name)
	}
	if i := slices.IndexFunc(protectedHeaders, func(p string) bool { return strings.EqualFold(p, lower) }); i >= 0 {
		return fmt.Errorf("messages: remove_headers: calls depend on %s, which cannot be removed; take it off the list", protectedHeaders[i])
	}
	return nil
}

// notToken reports whether a character cannot be in a header name (RFC 3261 section
// 25.1).
func notToken(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-.!%_+`'~", c)
}

// find gives the rule for a name as it stands in a message. removed covers the
// wildcards as well.
func (r *rules) find(name []byte) (one *rule, removed bool) {
	if len(name) == 1 {
		if c := name[0] | 0x20; c >= 'a' && c <= 'z' && r.byLetter[c-'a'] != nil {
			one = r.byLetter[c-'a']
			return one, one.remove
		} // else a name of its own
	}
	if len(name) <= maxName {
		list := r.byLength[len(name)]
		for i := range list {
			if hasPrefixFold(name, list[i].name) {
				return &list[i], list[i].remove
			}
		}
	}
	if len(r.wild) > 0 && len(name) > 1 && name[0]|0x20 == 'x' && name[1] == '-' {
		for _, beginning := range r.wild {
			if hasPrefixFold(name, beginning) {
				return nil, true
			}
		}
	}
	return nil, false
}

// hasPrefixFold reports whether a name begins with lower-case text, in any case.
func hasPrefixFold(b []byte, lower string) bool {
	if len(b) < len(lower) {
		return false
	}
	for i := range len(lower) {
		c := b[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
