package wheel

import (
	"math/rand/v2"
	"testing"
	"time"
)

const tick = 250 * time.Microsecond

// log notes what expired, and when.
type log struct {
	at map[int32]time.Duration
	do func(id int32, at time.Duration)
}

func (l *log) Expire(id int32, at time.Duration) {
	if l.at == nil {
		l.at = map[int32]time.Duration{}
	}
	l.at[id] = at
	if l.do != nil {
		l.do(id, at)
	}
}

func up(d time.Duration) time.Duration { return (d + tick - 1) / tick * tick }

// Every timer expires on the first tick that is not before its instant, whatever
// the distance and however the time is cut into calls of Advance.
func TestEveryTimerExpiresOnItsTick(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 10 {
		const n = 150
		w, l := New(n, tick), &log{}
		want := map[int32]time.Duration{}
		reach := []time.Duration{tick, 100 * tick, 256 * tick, 70_000 * tick, 17_000_000 * tick}[round%5]
		for id := range int32(n) {
			want[id] = max(tick, time.Duration(r.Int64N(int64(reach)+1)))
			w.Set(id, want[id])
		}
		for id := range int32(n / 5) { // replaced, and taken back
			want[id] = max(tick, time.Duration(r.Int64N(int64(reach)+1)))
			w.Set(id, want[id])
			w.Clear(id + n/2)
			delete(want, id+n/2)
		}
		if w.Armed() != len(want) {
			t.Fatalf("%d timers armed, want %d", w.Armed(), len(want))
		}
		for at := time.Duration(0); w.Armed() > 0; {
			next, ok := w.Next()
			if !ok || next <= at {
				t.Fatalf("Next is %v, %t at %v with %d timers armed", next, ok, at, w.Armed())
			}
			for id, when := range want {
				if _, gone := l.at[id]; !gone && up(when) < next {
					t.Fatalf("Next is %v, but timer %d is due at %v", next, id, when)
				}
			}
			at = next + time.Duration(r.Int64N(int64(3*tick)))
			w.Advance(at, l)
		}
		if _, ok := w.Next(); ok {
			t.Error("Next of an empty wheel is ok")
		}
		for id, when := range want {
			if l.at[id] != up(when) {
				t.Errorf("timer %d set for %v expired at %v, want %v", id, when, l.at[id], up(when))
			}
		}
		if len(l.at) != len(want) {
			t.Errorf("%d timers expired, want %d", len(l.at), len(want))
		}
	}
}

func TestTimersSetWhileOthersExpire(t *testing.T) {
	w := New(3, tick)
	l := &log{}
	l.do = func(id int32, at time.Duration) {
		switch id {
		case 0: // the past means the next tick; a neighbour in the same bucket goes away
			w.Set(0, 0)
			w.Clear(1)
			l.do = nil
		}
	}
	w.Set(1, 5*tick)
	w.Set(0, 5*tick) // expires first: the last one set leads its bucket
	w.Set(2, 1000*tick)
	w.Advance(5*tick, l)
	w.Advance(6*tick, l)
	if _, expired := l.at[1]; expired || l.at[0] != 6*tick || w.Armed() != 1 {
		t.Errorf("expired %v, %d armed", l.at, w.Armed())
	}
	w.Advance(999*tick, l)
	if w.Armed() != 1 {
		t.Error("a timer expired early")
	}
	w.Advance(time.Hour, l)
	if l.at[2] != 1000*tick {
		t.Errorf("timer 2 expired at %v", l.at[2])
	}
}

func TestATimerBeyondReachExpiresAtTheEnd(t *testing.T) {
	w, l := New(1, tick), &log{}
	w.Set(0, 1<<62)
	w.Advance((1<<32)*tick, l)
	if l.at[0] != (1<<32-1)*tick {
		t.Errorf("expired at %v", l.at)
	}
}

func TestTimersAllocateNothing(t *testing.T) {
	w, l := New(1000, tick), &nothing{}
	now := time.Duration(0)
	if n := testing.AllocsPerRun(100, func() {
		for id := range int32(1000) {
			w.Set(id, now+time.Duration(id)*100*time.Microsecond)
		}
		now += 50 * time.Millisecond
		w.Advance(now, l)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

type nothing struct{ n int }

func (x *nothing) Expire(int32, time.Duration) { x.n++ }
