package route

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"trunkline/appliance/runtime"
)

func table(t testing.TB, rows map[string]int) *Table {
	t.Helper()
	b := NewBuilder(len(rows))
	for p, v := range rows {
		if err := b.Add([]byte(p), v); err != nil {
			t.Fatalf("%q: %v", p, err)
		}
	}
	return b.Table()
}

func TestLookup(t *testing.T) {
	long := strings.Repeat("7", MaxPrefix)
	tab := table(t, map[string]int{"+49": 1, "+4930": 2, "+493012345": 3, "0": 4, "alice": 5, long: 6, "%2B1": 7})
	tests := []struct {
		user   string
		value  int
		length int
		ok     bool
	}{
		{"+49", 1, 3, true}, {"+4", 0, 0, false}, {"", 0, 0, false}, {"+4989", 1, 3, true}, {"+49301234", 2, 5, true},
		{"+493012345", 3, 10, true}, {"+493012345678;npdi", 3, 10, true}, {"00", 4, 1, true}, {"alice.b", 5, 5, true},
		{"Alice", 0, 0, false}, {long, 6, MaxPrefix, true}, {long + "7", 6, MaxPrefix, true}, {"777", 0, 0, false}, {"%2B1212", 7, 4, true},
	}
	for _, tt := range tests {
		v, l, ok := tab.Lookup([]byte(tt.user))
		if v != tt.value || l != tt.length || ok != tt.ok {
			t.Errorf("%q: got %d, %d, %t, want %d, %d, %t", tt.user, v, l, ok, tt.value, tt.length, tt.ok)
		}
	}
	var none *Table
	if _, _, ok := none.Lookup([]byte("+49")); ok {
		t.Error("no table matches")
	}
}

func TestBuilderRefuses(t *testing.T) {
	b := NewBuilder(0)
	for _, tt := range []struct {
		prefix string
		value  int
		want   error
	}{
		{"+1", 1, nil}, {"+1", 1, nil}, {"+1", 2, ErrDuplicate}, {"", 1, ErrEmpty}, {strings.Repeat("1", 256), 1, ErrLong},
	} {
		if err := b.Add([]byte(tt.prefix), tt.value); err != tt.want {
			t.Errorf("%q %d: %v, want %v", tt.prefix, tt.value, err, tt.want)
		}
	}
	if b.Add([]byte("9"), 1<<16) == nil || b.Add([]byte("9"), -1) == nil {
		t.Error("a value outside 16 bits was taken")
	}
	if n := b.Table().Len(); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

// A table of random prefixes answers as a plain search does, also when it had to
// grow from nothing.
func TestLookupProperty(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	digits := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "0123"[r.IntN(4)]
		}
		return string(b)
	}
	rows, b := map[string]int{}, NewBuilder(0)
	for range 5000 {
		p := digits(1 + r.IntN(9))
		if _, ok := rows[p]; ok {
			continue
		}
		rows[p] = r.IntN(1 << 16)
		if err := b.Add([]byte(p), rows[p]); err != nil {
			t.Fatal(err)
		}
	}
	tab := b.Table()
	if tab.Len() != len(rows) {
		t.Fatalf("%d rows of %d", tab.Len(), len(rows))
	}
	for range 20000 {
		u := digits(r.IntN(14))
		want, length := 0, 0
		for l := len(u); l > 0; l-- {
			if v, ok := rows[u[:l]]; ok {
				want, length = v, l
				break
			}
		}
		if v, l, ok := tab.Lookup([]byte(u)); v != want || l != length || ok != (length > 0) {
			t.Fatalf("%s: got %d, %d, %t, want %d, %d", u, v, l, ok, want, length)
		}
	}
}

func config() *runtime.Appliance {
	return &runtime.Appliance{
		Listeners:   []runtime.Listener{{Name: "a"}, {Name: "b"}},
		Dispatchers: []runtime.Dispatcher{{Name: "core"}, {Name: "overflow"}, {Name: "far"}},
		Caches:      []runtime.Cache{{Name: "prefixes"}},
		Routes: []runtime.Route{
			{Name: "table", From: []string{"a"}, Cache: "prefixes"},
			{Name: "de", Prefix: "+49", To: []string{"core", "overflow"}},
			{Name: "rest", From: []string{"b"}, To: []string{"far"}},
		},
	}
}

func TestChoose(t *testing.T) {
	r, err := New(config())
	if err != nil {
		t.Fatal(err)
	}
	before := []struct {
		listener int
		user     string
		want     string
	}{
		{0, "+4930", "[0 1] true"}, {0, "+1", "[] false"}, {0, "", "[] false"},
		{1, "+4930", "[0 1] true"}, {1, "+1", "[2] true"}, {1, "", "[2] true"}, {2, "+49", "[] false"}, {-1, "+49", "[] false"},
	}
	for _, tt := range before {
		if got := choose(r, tt.listener, tt.user); got != tt.want {
			t.Errorf("without a table: %d %q: %s, want %s", tt.listener, tt.user, got, tt.want)
		}
	}
	if err := r.Swap("prefixes", table(t, map[string]int{"+4930": 2, "+1": 1})); err != nil {
		t.Fatal(err)
	}
	after := []struct {
		listener int
		user     string
		want     string
	}{
		{0, "+49301", "[2] true"}, {0, "+4989", "[0 1] true"}, {0, "+12", "[1] true"}, {1, "+49301", "[0 1] true"}, {0, "+7", "[] false"},
	}
	for _, tt := range after {
		if got := choose(r, tt.listener, tt.user); got != tt.want {
			t.Errorf("with a table: %d %q: %s, want %s", tt.listener, tt.user, got, tt.want)
		}
	}
	if err := r.Swap("prefixes", table(t, map[string]int{"+4": 9})); err == nil || !strings.Contains(err.Error(), `prefix "+4" leads to set 9`) {
		t.Errorf("a table of another configuration: %v", err)
	}
	if got := choose(r, 0, "+49301"); got != "[2] true" {
		t.Errorf("the refused table took effect: %s", got)
	}
	if r.Swap("nope", &Table{}) == nil {
		t.Error("an unknown cache was swapped")
	}
}

func choose(r *Router, listener int, user string) string {
	to, ok := r.Choose(listener, netip.Addr{}, []byte(user))
	return fmt.Sprint(to.Sets, ok)
}

func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct {
		route runtime.Route
		want  string
	}{
		{runtime.Route{Name: "x", From: []string{"c"}, To: []string{"core"}}, `from listener "c"`},
		{runtime.Route{Name: "x", To: []string{"cor"}}, `dispatcher "cor"`},
		{runtime.Route{Name: "x", Cache: "p"}, `cache "p"`},
		{runtime.Route{Name: "x", Cache: "prefixes", To: []string{"core"}}, "keep one"},
		{runtime.Route{Name: "x"}, "leads nowhere"},
	} {
		cfg := config()
		cfg.Routes = []runtime.Route{tt.route}
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.route, err, tt.want)
		}
	}
}

// On the path of a message nothing is allocated.
func TestChooseDoesNotAllocate(t *testing.T) {
	r, err := New(config())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Swap("prefixes", table(t, map[string]int{"+4930": 2, "+1": 1})); err != nil {
		t.Fatal(err)
	}
	for _, u := range []string{"+493012345678", "+12125551234", "unknown"} {
		user := []byte(u)
		if n := testing.AllocsPerRun(100, func() { r.Choose(0, netip.Addr{}, user); r.Choose(1, netip.Addr{}, user) }); n != 0 {
			t.Errorf("%s: %v allocations", u, n)
		}
	}
}

// A swap under readers: each sees one table or the other.
func TestSwapUnderReaders(t *testing.T) {
	r, err := New(config())
	if err != nil {
		t.Fatal(err)
	}
	one, two := table(t, map[string]int{"+1": 1}), table(t, map[string]int{"+1": 2})
	if err := r.Swap("prefixes", one); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5000 {
				if got := choose(r, 0, "+1"); got != "[1] true" && got != "[2] true" {
					t.Error(got)
					return
				}
			}
		})
	}
	for i := range 500 {
		if err := r.Swap("prefixes", []*Table{one, two}[i%2]); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}

func FuzzTable(f *testing.F) {
	f.Add("+49", "+4930", "+493012")
	f.Add("a", "\x00", "a\x00b")
	f.Fuzz(func(t *testing.T, p, q, user string) {
		b := NewBuilder(0)
		want := 0
		for i, s := range []string{p, q} {
			if b.Add([]byte(s), i) == nil && strings.HasPrefix(user, s) {
				want = max(want, len(s))
			}
		}
		if _, l, ok := b.Table().Lookup([]byte(user)); l != want || ok != (want > 0) {
			t.Errorf("%q, %q in %q: length %d, want %d", p, q, user, l, want)
		}
	})
}

func million(tb testing.TB) (*Table, [][]byte) {
	r := rand.New(rand.NewPCG(5, 6))
	b := NewBuilder(0)
	var users [][]byte
	for i := range 1_000_000 {
		p := fmt.Appendf(nil, "+%d", 10_000+r.IntN(2_000_000_000))
		if err := b.Add(p, 0); err != nil {
			tb.Fatal(err)
		}
		if i < 4096 {
			users = append(users, append(p, "123"...))
		}
	}
	return b.Table(), users
}

func BenchmarkBuildMillion(b *testing.B) {
	for b.Loop() {
		t, _ := million(b)
		b.ReportMetric(float64(t.Bytes())/float64(t.Len()), "B/row")
	}
}

func BenchmarkLookupMillion(b *testing.B) {
	t, users := million(b)
	i := 0
	for b.Loop() {
		t.Lookup(users[i&4095])
		i++
	}
}
