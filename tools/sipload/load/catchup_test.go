package load

import "testing"

// After a pause of the whole process, as a machine that is busy makes one, answers that wait are
// read before timers say that there are none: nothing is sent again for want of them.
func TestNothingIsSentAgainAfterAPause(t *testing.T) {
	e, err := Open(straight("77"), 10, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if !e.caller.Start(e.clock(), e.clock(), false) {
		t.Fatal("no room for a call")
	}
	e.set.Flush()
	for e.callee.Counts.Invites == 0 { // answered, which the caller has not read yet
		if err := e.turn(e.clock() + ms); err != nil {
			t.Fatal(err)
		}
	}
	e.base = e.base.Add(-patient.T1 - patient.T1/2) // the pause
	if err := e.turn(e.clock()); err != nil {
		t.Fatal(err)
	}
	if c := e.caller.Counts; c.Answered != 1 || c.Retransmissions.Sum() != 0 {
		t.Errorf("answered %d, sent again %+v", c.Answered, c.Retransmissions)
	}
	if n := e.callee.Counts.Retransmissions; n != 0 {
		t.Errorf("%d responses sent again", n)
	}
}
