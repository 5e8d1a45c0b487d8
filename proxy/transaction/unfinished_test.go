package transaction

import "testing"

// A transaction is unfinished as long as a message is still to come for it.
func TestUnfinished(t *testing.T) {
	tm := &Timers{T1: 500, T2: 4000, Reply: 5000, Invite: 30000, Wait: 5000}
	short := *tm
	short.Wait = 600
	start := func(s *Slot) { s.Start(0, Endpoint{}, tm.Reply, tm) }
	final := func(code int) func(*Slot) {
		return func(s *Slot) {
			start(s)
			s.OnReply(100, 0, code, tm)
			s.Complete(100, code, tm)
		}
	}
	for _, tt := range []struct {
		name   string
		invite bool
		do     func(*Slot)
		at     int64
		tm     *Timers
		want   bool
	}{
		{"INVITE sent", true, start, 10, tm, true},
		{"INVITE that rings", true, func(s *Slot) { start(s); s.OnReply(100, 0, 180, tm) }, 200, tm, true},
		{"refused, no ACK", true, final(486), 31000, tm, true},
		{"refused, ACK came", true, func(s *Slot) { final(486)(s); s.OnAck(200, tm) }, 201, tm, false},
		{"answered just now", true, final(200), 101, tm, true},
		{"answered, one 2xx or ACK lost", true, final(200), 2099, tm, true},
		{"answered a while ago", true, final(200), 2100, tm, false},
		{"answered, short wait", true, func(s *Slot) { start(s); s.OnReply(100, 0, 200, &short); s.Complete(100, 200, &short) }, 700, &short, false},
		{"answered, CANCEL of another destination not answered", true, func(s *Slot) {
			start(s)
			s.Abandon()
			s.CancelSent(50, 0, tm)
			start(s)
			s.OnReply(100, 1, 200, tm)
			s.Complete(100, 200, tm)
		}, 4000, tm, true},
		{"BYE sent", false, start, 10, tm, true},
		{"BYE answered", false, final(200), 101, tm, false},
		{"no transaction", false, func(s *Slot) { final(200)(s); s.State = Free }, 101, tm, false},
	} {
		s := &Slot{}
		s.begin(0, tt.invite, tt.tm)
		tt.do(s)
		if got := s.unfinished(tt.at, tt.tm); got != tt.want {
			t.Errorf("%s: unfinished %v, want %v", tt.name, got, tt.want)
		}
	}
}

// A call that forked is unfinished until the branches that were not answered have ended.
func TestUnfinishedFork(t *testing.T) {
	tab := forkTable(t, 4, 0)
	tx := tab.Lock(7)
	defer tx.Unlock()
	if !tx.Create(0, true) || !tx.SetForked() {
		t.Fatal("no forked transaction")
	}
	tx.StartBranch(0, Endpoint{}, tab.timers.Reply)
	tx.StartBranch(0, Endpoint{}, tab.timers.Reply)
	tx.BranchReply(50, 1, 180)
	tx.BranchReply(100, 0, 200)
	tx.Complete(100, 200, &tab.timers)
	tx.BranchCancelled(100, 1)
	const late = 10_000 // nobody awaits the ACK of the 2xx any more
	if !tx.Unfinished(late) {
		t.Error("finished with a CANCEL under way")
	}
	tx.BranchReply(late, 1, 487)
	if tx.Unfinished(late + 2*tab.timers.Wait) {
		t.Error("unfinished after the last branch")
	}
}
