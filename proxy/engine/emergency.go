package engine

import (
	"bytes"
	"strings"

	"trunkline/appliance/runtime"
	"trunkline/proxy/message"
	"trunkline/proxy/route"
)

// emergency tells emergency calls from others.
type emergency struct {
	numbers    map[string]struct{}
	priorities map[string]struct{} // in lower case: "namespace", "namespace.priority"
}

// maxNumber bounds what of a user part is compared, bytes: no number is longer.
const maxNumber = 64

// maxPriorities bounds how many values of Resource-Priority are looked at.
const maxPriorities = 16

func newEmergency(cfg *runtime.Emergency) *emergency {
	if cfg == nil {
		return nil
	}
	m := &emergency{numbers: map[string]struct{}{}, priorities: map[string]struct{}{}}
	for _, n := range cfg.Numbers {
		m.numbers[n] = struct{}{}
	}
	for _, p := range cfg.ResourcePriority {
		m.priorities[strings.ToLower(p)] = struct{}{}
	}
	return m
}

// emergency reports whether the new request being handled is an emergency call, and counts
// it. Its source has passed the listener's allow-list.
func (w *worker) emergency(v *message.View, u message.URI) bool {
	m := w.e.emergency
	if m == nil || !w.sos(u) && !w.listed(m, u) && !(v.ResourcePriority && w.prioritised(m, v)) {
		return false
	}
	w.c.add(cEmergency)
	return true
}

// sosURN is the service of emergency calls (RFC 5031 section 4.2).
const sosURN = "urn:service:sos"

// sos reports whether the Request-URI is urn:service:sos or one of its sub-services.
func (w *worker) sos(u message.URI) bool {
	if u.Scheme != message.SchemeService {
		return false
	}
	s := w.called(u)
	return len(s) >= len(sosURN) && string(s[:len(sosURN)]) == sosURN && (len(s) == len(sosURN) || s[len(sosURN)] == '.')
}

// called is what routes are chosen by: the user part of the Request-URI, or a service URN
// in lower case, which its parts are compared in (RFC 5031 section 3).
func (w *worker) called(u message.URI) []byte {
	if u.Scheme != message.SchemeService {
		return u.User
	}
	w.tmp = appendLower(w.tmp[:0], u.User)
	return w.tmp
}

// listed reports whether the number called is an emergency number. Parameters of the user
// part (";phone-context=") are not part of it.
func (w *worker) listed(m *emergency, u message.URI) bool {
	number := until(u.User, ';')
	if len(number) == 0 || len(m.numbers) == 0 {
		return false
	}
	var dst [maxNumber]byte
	_, ok := m.numbers[string(route.Unescape(dst[:], number))]
	return ok
}

// prioritised reports whether a value of Resource-Priority is listed, alone or with its
// namespace (RFC 4412 section 3.1; names are compared in any case).
func (w *worker) prioritised(m *emergency, v *message.View) bool {
	lines := message.LinesOf(v.Bytes())
	for left := maxPriorities; left > 0; left-- { // empty lines count too
		rest, ok := lines.Find("resource-priority")
		if !ok {
			return false
		}
		for ; len(rest) > 0 && left > 0; left-- {
			value := until(rest, ',')
			rest = rest[min(len(value)+1, len(rest)):]
			w.tmp = appendLower(w.tmp[:0], bytes.TrimSpace(value))
			if _, ok := m.priorities[string(w.tmp)]; ok {
				return true
			}
			if _, ok := m.priorities[string(until(w.tmp, '.'))]; ok {
				return true
			}
		}
	}
	return false
}

// until is what comes before the first c, all of b when there is none.
func until(b []byte, c byte) []byte {
	if i := bytes.IndexByte(b, c); i >= 0 {
		return b[:i]
	}
	return b
}

func appendLower(dst, b []byte) []byte {
	for _, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}
