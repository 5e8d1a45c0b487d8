package route

import (
	"bytes"
	"errors"
	"fmt"

	"trunkline/appliance/runtime"
)

// rule is what a route does with the number called, which is the user part up to its
// parameters. It is compiled once, from the configuration, and never waits or allocates.
type rule struct {
	pattern *pattern // nil: any number
	strip   int      // characters taken off, before add
	add     []byte
	parts   []part // instead of strip and add; nil: they
	changes bool
}

// part of what a number becomes: a text, or a group of the pattern.
type part struct {
	text  []byte
	group int // with text nil
}

// compileRule gives nil for a route that looks at the prefix alone.
func compileRule(in *runtime.Route) (*rule, error) {
	if in.Pattern == "" && in.Rewrite == "" && in.Strip == 0 && in.Add == "" {
		return nil, nil
	}
	r := &rule{strip: in.Strip, add: []byte(in.Add), changes: in.Strip > 0 || in.Add != "" || in.Rewrite != ""}
	if in.Strip < 0 {
		return nil, fmt.Errorf("strip is %d", in.Strip)
	}
	groups := 0
	if in.Pattern != "" {
		p, err := compilePattern(in.Pattern)
		if err != nil {
			return nil, fmt.Errorf("pattern %q %w", in.Pattern, err)
		}
		r.pattern, groups = p, p.groups
	}
	if in.Rewrite == "" {
		return r, nil
	}
	switch {
	case in.Pattern == "":
		return nil, errors.New("rewrite without a pattern: write strip and add, or the pattern whose groups it takes")
	case in.Strip > 0 || in.Add != "":
		return nil, errors.New("rewrite beside strip or add: keep one")
	}
	var err error
	r.parts, err = compileRewrite(in.Rewrite, groups)
	return r, err
}

// compileRewrite reads what a number becomes: $0 is the whole, $1 to $9 are groups, $$ is a dollar.
func compileRewrite(text string, groups int) ([]part, error) {
	var out []part
	var plain []byte
	for i := 0; i < len(text); i++ {
		if text[i] != '$' {
			plain = append(plain, text[i])
			continue
		}
		i++
		switch {
		case i < len(text) && text[i] == '$':
			plain = append(plain, '$')
		case i < len(text) && text[i] >= '0' && text[i] <= '9':
			g := int(text[i] - '0')
			if g > groups {
				return nil, fmt.Errorf("rewrite %q takes group %d, and the pattern has %d: correct one of them", text, g, groups)
			}
			if len(plain) > 0 {
				out, plain = append(out, part{text: plain}), nil
			}
			out = append(out, part{group: g})
		default:
			return nil, fmt.Errorf("rewrite %q has a $ without a group: write $1 to $9, $0 for the whole number, or $$ for a dollar", text)
		}
	}
	if len(plain) > 0 {
		out = append(out, part{text: plain})
	}
	return out, nil
}

// apply appends what a number becomes to dst, whose capacity bounds it. It reports false when
// the number does not match, or nothing would be left, or it would not fit.
func (r *rule) apply(dst, number []byte) ([]byte, bool) {
	if r.pattern == nil {
		return r.stripAdd(dst, number)
	}
	var s search
	if !r.pattern.match(&s, number) {
		return nil, false
	}
	if r.parts == nil {
		return r.stripAdd(dst, number)
	}
	s.at[0], s.at[1] = 0, len(number)
	room := cap(dst) - len(dst)
	start := len(dst)
	for _, p := range r.parts {
		text := p.text
		if text == nil {
			if s.at[2*p.group] < 0 || s.at[2*p.group+1] < 0 {
				continue // a group that took no part is empty
			}
			text = number[s.at[2*p.group]:s.at[2*p.group+1]]
		}
		if room -= len(text); room < 0 {
			return nil, false
		}
		dst = append(dst, text...)
	}
	return dst, len(dst) > start
}

func (r *rule) stripAdd(dst, number []byte) ([]byte, bool) {
	n := len(r.add) + len(number) - r.strip
	if r.strip > len(number) || n == 0 || n > cap(dst)-len(dst) {
		return nil, false
	}
	return append(append(dst, r.add...), number[r.strip:]...), true
}

// split gives the number of a user part and its parameters, which begin with ';'.
func split(user []byte) (number, parameters []byte) {
	if i := bytes.IndexByte(user, ';'); i >= 0 {
		return user[:i], user[i:]
	}
	return user, nil
}

// bare are the characters of a user part that need no escape (RFC 3261 section 25.1).
var bare = func() (ok [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.!~*'()&=+$,?/") {
		ok[c] = true
	}
	return ok
}()

// appendEscaped appends a number as a user part has it.
func appendEscaped(dst, number []byte) []byte {
	const hex = "0123456789ABCDEF"
	for _, c := range number {
		if bare[c] {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}
