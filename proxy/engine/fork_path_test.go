package engine

import (
	"bytes"
	"strconv"
	"testing"

	"trunkline/appliance/runtime"
	"trunkline/proxy/message"
)

// forkPath is a path whose calls go to four destinations at once.
type forkPath struct {
	*path
	uas  []*agent
	sent [4][]byte // what each of them got
}

func newForkPath(t testing.TB) *forkPath {
	t.Helper()
	f := &forkPath{}
	for range len(f.sent) {
		f.uas = append(f.uas, newAgent(t, "127.0.21.1"))
	}
	f.path = newPath(t, func(a *runtime.Appliance) {
		d := &a.Dispatchers[0]
		d.Algorithm, d.Destinations = "parallel", nil
		for i, u := range f.uas {
			d.Destinations = append(d.Destinations, runtime.Destination{Name: "fs" + strconv.Itoa(i), URI: "sip:" + u.addr.String(), Address: u.addr, Listener: "in"})
		}
	})
	for i := range f.sent {
		f.sent[i] = make([]byte, 0, 8192)
	}
	return f
}

// from handles a reply to what a destination got.
func (f *forkPath) from(t testing.TB, i, code int) {
	if err := f.path.sent.Parse(f.sent[i]); err != nil {
		t.Fatal(err)
	}
	f.pkt = message.AppendReply(f.pkt[:0], &f.path.sent, message.ReplyParams{Status: code, ToTag: f.tag})
	f.w.handle(f.in, f.pkt, f.uas[i].addr)
}

// call drives one forked call: the last destination answers, one refuses, two are
// cancelled.
func (f *forkPath) call(t testing.TB) {
	f.n++
	f.w.handle(f.out, f.invite.fill(f.n), f.alice)
	// The worker wrote the INVITE of the last attempt last. Those before it differ in the
	// branch alone.
	last := f.w.out
	for i := range f.sent {
		f.sent[i] = f.rebranch(t, f.sent[i][:0], last, i)
	}
	for i := range f.sent {
		f.from(t, i, 180)
	}
	f.from(t, 0, 486)
	f.from(t, 3, 200)
	f.from(t, 1, 487)
	f.from(t, 2, 487)
	f.w.handle(f.out, f.ack.fill(f.n), f.alice)
	f.w.handle(f.out, f.bye.fill(f.n), f.alice)
	f.answer(t, 200)
	if f.n%64 == 0 {
		f.e.table.Advance(f.e.now(), f.w.fire)
	}
}

// rebranch is a forwarded INVITE with the branch of another attempt.
func (f *forkPath) rebranch(t testing.TB, dst, msg []byte, attempt int) []byte {
	if err := f.path.sent.Parse(msg); err != nil || !f.path.sent.IsRequest() {
		t.Fatalf("the worker forwarded no request (%v):\n%s", err, msg)
	}
	old := f.path.sent.Get(f.path.sent.Via.Branch)
	id, _ := f.e.table.ParseBranch(old)
	tx, ok := f.e.table.LockID(id)
	if !ok {
		t.Fatal("the transaction is gone")
	}
	at := bytes.Index(msg, old)
	dst = append(dst, msg[:at]...)
	dst = f.e.table.AppendBranch(dst, tx.ID(attempt))
	tx.Unlock()
	return append(dst, msg[at+len(old):]...)
}

func TestForkPath(t *testing.T) {
	f := newForkPath(t)
	for range 100 {
		f.call(t)
	}
	got := sum([]*worker{f.w})
	// An INVITE to four, and a BYE; five times 180 and 200, and the 200 of the BYE.
	for name, want := range map[string]uint64{"forwarded_requests": 500, "forwarded_replies": 600, "answered": 100, "send_errors": 0, "dropped_forged_branch": 0, "dropped_stale_reply": 0} {
		if got[name] != want {
			t.Errorf("%s is %d, want %d", name, got[name], want)
		}
	}
	if f.e.calls.Live() != 0 {
		t.Errorf("%d calls left", f.e.calls.Live())
	}
	for _, d := range f.e.dests {
		if d.Calls() != 0 {
			t.Errorf("%s has %d calls left", d.Name(), d.Calls())
		}
	}
}

// Nothing is allocated for a call that is forked either.
func TestForkPathAllocatesNothing(t *testing.T) {
	f := newForkPath(t)
	for range 300 {
		f.call(t)
	}
	if n := testing.AllocsPerRun(300, func() { f.call(t) }); n != 0 {
		t.Errorf("%v allocations per call", n)
	}
}

// A plain configuration has no memory for forks.
func TestForksCostNothingUnused(t *testing.T) {
	p := newPath(t)
	if p.e.forkSlots != nil || p.e.forked(&slotData{nsets: 1}) {
		t.Error("there is memory for forks, and no set forks")
	}
	tx := p.e.table.Lock(1)
	defer tx.Unlock()
	if !tx.Create(0, true) || tx.SetForked() {
		t.Error("a transaction forks in a table without room for it")
	}
	tx.Free()
}
