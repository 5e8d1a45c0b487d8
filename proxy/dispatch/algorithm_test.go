package dispatch

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/message"
)

// weighedSet is a set of n destinations with weights 1, 2, 3 and so on, two of each
// priority, room for 100 calls each, and a seed that is always the same.
func weighedSet(algorithm string, n int) runtime.Dispatcher {
	d := testSet("core", algorithm, n, nil)
	for i := range d.Destinations {
		d.Destinations[i].Weight = i + 1
		d.Destinations[i].Priority = i / 2
		d.Destinations[i].MaxCalls = 100
	}
	return d
}

func invite(from, to, user, callID string) string {
	return fmt.Sprintf("INVITE sip:%s@sbc.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nMax-Forwards: 70\r\n"+
		"From: <sip:%s@caller.example>;tag=1\r\nTo: <sip:%s@callee.example>\r\nCall-ID: %s\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n", user, from, to, callID)
}

// shares counts what n new requests get, in percent of n, by destination.
func shares(t *testing.T, s *Set, n int) []float64 {
	t.Helper()
	out := make([]float64, len(s.dests))
	for i := range n {
		out[pickFirst(t, s, callID(i)).place] += 100 / float64(n)
	}
	return out
}

// What each algorithm gives to four destinations of the weights 1, 2, 3, 4 and the
// priorities 0, 0, 1, 1, with all up and with some down.
func TestShares(t *testing.T) {
	tests := []struct {
		algorithm string
		down      []int
		want      []float64 // percent
		within    float64
	}{
		{"round-robin", nil, []float64{25, 25, 25, 25}, 0.01},
		{"round-robin", []int{1}, []float64{33.3, 0, 33.3, 33.3}, 0.1},
		{"weight", nil, []float64{10, 20, 30, 40}, 0.1},
		{"weight", []int{1}, []float64{10, 0, 50, 40}, 0.1}, // to the next
		{"weight", []int{3}, []float64{50, 20, 30, 0}, 0.1}, // which is around the corner
		{"weight", []int{0, 1}, []float64{0, 0, 60, 40}, 0.1},
		{"relative-weight", nil, []float64{10, 20, 30, 40}, 0.1},
		{"relative-weight", []int{1}, []float64{12.5, 0, 37.5, 50}, 0.1},
		{"relative-weight", []int{3}, []float64{16.7, 33.3, 50, 0}, 0.1},
		{"priority", nil, []float64{50, 50, 0, 0}, 0.01},
		{"priority", []int{0}, []float64{0, 100, 0, 0}, 0},
		{"priority", []int{0, 1}, []float64{0, 0, 50, 50}, 0.01},
		{"first", nil, []float64{100, 0, 0, 0}, 1e-6},
		{"first", []int{0, 1}, []float64{0, 0, 100, 0}, 1e-6},
		{"random", nil, []float64{25, 25, 25, 25}, 1.5},
		{"random", []int{2}, []float64{33.3, 33.3, 0, 33.3}, 1.5},
		{"call-load", nil, []float64{25, 25, 25, 25}, 0.01}, // none has a call
		{"latency", nil, []float64{25, 25, 25, 25}, 1},      // nothing is measured
		{"hash-user", nil, []float64{25, 25, 25, 25}, 1.5},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.algorithm, tt.down), func(t *testing.T) {
			cfg := weighedSet(tt.algorithm, 4)
			cfg.Probe = testProbe(2, 2)
			sets := newSets(t, cfg)
			s := sets.Set(0)
			s.seed = 42
			for _, i := range tt.down {
				down(sets, s.dests[i])
			}
			got := shares(t, s, 12000)
			for i := range got {
				if math.Abs(got[i]-tt.want[i]) > tt.within+1e-6 {
					t.Errorf("percent %.2f, want %v within %v", got, tt.want, tt.within)
					break
				}
			}
			for _, i := range tt.down {
				up(s.dests[i])
			}
			s.turn.Store(0)
			if again := shares(t, s, 12000); tt.algorithm != "latency" && len(tt.down) > 0 && again[tt.down[0]] == 0 && tt.algorithm != "priority" && tt.algorithm != "first" {
				t.Errorf("after its return %s gets nothing", s.dests[tt.down[0]].Name())
			}
		})
	}
}

// Any run of calls has its parts to within a few: no luck, no bursts.
func TestWeightsAreEvenOverTime(t *testing.T) {
	for _, algorithm := range []string{"weight", "relative-weight"} {
		s := newSets(t, weighedSet(algorithm, 4)).Set(0)
		given := make([]int, 4)
		for n := 1; n <= 5000; n++ {
			given[pickFirst(t, s, nil).place]++
			for i, got := range given {
				if want := float64(n) * float64(i+1) / 10; math.Abs(float64(got)-want) > 4 {
					t.Fatalf("%s: of %d calls %d went to %s, %.1f are its part", algorithm, n, got, s.dests[i].Name(), want)
				}
			}
		}
	}
}

// A call that moves on is spread as well, by the weights of those left.
func TestWeightsOfCallsThatMoveOn(t *testing.T) {
	s := newSets(t, weighedSet("relative-weight", 4)).Set(0)
	second := make([]float64, 4)
	n := 0.0
	for range 20000 {
		var tried Tried
		if d, _ := pick(s, nil, &tried); d.place != 3 {
			continue
		}
		d, _ := pick(s, nil, &tried)
		second[d.place]++
		n++
	}
	for i, want := range []float64{1.0 / 6, 2.0 / 6, 3.0 / 6, 0} {
		if got := second[i] / n; math.Abs(got-want) > 0.01 {
			t.Errorf("%s got %.3f of the calls of the failed one, want %.3f", s.dests[i].Name(), got, want)
		}
	}
}

func TestCallLoad(t *testing.T) {
	cfg := testSet("core", "call-load", 3, nil)
	for i, n := range []int{10, 20, 30} {
		cfg.Destinations[i].MaxCalls = n
	}
	s := newSets(t, cfg).Set(0)
	calls := func(want ...int64) {
		t.Helper()
		for i, d := range s.dests {
			if d.Calls() != want[i] {
				t.Errorf("%s has %d calls, want %d", d.Name(), d.Calls(), want[i])
			}
		}
	}
	add := func(n int) {
		for range n {
			var tried Tried
			if d, full := s.Pick(Ask{Call: true}, &tried); d == nil || full != nil {
				t.Fatalf("no place: %v, full %v", d, full)
			}
		}
	}
	add(30)
	calls(5, 10, 15)
	for range 12 { // all calls of the second one end
		if s.dests[1].Calls() > 0 {
			s.dests[1].Leave()
		}
	}
	calls(5, 0, 15)
	add(10)
	calls(5, 10, 15)
	add(30)
	calls(10, 20, 30)
	var tried Tried
	d, full := s.Pick(Ask{Call: true}, &tried)
	if d != nil || full == nil || tried.Count() != 0 {
		t.Errorf("with all full: %v, full %v, %d tried", d, full, tried.Count())
	}
	calls(10, 20, 30)
	s.dests[0].Leave()
	if d, _ = s.Pick(Ask{Call: true}, &tried); d != s.dests[0] {
		t.Errorf("one place came free at d1, the call went to %v", d)
	}
	if d, _ = s.Pick(Ask{}, new(Tried)); d == nil {
		t.Error("a request that is no call needs no place")
	}
}

func TestLatency(t *testing.T) {
	s := newSets(t, weighedSet("latency", 3)).Set(0)
	set := func(ms ...time.Duration) {
		for i, d := range s.dests {
			d.health.estimate.Store(int64(ms[i] * time.Millisecond))
		}
	}
	share := func() []int {
		out := make([]int, 3)
		for _, p := range shares(t, s, explore*300) {
			out = append(out, int(math.Round(p)))
		}
		return out[3:]
	}
	// One call in 32 explores: a third of these for each.
	for _, tt := range []struct {
		ms   []time.Duration
		want []int
	}{
		{[]time.Duration{40, 20, 60}, []int{1, 98, 1}},
		{[]time.Duration{22, 20, 60}, []int{49, 49, 1}}, // as good as each other
		{[]time.Duration{40, 0, 60}, []int{49, 49, 1}},  // the second is not measured
		{[]time.Duration{0, 0, 0}, []int{33, 33, 33}},
	} {
		set(tt.ms...)
		if got := share(); fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("with %v ms: percent %v, want %v", tt.ms, got, tt.want)
		}
	}
	set(40, 20, 60)
	for range 20 {
		s.dests[1].Measured(400 * time.Millisecond)
	}
	if got := s.dests[1].Estimate(); got < 350*time.Millisecond || got > 400*time.Millisecond {
		t.Errorf("estimate %v after 20 measurements of 400 ms", got)
	}
	if got := share(); fmt.Sprint(got) != "[98 1 1]" {
		t.Errorf("the slow one is left alone: percent %v", got)
	}
	var tried Tried
	if d, _ := pick(s, nil, &tried); d == nil {
		t.Fatal("none")
	}
	if d, _ := pick(s, nil, &tried); d == nil {
		t.Error("a call that moves on finds none")
	}
}

// A destination that is full, or gets calls at its full rate, is passed over.
func TestFullDestinations(t *testing.T) {
	for _, algorithm := range names {
		t.Run(algorithm, func(t *testing.T) {
			cfg := testSet("core", algorithm, 3, nil)
			for i := range cfg.Destinations {
				cfg.Destinations[i].MaxCalls = 4
			}
			cfg.Destinations[2].MaxCPS = 1
			s := newSets(t, cfg).Set(0)
			place := func(i int, now time.Duration) *Destination {
				var tried Tried
				d, full := s.Pick(Ask{Key: hash(callID(i)), Call: true, Now: int64(now)}, &tried)
				if full != nil && full == d {
					t.Fatal("a destination is full and chosen")
				}
				return d
			}
			for i := range 9 { // 4 and 4 calls, and one in the first second
				if place(i, 0) == nil {
					t.Fatalf("no place for call %d", i)
				}
			}
			if d := place(9, 0); d != nil {
				t.Errorf("%s took a call beyond its limit", d.Name())
			}
			for i, want := range []int64{4, 4, 1} {
				if got := s.dests[i].Calls(); got != want {
					t.Errorf("%s has %d calls, want %d", s.dests[i].Name(), got, want)
				}
			}
			if place(10, time.Second) != s.dests[2] {
				t.Error("a second later the last one takes a call again")
			}
			if full := s.dests[0].Stats().Full + s.dests[1].Stats().Full + s.dests[2].Stats().Full; full == 0 {
				t.Error("no destination counts that it was full")
			}
		})
	}
}

// With more destinations than a pick remembers, it ends all the same.
func TestManyFullDestinations(t *testing.T) {
	for _, algorithm := range []string{"hash-callid", "round-robin", "first"} {
		cfg := testSet("core", algorithm, 1100, nil)
		for i := range cfg.Destinations {
			cfg.Destinations[i].MaxCalls = 1
		}
		s := newSets(t, cfg).Set(0)
		for i := range 1100 {
			if d, _ := s.Pick(Ask{Key: hash(callID(i)), Call: true}, new(Tried)); d == nil && algorithm != "hash-callid" {
				t.Fatalf("%s: no place for call %d", algorithm, i)
			}
		}
		if d, full := s.Pick(Ask{Call: true}, new(Tried)); d != nil && algorithm != "hash-callid" || d == nil && full == nil {
			t.Errorf("%s: %v, full %v", algorithm, d, full)
		}
	}
}

// Each hash goes by its own part of the request, and by nothing else.
func TestKeys(t *testing.T) {
	base := [4]string{"alice", "bob", "+4930123", "c1"}
	moves := map[string]int{"hash-from": 0, "hash-to": 1, "hash-user": 2, "hash-ruri": 2, "hash-callid": 3}
	key := func(s *Set, p [4]string) uint64 {
		var v message.View
		if err := v.Parse([]byte(invite(p[0], p[1], p[2], p[3]))); err != nil {
			t.Fatal(err)
		}
		return s.Key(&v)
	}
	for _, algorithm := range names {
		s := newSets(t, weighedSet(algorithm, 2)).Set(0)
		for i := range base {
			other := base
			other[i] += "1"
			part, hashes := moves[algorithm]
			if moved := key(s, base) != key(s, other); moved != (hashes && part == i) {
				t.Errorf("%s: another %s moves the call: %v", algorithm, []string{"From", "To", "Request-URI", "Call-ID"}[i], moved)
			}
		}
	}
}

func TestEqualKeys(t *testing.T) {
	tests := []struct {
		algorithm, a, b string
		equal           bool
	}{
		{"hash-ruri", "sip:alice@example.com", "sip:alice@EXAMPLE.com:5060;transport=udp", true},
		{"hash-ruri", "sip:%61lice@example.com", "sip:alice@example.com", true},
		{"hash-ruri", "sip:alice@example.com", "sip:Alice@example.com", false}, // a user has case
		{"hash-ruri", "sip:alice@example.com", "sip:alice@example.com:5070", false},
		{"hash-ruri", "sip:example.com", "sip:example.org", false},
		{"hash-user", "sip:+4930123@example.com", "sip:+4930123@example.org:5070", true},
		{"hash-user", "sip:+49-30-(12)3@example.com", "sip:%2B4930123@example.com;user=phone", true},
		{"hash-user", "sip:+4930123;phone-context=x@example.com", "sip:+4930123@example.com", true},
		{"hash-user", "sip:a.b@example.com", "sip:ab@example.com", false}, // no number
		{"hash-user", "sip:+4930123@example.com", "sip:+4930124@example.com", false},
	}
	for _, tt := range tests {
		s := newSets(t, weighedSet(tt.algorithm, 2)).Set(0)
		var keys [2]uint64
		for i, uri := range []string{tt.a, tt.b} {
			var v message.View
			if err := v.Parse([]byte(strings.Replace(invite("a", "b", "x", "c"), "sip:x@sbc.example", uri, 1))); err != nil {
				t.Fatal(err)
			}
			keys[i] = s.Key(&v)
		}
		if (keys[0] == keys[1]) != tt.equal {
			t.Errorf("%s: %s and %s alike: %v", tt.algorithm, tt.a, tt.b, keys[0] == keys[1])
		}
	}
}

// A request that lacks what is hashed is spread by its Call-ID instead of meeting all
// others of its kind at one destination.
func TestKeyOfWhatIsMissing(t *testing.T) {
	s := newSets(t, weighedSet("hash-user", 2)).Set(0)
	var v message.View
	if err := v.Parse([]byte(strings.Replace(invite("a", "b", "x", "c77"), "sip:x@", "sip:", 1))); err != nil {
		t.Fatal(err)
	}
	if s.Key(&v) != hash([]byte("c77")) {
		t.Error("a request without a user does not go by its Call-ID")
	}
}

// Whatever is hashed, a key comes out, the same each time, and one destination of
// those that take calls is chosen.
func FuzzKey(f *testing.F) {
	for _, uri := range []string{"sip:+4930123@example.com", "sip:%2B49%@h:5070;lr", "tel:+49-30-1;phone-context=x", "sip:[2001:db8::1]", "sips:a:b@h", "urn:service:sos", ";", ""} {
		f.Add(uri, "c@h")
	}
	var all []*Set
	for _, algorithm := range names {
		all = append(all, newSets(f, weighedSet(algorithm, 3)).Set(0))
	}
	f.Fuzz(func(t *testing.T, uri, callID string) {
		var v message.View
		raw := strings.Replace(invite("a", "b", "x", callID), "sip:x@sbc.example", uri, 1)
		raw = strings.Replace(raw, "sip:a@caller.example", uri, 1)
		if v.Parse([]byte(raw)) != nil {
			return
		}
		for _, s := range all {
			key := s.Key(&v)
			if key != s.Key(&v) {
				t.Fatalf("%s: two keys of one request", names[s.algorithm])
			}
			d, _ := s.Pick(Ask{Key: key}, new(Tried))
			if d == nil {
				t.Fatalf("%s: none chosen", names[s.algorithm])
			}
			if again, _ := s.Pick(Ask{Key: key}, new(Tried)); s.algorithm.hashes() && again != d {
				t.Fatalf("%s: one request at two destinations", names[s.algorithm])
			}
		}
	})
}
