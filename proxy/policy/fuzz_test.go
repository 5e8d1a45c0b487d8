package policy

import (
	"slices"
	"strings"
	"testing"

	"trunkline/appliance/runtime"
	"trunkline/proxy/message"
)

// Of any message and any two names to remove, exactly the lines of these names go, as
// a simple reader finds them; every other byte stays.
func FuzzHeaders(f *testing.F) {
	for _, seed := range [][2]string{{"Subject", "X-*"}, {"s", "User-Agent"}, {"x-a*", "z"}, {"Date", "Via"}, {"*", "a b"}} {
		f.Add([]byte(msg("INVITE sip:b@example.net SIP/2.0", "INVITE", "s: one\r\nSUBJECT : two\r\n folded\r\nX-A: 1\r\nx-ab:2\r\nUser-Agent: u\r\nz: 3\r\nDate: d\r\n", sdpLong)), seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, b []byte, one, two string) {
		p, err := Compile(&runtime.Messages{RemoveHeaders: []string{one, two}})
		if err != nil {
			return
		}
		var v message.View
		if v.Parse(b) != nil {
			return
		}
		in := string(v.Bytes())
		want, lines := expected(in, full(one), full(two))
		got, res := p.Apply([]byte(in))
		if string(got) != want || res.Headers != lines {
			t.Fatalf("without %q and %q: %d lines removed, left\n%q, want %d, left\n%q", one, two, res.Headers, got, lines, want)
		}
		for _, name := range []string{one, two} {
			if slices.ContainsFunc(ProtectedHeaders(), func(h string) bool { return strings.EqualFold(h, full(name)) }) {
				t.Fatalf("%q may be removed", name)
			}
		}
	})
}

// full is the long form of a header name in lower case.
func full(name string) string {
	if name = strings.ToLower(name); len(name) == 1 && compactForms[name[0]] != "" {
		return strings.ToLower(compactForms[name[0]])
	}
	return name
}

// expected is a message without the header lines of the names, and how many went.
func expected(in string, names ...string) (string, int) {
	var out strings.Builder
	removed, gone := 0, false
	head := true
	for i, line := range strings.SplitAfter(in, "\n") {
		switch {
		case i == 0 || !head:
			gone = false
		case line == "\r\n" || line == "\n":
			head, gone = false, false
		case line != "" && (line[0] == ' ' || line[0] == '\t'):
			// It goes with the line it continues.
		default:
			name, _, ok := strings.Cut(line, ":")
			name = full(strings.TrimRight(name, " \t"))
			gone = ok && slices.ContainsFunc(names, func(n string) bool {
				beginning, wild := strings.CutSuffix(n, "*")
				return name == n && !wild || wild && strings.HasPrefix(name, beginning)
			})
			if gone {
				removed++
			}
		}
		if !gone {
			out.WriteString(line)
		}
	}
	return out.String(), removed
}
