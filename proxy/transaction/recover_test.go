package transaction

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"trunkline/proxy/shm"
)

// lasting is a table whose arena outlives it.
func lasting(t *testing.T, a *shm.Arena, now int64) *Table {
	t.Helper()
	tab, err := New(Config{
		Slots: 2048, Bytes: 4 << 20, Workers: 2, Forks: true, Now: now, Arena: a,
		T1: 500 * time.Millisecond, T2: 4 * time.Second, Reply: 2 * time.Second, Invite: 3 * time.Minute, Wait: 5 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func newArena(t *testing.T) *shm.Arena {
	t.Helper()
	a, err := shm.Create(shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// succeed is the arena as the next process gets it.
func succeed(t *testing.T, a *shm.Arena) *shm.Arena {
	t.Helper()
	fd, err := unix.Dup(int(a.File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	b, err := shm.Adopt(os.NewFile(uintptr(fd), "arena"), shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// known is what a slot must hold.
type known struct {
	id                ID
	state             State
	request, response []byte
	best              []byte
	tried             int
	forked            bool
}

func (k *known) check(tab *Table) error {
	tx, ok := tab.LockID(k.id)
	if !ok {
		return fmt.Errorf("transaction %x is gone", k.id)
	}
	defer tx.Unlock()
	if tx.State != k.state || tx.Tried() != k.tried || tx.Forked != k.forked {
		return fmt.Errorf("transaction %x: %v after %d attempts, forked %v; want %v, %d, %v", k.id, tx.State, tx.Tried(), tx.Forked, k.state, k.tried, k.forked)
	}
	if !bytes.Equal(tx.Request(), k.request) || !bytes.Equal(tx.Response(), k.response) {
		return fmt.Errorf("transaction %x: other messages than before", k.id)
	}
	if k.forked && !bytes.Equal(tx.Best(), k.best) {
		return fmt.Errorf("transaction %x: another best refusal than before", k.id)
	}
	return nil
}

// A table whose process ended between two changes, or within one, is found whole: what was
// not being changed as it was, what was being changed as it was when it was whole last.
func TestRecover(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 7))
		a := newArena(t)
		tab := lasting(t, a, 0)
		if err := a.Serve(); err != nil {
			t.Fatal(err)
		}
		all, now := map[uint64]*known{}, int64(0)
		var keys []uint64
		steps := 200 + rng.IntN(3000)
		for step := range steps {
			last := step == steps-1
			now += int64(rng.IntN(5))
			if len(keys) == 0 || rng.IntN(3) == 0 {
				key := rng.Uint64()
				k := change(tab, key, nil, now, rng, last)
				if k != nil {
					all[key] = k
					keys = append(keys, key)
				}
				continue
			}
			n := rng.IntN(len(keys))
			key := keys[n]
			if k := change(tab, key, all[key], now, rng, last); k != nil {
				all[key] = k
			} else {
				delete(all, key)
				keys[n] = keys[len(keys)-1]
				keys = keys[:len(keys)-1]
			}
		}
		b := succeed(t, a)
		next := lasting(t, b, now)
		r := next.Recover(now)
		if r.Dropped != 0 || r.Live != len(all) || next.Live() != len(all) || r.Restored > 1 {
			t.Fatalf("seed %d: %+v, want %d live", seed, r, len(all))
		}
		used := int64(0)
		for _, k := range all {
			if err := k.check(next); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			for _, m := range [][]byte{k.request, k.response, k.best} {
				if m != nil {
					used += int64(classSizes[classFor(len(m))])
				}
			}
		}
		if next.Bytes() != used {
			t.Fatalf("seed %d: %d bytes in use, want %d", seed, next.Bytes(), used)
		}
		// All of it can be ended, and nothing is left.
		for key := range all {
			tx := next.Lock(key)
			if !tx.Found() {
				t.Fatalf("seed %d: a key is not in the index", seed)
			}
			tx.Free()
			tx.Unlock()
		}
		if next.Live() != 0 || next.Bytes() != 0 {
			t.Fatalf("seed %d: %d transactions and %d bytes are left", seed, next.Live(), next.Bytes())
		}
		fill(t, next)
	}
}

// fill sees to it that each slot and buffer of an empty table can be had.
func fill(t *testing.T, tab *Table) {
	t.Helper()
	n, full := 0, 0
	for key := uint64(0); full < 64; key += 1<<32 + 1 {
		tx := tab.Lock(key)
		if tx.Create(0, true) {
			n++
			if !tx.SetRequest(make([]byte, 1500)) {
				t.Errorf("no buffer for transaction %d", n)
			}
			full = 0
		} else {
			full++
		}
		tx.Unlock()
	}
	if n != tab.Capacity() {
		t.Errorf("%d transactions fit after it all, want %d", n, tab.Capacity())
	}
}

func text(rng *rand.Rand) []byte {
	b := make([]byte, 1+rng.IntN(1<<(4+rng.IntN(12))))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// change does something to the transaction of a key, or makes one, and returns what the next
// process must find; nil: nothing. With torn it stops somewhere within the change, as a process does that is killed.
func change(tab *Table, key uint64, k *known, now int64, rng *rand.Rand, torn bool) *known {
	tx := tab.Lock(key)
	whole := k // what the next process finds if this one ends here
	see := func() *known {
		if !tx.Found() || tx.State == Free {
			return nil
		}
		s := &known{id: tx.ID(0), state: tx.State, tried: tx.Tried(), forked: tx.Forked,
			request: bytes.Clone(tx.Request()), response: bytes.Clone(tx.Response())}
		if tx.Forked {
			s.best = bytes.Clone(tx.Best())
		}
		return s
	}
	end := func() *known {
		s := see()
		tx.Unlock()
		return s
	}
	if !tx.Found() {
		if !tx.Create(now, rng.IntN(2) == 0) {
			tx.Unlock()
			return nil
		}
		if rng.IntN(4) == 0 {
			tx.SetForked()
		}
	}
	ops := 1 + rng.IntN(6)
	for n := range ops {
		if torn && n == ops-1 && rng.IntN(3) > 0 {
			return whole // and the shard stays locked: its process is no more
		}
		switch rng.IntN(9) {
		case 0:
			if tx.Request() == nil {
				tx.SetRequest(text(rng))
			}
		case 1, 2:
			tx.SetResponse(text(rng))
		case 3:
			tx.DropResponse()
		case 4:
			to := MakeEndpoint(netip.MustParseAddrPort("192.0.2.1:5060"), 0)
			if tx.Forked {
				tx.StartBranch(now, to, 1000)
			} else {
				tx.Start(now, to, 1000, tab.Timers())
			}
		case 5:
			if tx.Forked {
				tx.SetBest(400+rng.IntN(99), text(rng))
			}
		case 6:
			if tx.Pending() && !tx.Forked {
				tx.Complete(now, 200+rng.IntN(300), tab.Timers())
			}
		case 7:
			tx.Commit()
			whole = see()
		case 8:
			if rng.IntN(4) == 0 {
				tx.Free()
				return end()
			}
		}
	}
	return end()
}

// What makes no sense is dropped, and everything else goes on.
func TestRecoverDamage(t *testing.T) {
	for name, damage := range map[string]func(tab *Table, s *Slot){
		"state":      func(_ *Table, s *Slot) { s.State = 99 },
		"attempts":   func(_ *Table, s *Slot) { s.attempts = 200 },
		"shard":      func(_ *Table, s *Slot) { s.key += 1 << 32 },
		"buffer":     func(_ *Table, s *Slot) { s.request = 1 << 30 },
		"place":      func(_ *Table, s *Slot) { s.request |= 0x7f },
		"length":     func(_ *Table, s *Slot) { s.requestLen = 1 << 20 },
		"class":      func(tab *Table, s *Slot) { i, _ := s.request.split(); tab.bytes.class[i] = 77 },
		"generation": func(_ *Table, s *Slot) { s.gen = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			a := newArena(t)
			tab := lasting(t, a, 0)
			var ids []ID
			for key := range uint64(64) {
				tx := tab.Lock(key * (1<<32 + 1))
				if !tx.Create(0, true) || !tx.SetRequest(make([]byte, 300+300*key)) {
					t.Fatal("no room")
				}
				ids = append(ids, tx.ID(0))
				tx.Unlock()
			}
			tx, _ := tab.LockID(ids[40])
			damage(tab, tx.Slot)
			tx.Unlock()
			if err := a.Serve(); err != nil {
				t.Fatal(err)
			}
			next := lasting(t, succeed(t, a), 0)
			r := next.Recover(0)
			if r.Dropped == 0 || r.Live+r.Dropped != len(ids) || r.Dropped > 3 {
				t.Errorf("%+v", r)
			}
			gone := 0
			for _, id := range ids {
				if tx, ok := next.LockID(id); ok {
					tx.Free()
					tx.Unlock()
				} else {
					gone++
				}
			}
			if gone != r.Dropped || next.Live() != 0 || next.Bytes() != 0 {
				t.Errorf("%d gone of %d dropped, %d live, %d bytes", gone, r.Dropped, next.Live(), next.Bytes())
			}
		})
	}
}

// Timers go on where they were, those that came due while nobody ran at once.
func TestRecoverTimers(t *testing.T) {
	a := newArena(t)
	tab := lasting(t, a, 0)
	tx := tab.Lock(1)
	tx.Create(0, true)
	tx.SetRequest([]byte("INVITE"))
	tx.Start(0, MakeEndpoint(netip.MustParseAddrPort("192.0.2.1:5060"), 0), 2000, tab.Timers())
	id := tx.ID(0)
	tx.Unlock()
	if err := a.Serve(); err != nil {
		t.Fatal(err)
	}
	next := lasting(t, succeed(t, a), 700)
	next.Recover(700)
	var fired []Event
	for now := int64(700); now <= 2100; now += 10 {
		next.Advance(now, func(tx Tx, ev Event) {
			if tx.ID(0) != id {
				t.Errorf("another transaction fired")
			}
			fired = append(fired, ev)
		})
	}
	want := []Event{ResendRequest, ResendRequest, NoReply}
	if fmt.Sprint(fired) != fmt.Sprint(want) {
		t.Errorf("fired %v, want %v", fired, want)
	}
}
