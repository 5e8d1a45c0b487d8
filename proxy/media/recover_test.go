package media

import (
	"log/slog"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"trunkline/appliance/runtime"
	"trunkline/proxy/shm"
)

// The process after a crash knows where the sessions are, deletes those whose calls are gone,
// and goes on with the deletes that were not answered.
func TestRecover(t *testing.T) {
	m := &runtime.Media{Timeout: runtime.Duration(time.Second), OnFail: "next"}
	for _, n := range []string{"m1", "m2"} {
		m.Instances = append(m.Instances, runtime.MediaInstance{Name: n, Weight: 1, Control: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9")}})
	}
	a, err := shm.Create(shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	cfg := Config{Media: m, Calls: 100, Arena: a, Log: slog.New(slog.DiscardHandler)}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Serve(); err != nil {
		t.Fatal(err)
	}
	for id := range uint64(30) {
		if !c.move(id+1, int(id+1), -1, int(id%2)) {
			t.Fatal("no session")
		}
	}
	c.Note(2, 2, func(s *Session) { s.Answered, s.Peer = true, 77 })
	for id := uint64(20); id < 25; id++ {
		c.End(id, int(id))
	}
	fd, err := unix.Dup(int(a.File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	b, err := shm.Adopt(os.NewFile(uintptr(fd), "arena"), shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	cfg.Arena = b
	next, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	live := func(row int) uint64 { // 1 to 9 live; 10 is another call by now
		if row == 10 {
			return 1<<20 | 10
		}
		if row < 10 {
			return uint64(row)
		}
		return 0
	}
	sessions, deleted := next.Recover(live, func(_ int, low uint32) uint64 { return uint64(low) })
	if sessions != 9 || deleted != 16 {
		t.Errorf("%d sessions, %d deleted; want 9, 16", sessions, deleted)
	}
	st := next.Stats()
	if st.Deletes != 21 || st.Instances[0].Sessions != 5 || st.Instances[1].Sessions != 4 {
		t.Errorf("%+v", st)
	}
	if next.identity != c.identity || next.process == c.process {
		t.Error("sessions have another name, or cookies are those of the process before")
	}
	if s := next.Session(2, 2); s.Instance != 1 || !s.Answered || s.Peer != 77 {
		t.Errorf("%+v", s)
	}
}

// What workers call allocates nothing.
func TestNoAllocation(t *testing.T) {
	m := &runtime.Media{Timeout: runtime.Duration(time.Second), OnFail: "next"}
	m.Instances = []runtime.MediaInstance{{Name: "m1", Weight: 1, Control: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9")}}}
	c, err := New(Config{Media: m, Calls: 10, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Open(); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sdp, id := make([]byte, 500), []byte("a@b")
	one := func() {
		j := c.Take(1, 1, id)
		j.Packet = append(j.Packet[:0], sdp...)
		if !c.Describe(j, Offer, Caller, sdp) {
			t.Fatal("refused")
		}
		l := j.lane
		l.mu.Lock()
		l.out = l.out[:0]
		l.bytes = 0
		l.mu.Unlock()
		l.give(j)
		c.End(1, 1)
		l.mu.Lock()
		l.deletes.end(l.deletes.alive[0])
		l.mu.Unlock()
	}
	one()
	if n := testing.AllocsPerRun(200, one); n != 0 {
		t.Errorf("%v allocations for a command", n)
	}
}
