package limit

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"trunkline/appliance/runtime"
	"trunkline/proxy/shm"
)

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, s := range texts {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func platform() *runtime.Appliance {
	return &runtime.Appliance{
		State:     runtime.State{Calls: 1000},
		Listeners: []runtime.Listener{{Name: "a"}, {Name: "b"}, {Name: "c"}},
		Limits: runtime.Limits{
			ConcurrentCalls: 100, Refusal: &runtime.Refusal{Code: 480},
			Listeners: []runtime.ScopedLimits{{Name: "b", ConcurrentCalls: 20, Refusal: &runtime.Refusal{Code: 486, Reason: "Full"}}},
			Carriers: []runtime.ScopedLimits{
				{Name: "one", Prefixes: prefixes("192.0.2.0/25", "2001:db8::/32"), ConcurrentCalls: 10},
				{Name: "two", Prefixes: prefixes("192.0.2.128/25"), CPS: 5, Burst: 5},
			},
			Sources: []runtime.ScopedLimits{
				{Name: "wide", Prefixes: prefixes("192.0.2.0/24"), ConcurrentCalls: 12},
				{Name: "each", Prefixes: prefixes("192.0.2.64/26"), ConcurrentCalls: 2, PerAddress: true},
				{Name: "some", Prefixes: prefixes("192.0.2.96/28"), CPS: 1, Burst: 3, PerAddress: true},
			},
		},
	}
}

func newSet(t *testing.T, cfg *runtime.Appliance, a *shm.Arena) *Set {
	t.Helper()
	s, err := NewSet(cfg, a)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// How many calls from one address, or from several in turn, each limit lets in.
func TestSet(t *testing.T) {
	for _, tc := range []struct {
		name     string
		listener int
		from     []string
		want     int
		why      Why
		refusal  Refusal
	}{
		{"nobody's", 0, []string{"198.51.100.1"}, 100, Crowded, Refusal{480, ""}},
		{"listener", 1, []string{"198.51.100.1"}, 20, Crowded, Refusal{486, "Full"}},
		{"carrier", 0, []string{"192.0.2.1"}, 10, Crowded, Refusal{480, ""}},
		{"carrier over IPv6", 2, []string{"2001:db8::1", "2001:db8:5::1"}, 10, Crowded, Refusal{480, ""}},
		{"carrier by rate", 0, []string{"192.0.2.200"}, 5, TooFast, Refusal{480, ""}},
		{"both carriers", 0, []string{"192.0.2.1", "192.0.2.200"}, 11, TooFast, Refusal{480, ""}},
		{"each address", 0, []string{"192.0.2.65"}, 2, Crowded, Refusal{480, ""}},
		{"two addresses", 0, []string{"192.0.2.65", "192.0.2.66"}, 4, Crowded, Refusal{480, ""}},
		{"many addresses", 0, []string{"192.0.2.65", "192.0.2.66", "192.0.2.67", "192.0.2.68", "192.0.2.69", "192.0.2.70"}, 10, Crowded, Refusal{480, ""}},
		{"the least of two", 0, []string{"192.0.2.97"}, 2, Crowded, Refusal{480, ""}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSet(t, platform(), nil)
			var held []Held
			for i := 0; ; i++ {
				h, r, why := s.Admit(0, tc.listener, netip.MustParseAddr(tc.from[i%len(tc.from)]))
				if why != Admitted {
					if why != tc.why || *r != tc.refusal {
						t.Errorf("refused with %v for %d, want %v for %d", *r, why, tc.refusal, tc.why)
					}
					break
				}
				held = append(held, h)
			}
			if len(held) != tc.want {
				t.Errorf("%d calls were let in, want %d", len(held), tc.want)
			}
			if s.Live() != int64(len(held)) {
				t.Errorf("%d places taken by %d calls", s.Live(), len(held))
			}
			for _, h := range held {
				s.Release(h)
			}
			empty(t, s)
		})
	}
}

func empty(t *testing.T, s *Set) {
	t.Helper()
	for _, c := range s.Stats() {
		if c.Live != 0 {
			t.Errorf("%s %s: %d places are taken", c.Scope, c.Name, c.Live)
		}
	}
	if s.each == nil {
		return
	}
	for i := range s.each.rows {
		if n := s.each.rows[i].live; n != 0 {
			t.Errorf("row %d: %d places are taken", i, n)
		}
	}
}

// An address alone waits for its own rate; the rate of its group does not.
func TestRateOfAnAddress(t *testing.T) {
	s := newSet(t, platform(), nil)
	from := netip.MustParseAddr("192.0.2.97")
	let := 0
	for now := int64(0); now < int64(10*time.Second); now += int64(100 * time.Millisecond) {
		if h, _, why := s.Admit(now, 0, from); why == Admitted {
			let++
			s.Release(h)
		}
	}
	if let != 3+9 { // a burst of three, then one a second
		t.Errorf("%d calls in ten seconds, want 12", let)
	}
	if h, _, why := s.Admit(0, 0, netip.MustParseAddr("192.0.2.98")); why != Admitted {
		t.Error("another address waits for it")
	} else {
		s.Release(h)
	}
	for _, c := range s.Stats() {
		if c.Name == "some" && c.RefusedRate != 100-12 {
			t.Errorf("the group counts %d refusals, want 88", c.RefusedRate)
		}
	}
}

// Rows of addresses that are idle are used again, and nobody is refused for want of one.
func TestAddressesAreForgotten(t *testing.T) {
	cfg := platform()
	cfg.State.Calls = 50
	cfg.Limits = runtime.Limits{Sources: []runtime.ScopedLimits{{Name: "all", Prefixes: prefixes("10.0.0.0/8"), ConcurrentCalls: 1, CPS: 100, Burst: 1, PerAddress: true}}}
	s := newSet(t, cfg, nil)
	rng := rand.New(rand.NewPCG(3, 4))
	var held []Held
	for now := int64(0); now < 20000; now++ {
		if len(held) == 50 {
			n := rng.IntN(50)
			s.Release(held[n])
			held[n] = held[49]
			held = held[:49]
		}
		a := rng.Uint32()
		h, _, why := s.Admit(now*int64(time.Millisecond), 0, netip.AddrFrom4([4]byte{10, byte(a), byte(a >> 8), byte(a >> 16)}))
		if why == NoRoom {
			t.Fatalf("no row for an address with %d calls", len(held))
		}
		if why == Admitted {
			held = append(held, h)
		}
	}
	for _, h := range held {
		s.Release(h)
	}
	empty(t, s)
}

func TestEmergencyPasses(t *testing.T) {
	s := newSet(t, platform(), nil)
	var held []Held
	for i := range 15 {
		h, room := s.AdmitAny(0, 0, netip.MustParseAddr("192.0.2.65"))
		if want := i < 2; room != want {
			t.Errorf("call %d: room %v, want %v", i, room, want)
		}
		held = append(held, h)
	}
	if _, _, why := s.Admit(0, 0, netip.MustParseAddr("192.0.2.1")); why != Crowded {
		t.Error("what they take, others get too")
	}
	for _, h := range held {
		s.Release(h)
	}
	empty(t, s)
}

// Places of calls that outlive their process are taken again, and the rates go on.
func TestSetOutlives(t *testing.T) {
	a, err := shm.Create(shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	s := newSet(t, platform(), a)
	if err := a.Serve(); err != nil {
		t.Fatal(err)
	}
	from := netip.MustParseAddr("192.0.2.65")
	var held []Held
	for range 2 {
		h, _, _ := s.Admit(0, 1, from)
		held = append(held, h)
	}
	for range 5 {
		h, _, _ := s.Admit(0, 1, netip.MustParseAddr("192.0.2.200"))
		held = append(held, h)
	}
	before := fmt.Sprint(s.Stats())
	fd, err := unix.Dup(int(a.File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	b, err := shm.Adopt(os.NewFile(uintptr(fd), "arena"), shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	next := newSet(t, platform(), b)
	next.Recover()
	for _, h := range held {
		next.Return(h)
	}
	if after := fmt.Sprint(next.Stats()); after != before {
		t.Errorf("before %s\nafter  %s", before, after)
	}
	if _, _, why := next.Admit(0, 0, from); why != Crowded {
		t.Error("an address has places beyond its limit")
	}
	if _, _, why := next.Admit(0, 0, netip.MustParseAddr("192.0.2.200")); why != TooFast {
		t.Error("a bucket was filled by the change of processes")
	}
	for _, h := range held {
		next.Release(h)
	}
	empty(t, next)
}

func TestSetAllocatesNothing(t *testing.T) {
	s := newSet(t, platform(), nil)
	from := netip.MustParseAddr("192.0.2.97")
	now := int64(0)
	if n := testing.AllocsPerRun(1000, func() {
		now += int64(2 * time.Second)
		h, _, why := s.Admit(now, 1, from)
		if why != Admitted {
			t.Fatal("refused")
		}
		s.Again(h)
		s.Release(h)
		s.Release(h)
	}); n != 0 {
		t.Errorf("%v allocations a call", n)
	}
}

func TestSetRefuses(t *testing.T) {
	for name, change := range map[string]func(*runtime.Appliance){
		"listener": func(a *runtime.Appliance) { a.Limits.Listeners[0].Name = "nobody" },
		"prefix":   func(a *runtime.Appliance) { a.Limits.Sources[0].Prefixes = []netip.Prefix{{}} },
	} {
		cfg := platform()
		change(cfg)
		if _, err := NewSet(cfg, nil); err == nil {
			t.Errorf("%s: taken", name)
		} else {
			t.Log(err)
		}
	}
}
