package overload

import "time"

// Period is the time between two looks.
const Period = 100 * time.Millisecond

// Whole is the share that is everything; shares are counted in parts of it.
const Whole = 256

// Parts of Whole by which a share changes in one look, and how many looks in a row must
// be over a mark before it does. A quarter reaches 90 % in eight looks; a sixteenth takes
// 1.6 s from all to nothing, three times T1, so that what was refused does not come back at once.
const (
	riseOf   = 4
	fall     = Whole / 16
	patience = 2
)

// Marks are the waits between which the share of refused calls moves.
type Marks struct {
	Low  time.Duration // fewer are refused below it
	High time.Duration // more are refused from here
	Full time.Duration // all are refused from here
}

// MarksOf gives the marks for a T1 (RFC 3261 17.1.1.1).
func MarksOf(t1 time.Duration) Marks { return Marks{Low: t1 / 10, High: t1 / 2, Full: t1} }

// Control is the share of new calls to refuse for one thing that is looked at. It is for
// one goroutine.
type Control struct {
	marks Marks
	over  int // looks in a row over a mark
	share int
}

// NewControl makes a control that refuses nothing yet.
func NewControl(m Marks) *Control { return &Control{marks: m} }

// Look takes what a look found and gives the share to refuse until the next, 0 to Whole.
func (c *Control) Look(wait time.Duration, lost bool) int {
	if !lost && wait < c.marks.High {
		c.over = 0
		if wait <= c.marks.Low {
			c.share = max(c.share-fall, 0)
		}
		return c.share
	}
	if c.over++; c.over < patience {
		return c.share
	}
	if lost || wait >= c.marks.Full {
		c.share = Whole
	} else {
		c.share += (Whole - c.share + riseOf - 1) / riseOf
	}
	return c.share
}
