package resolve

import (
	"net/netip"
	"slices"
	"time"
)

// MaxTargets is how many targets of one name are used.
const MaxTargets = 32

// Target is one place to send to.
type Target struct {
	Addr      netip.AddrPort
	Transport string // UDP, TCP or TLS
	Server    string // the name whose address it is, without the final dot
	// Slot is a number below MaxTargets. It stays with address and transport for as
	// long as the name leads there, so that what is known of a target, such as its
	// health or that a call has tried it, outlives a new result.
	Slot int
}

// Result is what a name leads to. It never changes once it is made.
type Result struct {
	// Targets are ordered by priority; see Order for those of one priority.
	Targets []Target
	Expires time.Time // when it is due to be resolved again
	Stale   bool      // some record is older than its TTL: no server says anything of use
	// Left says what was left out, and why.
	Left []string
	// Err is why there are no targets, or only stale ones.
	Err error

	// groups are the targets of one priority each, servers within them those of one
	// SRV record each. Both are spans of Targets, one after the other.
	groups []group
}

type group struct{ servers []server }

type server struct {
	weight   uint16
	first, n int
}

// Order appends the indices of Targets to dst in the order to try them: by priority;
// within one by weight at random (RFC 2782, "Usage rules"); the addresses of one
// server from one drawn at random on. draw returns a number below n, as
// rand.Uint32N does. Order allocates nothing when dst has room.
func (r *Result) Order(dst []int, draw func(n uint32) uint32) []int {
	var room [MaxTargets]server
	for _, g := range r.groups {
		left := append(room[:0], g.servers...)
		// Those without weight come first, which gives them a small chance.
		slices.SortStableFunc(left, func(a, b server) int { return b2i(a.weight > 0) - b2i(b.weight > 0) })
		for len(left) > 0 {
			i := pickServer(left, draw)
			dst = left[i].appendTo(dst, draw)
			left = slices.Delete(left, i, i+1)
		}
	}
	return dst
}

func pickServer(left []server, draw func(uint32) uint32) int {
	if len(left) == 1 {
		return 0
	}
	sum := uint32(0)
	for _, s := range left {
		sum += uint32(s.weight)
	}
	if sum == 0 { // all alike: the rules would always take the first
		return int(draw(uint32(len(left))))
	}
	point, running := draw(sum+1), uint32(0)
	for i, s := range left {
		if running += uint32(s.weight); running >= point {
			return i
		}
	}
	return len(left) - 1
}

func (s server) appendTo(dst []int, draw func(uint32) uint32) []int {
	turn := 0
	if s.n > 1 {
		turn = int(draw(uint32(s.n)))
	}
	for i := range s.n {
		dst = append(dst, s.first+(i+turn)%s.n)
	}
	return dst
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// same reports whether two results lead to the same places in the same order.
func (r *Result) same(o *Result) bool {
	return slices.Equal(r.Targets, o.Targets) && slices.EqualFunc(r.groups, o.groups, func(a, b group) bool { return slices.Equal(a.servers, b.servers) })
}

// newGroup begins a priority.
func (r *Result) newGroup() {
	if n := len(r.groups); n == 0 || len(r.groups[n-1].servers) > 0 {
		r.groups = append(r.groups, group{})
	}
}

// add adds a server's targets to the last group; those already there are left out,
// and so is what exceeds MaxTargets. It reports how many were too many.
func (r *Result) add(weight uint16, targets []Target) (many int) {
	s := server{weight: weight, first: len(r.Targets)}
	for _, t := range targets {
		switch {
		case slices.ContainsFunc(r.Targets, func(x Target) bool { return x.Addr == t.Addr && x.Transport == t.Transport }):
		case len(r.Targets) == MaxTargets:
			many++
		default:
			r.Targets = append(r.Targets, t)
			s.n++
		}
	}
	if s.n > 0 {
		g := &r.groups[len(r.groups)-1]
		g.servers = append(g.servers, s)
	}
	return many
}

// finish leaves out a group without servers.
func (r *Result) finish() {
	r.groups = slices.DeleteFunc(r.groups, func(g group) bool { return len(g.servers) == 0 })
}

// until lowers the time the result is good for.
func (r *Result) until(x records) {
	if r.Expires.IsZero() || x.expires.Before(r.Expires) {
		r.Expires = x.expires
	}
	if x.stale {
		r.Stale, r.Err = true, x.err
	}
}
