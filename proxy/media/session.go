package media

import (
	"sync/atomic"

	"trunkline/proxy/shm"
)

// Session is what is known of a call's media.
type Session struct {
	Instance int  // -1: none was asked yet
	Answered bool // a 2xx has settled who is talked to
	Peer     uint32
	// Owed: an offer came in a reply, and the ACK or PRACK brings its answer.
	Owed bool
}

// A row is one word: instance+1 (8 bits), generation of the call (28), Peer (24), flags.
const (
	genShift    = 8
	genMask     = 1<<28 - 1
	peerShift   = 36
	peerMask    = 1<<24 - 1
	answeredBit = 1 << 60
	owedBit     = 1 << 61
)

func (s Session) word(session uint64) uint64 {
	w := uint64(s.Instance+1) | (session&genMask)<<genShift | uint64(s.Peer&peerMask)<<peerShift
	if s.Answered {
		w |= answeredBit
	}
	if s.Owed {
		w |= owedBit
	}
	return w
}

func sessionOf(w uint64) Session {
	return Session{Instance: int(w&0xff) - 1, Peer: uint32(w >> peerShift & peerMask), Answered: w&answeredBit != 0, Owed: w&owedBit != 0}
}

// Tag is a tag as Session.Peer keeps it.
func Tag(tag []byte) uint32 {
	h := uint32(2166136261)
	for _, c := range tag {
		h = (h ^ uint32(c)) * 16777619
	}
	return (h ^ h>>24) & peerMask
}

// rows are the sessions, one word beside each row of the table of calls.
type rows struct {
	words []atomic.Uint64
}

func newRows(a *shm.Arena, calls int) (rows, error) {
	w, err := shm.Take[atomic.Uint64](a, "media sessions", calls)
	return rows{w}, err
}

// of gives the word of a call, when it is the call's.
func (r rows) of(session uint64, row int) (*atomic.Uint64, uint64, bool) {
	w := &r.words[row]
	v := w.Load()
	return w, v, v&0xff != 0 && v>>genShift&genMask == session&genMask
}

// Session tells what is known of the media of a call that is in a row of the table of calls. The
// lowest 28 bits of session tell it from others of that row.
func (c *Client) Session(session uint64, row int) Session {
	if _, v, ok := c.rows.of(session, row); ok {
		return sessionOf(v)
	}
	return Session{Instance: -1}
}

// Note changes what is known of a session that has an instance.
func (c *Client) Note(session uint64, row int, change func(*Session)) {
	for {
		w, v, ok := c.rows.of(session, row)
		if !ok {
			return
		}
		s := sessionOf(v)
		change(&s)
		if w.CompareAndSwap(v, s.word(session)) {
			return
		}
	}
}

// move puts a session at an instance, from another or from none (-1). It reports false when
// it is not where the caller says, or the call has ended.
func (c *Client) move(session uint64, row, from, to int) bool {
	w, v, ok := c.rows.of(session, row)
	if !ok {
		if from >= 0 || !w.CompareAndSwap(v, Session{Instance: to}.word(session)) {
			return false
		}
		c.instances[to].sessions.Add(1)
		return true
	}
	s := sessionOf(v)
	if s.Instance != from {
		return false
	}
	s.Instance = to
	if !w.CompareAndSwap(v, s.word(session)) {
		return false
	}
	c.instances[from].sessions.Add(-1)
	c.instances[to].sessions.Add(1)
	return true
}

// End gives the session of a call that has ended back: its delete is queued. It neither waits
// nor allocates.
func (c *Client) End(session uint64, row int) {
	for {
		w, v, ok := c.rows.of(session, row)
		if !ok {
			return
		}
		if !w.CompareAndSwap(v, 0) {
			continue
		}
		at := sessionOf(v).Instance
		if at < len(c.instances) {
			c.instances[at].sessions.Add(-1)
			c.lane(at, session).remove(session)
		}
		return
	}
}

// hashOf is the hash of a Call-ID, the same on every appliance (FNV-1a).
func hashOf(callID []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range callID {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}
