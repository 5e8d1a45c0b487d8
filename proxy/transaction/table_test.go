package transaction

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"
)

func testTable(t testing.TB, slots int, bytes uint64, workers int) *Table {
	t.Helper()
	tab, err := New(Config{
		Slots: slots, Bytes: bytes, Workers: workers,
		T1: 500 * time.Millisecond, T2: 4 * time.Second, Reply: 5 * time.Second, Invite: 30 * time.Second, Wait: 5 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// The vectors of the SipHash paper's appendix and reference code.
func TestSipHash(t *testing.T) {
	var key [16]byte
	for i := range key {
		key[i] = byte(i)
	}
	h := NewHasher(key)
	in := make([]byte, 16)
	for i := range in {
		in[i] = byte(i)
	}
	for _, tt := range []struct {
		n    int
		want uint64
	}{{0, 0x726fdb47dd0e0e31}, {1, 0x74f839c593dc67fd}, {8, 0x93f5f5799a932462}, {15, 0xa129ca6149be45e5}} {
		if got := h.Sum(in[:tt.n]); got != tt.want {
			t.Errorf("%d bytes: %#x, want %#x", tt.n, got, tt.want)
		}
	}
}

func TestBranch(t *testing.T) {
	tab, other := testTable(t, 10, 0, 1), testTable(t, 10, 0, 1)
	id := makeID(3, 77, 12345, 201, 9)
	b := tab.AppendBranch(nil, id)
	if len(b) != BranchLen {
		t.Fatalf("branch %q has %d bytes, want %d", b, len(b), BranchLen)
	}
	got, kind := tab.ParseBranch(b)
	if kind != Stateful || got != id || got.Attempt() != 9 || got.Listener() != 201 {
		t.Fatalf("own branch parsed as %v %v", got, kind)
	}
	if _, kind := other.ParseBranch(b); kind != Foreign {
		t.Error("a branch of another process was taken for ours")
	}
	for i := range b {
		for _, c := range []byte("0f5s") {
			forged := bytes.Clone(b)
			if forged[i] == c {
				continue
			}
			forged[i] = c
			if _, kind := tab.ParseBranch(forged); kind != Foreign {
				t.Errorf("changing byte %d to %q left the branch valid", i, c)
			}
		}
	}
	s := tab.AppendStatelessBranch(nil, ^uint64(0), 17)
	if id, kind := tab.ParseBranch(s); kind != Stateless || id.Listener() != 17 {
		t.Errorf("stateless branch parsed as %v of listener %d", kind, id.Listener())
	}
	s[len(branchPrefix)] = statefulMark
	if _, kind := tab.ParseBranch(s); kind != Foreign {
		t.Error("a stateless branch passed for a stateful one")
	}
	for _, in := range []string{"", "z9hG4bK", "z9hG4bKtlprobe1234", string(b[:len(b)-1]), string(b) + "0"} {
		if _, kind := tab.ParseBranch([]byte(in)); kind != Foreign {
			t.Errorf("%q parsed as %v", in, kind)
		}
	}
}

func TestEndpoint(t *testing.T) {
	for _, s := range []string{"192.0.2.1:5060", "[2001:db8::1]:5080", "127.0.0.1:1"} {
		a := netip.MustParseAddrPort(s)
		if got := MakeEndpoint(a, 3); got.AddrPort() != a || got.Listener != 3 {
			t.Errorf("%s came back as %v", s, got.AddrPort())
		}
	}
}

func TestSlotsAndBytesAreBounded(t *testing.T) {
	tab := testTable(t, 3, 2000, 1)
	var ids []ID
	for k := range uint64(3) {
		tx := tab.Lock(k + 1)
		if !tx.Create(0, true) {
			t.Fatalf("slot %d of 3 refused", k)
		}
		ids = append(ids, tx.ID(0))
		tx.Unlock()
	}
	tx := tab.Lock(9)
	if tx.Create(0, true) {
		t.Error("a fourth slot of three")
	}
	tx.Unlock()

	tx, ok := tab.LockID(ids[0])
	if !ok {
		t.Fatal("a live slot was not found by its ID")
	}
	if !tx.SetRequest(make([]byte, 1000)) || tab.Stats().Bytes != 1024 {
		t.Errorf("1000 bytes count as %d, want 1024", tab.Stats().Bytes)
	}
	if !tx.SetResponse(make([]byte, 300)) || !tx.SetResponse(make([]byte, 700)) || !tx.SetResponse([]byte("short")) {
		t.Error("a response within the budget was refused")
	}
	if got := tab.Stats().Bytes; got != 1024+256 {
		t.Errorf("%d bytes in use, want %d", got, 1024+256)
	}
	if string(tx.Response()) != "short" {
		t.Errorf("response is %q", tx.Response())
	}
	if tx.SetResponse(make([]byte, 1000)) {
		t.Error("a response beyond the budget was stored")
	}
	if tx.Response() != nil {
		t.Error("a refused response left an old one behind")
	}
	tx.Free()
	tx.Unlock()
	if st := tab.Stats(); st.Bytes != 0 || st.Live != 2 || st.Peak != 3 || st.BytesRefused != 1 {
		t.Errorf("after Free: %+v", st)
	}
	if _, ok := tab.LockID(ids[0]); ok {
		t.Error("a freed slot was found by its ID")
	}
	tx = tab.Lock(77)
	if tx.Found() || !tx.Create(0, false) {
		t.Error("a freed slot could not be used again")
	}
	if tx.ID(0) == ids[0] {
		t.Error("the ID of a freed slot came back")
	}
	tx.Unlock()
}

func TestServerKey(t *testing.T) {
	tab := testTable(t, 10, 0, 1)
	var s []byte
	key := func(branch, host string, port uint16, method string) uint64 {
		return tab.ServerKey(&s, []byte(branch), []byte(host), port, method)
	}
	base := key("z9hG4bKa", "Host.Example", 5060, "INVITE")
	if base != key("z9hG4bKa", "host.example", 5060, "INVITE") {
		t.Error("host names compare without regard to case")
	}
	for _, other := range []uint64{
		key("z9hG4bKb", "host.example", 5060, "INVITE"),
		key("z9hG4bKa", "host.example", 5061, "INVITE"),
		key("z9hG4bKa", "host.exampl", 5060, "INVITE"),
		key("z9hG4bKa", "host.example", 5060, "BYE"),
		tab.LegacyKey(&s, "INVITE", 1, []byte("z9hG4bKa"), []byte("host.example")),
	} {
		if other == base {
			t.Error("two transactions share a key")
		}
	}
}

// Timers of thousands of slots fire once each, never early, and at most a tick late
// when the wheel is turned every tick.
func TestWheel(t *testing.T) {
	const n = 3000
	tab := testTable(t, n, 0, 2)
	rng := rand.New(rand.NewPCG(5, 6))
	due := map[int]int64{}
	for k := range uint64(n) {
		tx := tab.Lock(NewHasher([16]byte{}).Sum64(k, 0))
		if !tx.Create(0, false) {
			tx.Unlock() // a shard may fill before the table
			continue
		}
		tx.State = Completed
		tx.endsAt = 1 + rng.Int64N(20000)
		due[tx.Index()] = tx.endsAt
		tx.Unlock()
	}
	if len(due) < n*9/10 {
		t.Fatalf("only %d slots made", len(due))
	}
	live := tab.Live()
	for now := int64(0); now <= 20020; now += tickMs {
		tab.Advance(now, func(tx Tx, ev Event) { t.Errorf("event %v on a slot that only ends", ev) })
		want := 0
		for _, at := range due {
			if at > now {
				want++
			}
		}
		if now%1000 == 0 && tab.Live() != want {
			t.Fatalf("at %d ms %d slots live, want %d", now, tab.Live(), want)
		}
		if tab.Live() > live {
			t.Fatal("slots came back")
		}
		live = tab.Live()
	}
	if live != 0 {
		t.Errorf("%d slots never ended", live)
	}
}

func TestWheelSurvivesAClockJump(t *testing.T) {
	tab := testTable(t, 8, 0, 1)
	for k := range uint64(4) {
		tx := tab.Lock(k)
		tx.Create(0, false)
		tx.State, tx.endsAt = Completed, int64(1+k*3000)
		tx.Unlock()
	}
	tab.Advance(3_600_000, func(Tx, Event) {})
	if tab.Live() != 0 {
		t.Errorf("%d slots left after an hour", tab.Live())
	}
}

func TestConcurrentUse(t *testing.T) {
	tab := testTable(t, 4000, 64<<20, 4)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for now := int64(0); ; now += tickMs {
			select {
			case <-stop:
				return
			default:
				tab.Advance(now, func(tx Tx, ev Event) {
					if ev&(NoFinal|NoReply) != 0 {
						tx.Free()
					}
				})
			}
		}
	})
	var workers sync.WaitGroup
	for w := range 4 {
		workers.Go(func() {
			rng := rand.New(rand.NewPCG(9, uint64(w)))
			msg := make([]byte, 900)
			for range 5000 {
				key := tab.Hash().Sum64(uint64(rng.IntN(1000)), 0)
				tx := tab.Lock(key)
				if !tx.Found() {
					if tx.Create(0, true) {
						tx.SetRequest(msg[:rng.IntN(900)])
					}
				} else if rng.IntN(2) == 0 {
					tx.SetResponse(msg[:rng.IntN(900)])
				} else {
					tx.Free()
				}
				tx.Unlock()
			}
		})
	}
	workers.Wait()
	close(stop)
	wg.Wait()
	for i := range tab.shards {
		for j := range tab.shards[i].slots {
			if s := &tab.shards[i].slots[j]; s.State != Free {
				tx, ok := tab.LockID(makeID(uint32(i), uint32(j), s.gen, 0, 0))
				if !ok {
					t.Fatal("a live slot is not found by its ID")
				}
				tx.Free()
				tx.Unlock()
			}
		}
	}
	if st := tab.Stats(); st.Live != 0 || st.Bytes != 0 {
		t.Errorf("left over: %+v", st)
	}
}

func TestNoAllocation(t *testing.T) {
	tab := testTable(t, 100, 1<<20, 1)
	msg := make([]byte, 900)
	scratch := make([]byte, 0, 512)
	branch := []byte("z9hG4bKabcdef")
	out := make([]byte, 0, 64)
	run := func() {
		key := tab.ServerKey(&scratch, branch, branch, 5060, "INVITE")
		tx := tab.Lock(key)
		tx.Create(0, true)
		tx.SetRequest(msg)
		n, _ := tx.Start(0, Endpoint{}, 5000, tab.Timers())
		out = tab.AppendBranch(out[:0], tx.ID(n))
		tx.Unlock()
		id, _ := tab.ParseBranch(out)
		tx, _ = tab.LockID(id)
		tx.OnReply(1, id.Attempt(), 200, tab.Timers())
		tx.SetResponse(msg)
		tx.Complete(1, 200, tab.Timers())
		tx.Free()
		tx.Unlock()
	}
	run()
	if n := testing.AllocsPerRun(1000, run); n != 0 {
		t.Errorf("%v allocations per transaction", n)
	}
}

func BenchmarkTransaction(b *testing.B) {
	tab := testTable(b, 10000, 64<<20, 1)
	msg := make([]byte, 900)
	scratch := make([]byte, 0, 512)
	branch := []byte("z9hG4bK0000000000abcdef")
	out := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		key := tab.ServerKey(&scratch, branch, branch[:12], 5060, "INVITE")
		tx := tab.Lock(key)
		tx.Create(0, true)
		tx.SetRequest(msg)
		n, _ := tx.Start(0, Endpoint{}, 5000, tab.Timers())
		out = tab.AppendBranch(out[:0], tx.ID(n))
		tx.Unlock()
		id, _ := tab.ParseBranch(out)
		tx, _ = tab.LockID(id)
		tx.OnReply(1, id.Attempt(), 200, tab.Timers())
		tx.Complete(1, 200, tab.Timers())
		tx.Free()
		tx.Unlock()
	}
}
