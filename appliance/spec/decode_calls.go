package spec

import (
	"fmt"
	"time"
)

// Bounds of RFC 4028.
const (
	leastSession   = 90 * time.Second // section 5
	longestSession = 24 * time.Hour
	usualSession   = 30 * time.Minute // section 4 recommends it
)

// session reads session timers. What is not stated keeps to what is: expires is 30
// minutes, not less than min_se, and no more than a call is counted for.
func (d *decoder) session(root *section, s *Spec) {
	sec := root.one("session")
	if sec == nil {
		return
	}
	x := Session{
		Enabled: true,
		MinSE:   d.sessionTime(sec, "min_se", leastSession),
		Insert:  sec.boolean("insert", true),
		Range:   sec.def,

		MinSERange: sec.rng("min_se"), ExpiresRange: sec.rng("session_expires"), InsertRange: sec.rng("insert"),
	}
	lifetime := s.Transaction.CallLifetime
	usual := max(min(usualSession, lifetime), x.MinSE)
	x.Expires = d.sessionTime(sec, "session_expires", usual)
	switch {
	case x.Expires < x.MinSE:
		d.errorf(x.ExpiresRange, "Session below its minimum", "session_expires asks for refreshes within %s, and min_se refuses anything below %s. Write a session_expires of at least %s, or a lower min_se.", shortDuration(x.Expires), shortDuration(x.MinSE), shortDuration(x.MinSE))
	case x.Expires > lifetime:
		// The call is dropped from the accounts first, refreshed or not, and an
		// orphan would never be found by its missing refresh.
		place := x.ExpiresRange
		if !sec.stated("session_expires") {
			place = x.MinSERange
		}
		d.errorf(place, "Session longer than a call", "A call is no longer counted after %s (transaction, call_lifetime), before a session of %s has run out: lost calls would not be noticed by their timer. Write at most %s, or a longer call_lifetime.", shortDuration(lifetime), shortDuration(x.Expires), shortDuration(lifetime))
	}
	s.Session = x
}

func (d *decoder) sessionTime(sec *section, name string, def time.Duration) time.Duration {
	if v, ok := sec.value(name); ok && isText(v) {
		if n, err := parseDuration(v.AsString()); err == nil && n >= 0 && n < leastSession {
			sec.wrong(name, fmt.Sprintf("RFC 4028 section 5 allows no session below 90 seconds, for the sake of those who refresh it; this is %s.", literal(v)))
			return def
		}
	}
	n := sec.duration(name, leastSession, longestSession, def)
	if n%time.Second != 0 {
		sec.wrong(name, "Session timers count whole seconds (RFC 4028 section 4).")
		return def
	}
	return n
}
