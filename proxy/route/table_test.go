package route

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestPack(t *testing.T) {
	for _, tt := range []struct {
		text string
		n    int
	}{
		{"", 0}, {"0", 1}, {"+491234567890123", 16}, {"+4912345678901234", 16}, {"*21#", 4}, {"49a", 2}, {"alice", 0}, {"4-9", 1},
	} {
		word, n := pack([]byte(tt.text))
		if got := string(unpack(nil, word)); n != tt.n || got != tt.text[:n] {
			t.Errorf("%q: %d characters, %q", tt.text, n, got)
		}
		for i := 1; i <= n; i++ {
			if got := string(unpack(nil, cut(word, i))); got != tt.text[:i] {
				t.Errorf("%q cut to %d: %q", tt.text, i, got)
			}
		}
	}
}

// Numbers and other prefixes come out as they went in, in order, from a table that grew and
// from one that had room.
func TestEach(t *testing.T) {
	var want []string
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 3000 {
		want = append(want, fmt.Sprintf("+%d", r.IntN(1_000_000)), fmt.Sprintf("user%d", i), fmt.Sprintf("0%d%016d", i, i))
	}
	want = append(want, "#31#", "*", "~")
	slices.Sort(want)
	want = slices.Compact(want)
	for _, rows := range []int{0, len(want), 100 * len(want)} {
		b := NewBuilder(rows)
		for i, p := range want {
			if err := b.Add([]byte(p), i); err != nil {
				t.Fatal(err)
			}
		}
		tab := b.Table()
		var got []string
		tab.Each(func(p []byte, v int) bool {
			got = append(got, string(p))
			if want[v] != string(p) {
				t.Errorf("%q has the value of %q", p, want[v])
			}
			if x, ok := tab.get(p); !ok || x != v {
				t.Errorf("%q: %d, %t", p, x, ok)
			}
			return true
		})
		if !slices.Equal(got, want) {
			t.Errorf("with room for %d: %d rows, want %d", rows, len(got), len(want))
		}
	}
	n := 0
	table(t, map[string]int{"1": 1, "2": 2, "a": 3}).Each(func([]byte, int) bool { n++; return n < 2 })
	if n != 2 {
		t.Errorf("it went on after %d rows", n)
	}
}

func TestEqual(t *testing.T) {
	base := map[string]int{"+49": 1, "+4930": 2, "alice": 3, "01234567890123456789": 4}
	one := table(t, base)
	with := func(p string, v int) *Table {
		rows := map[string]int{p: v}
		for p, v := range base {
			if _, ok := rows[p]; !ok {
				rows[p] = v
			}
		}
		return table(t, rows)
	}
	for name, tt := range map[string]struct {
		other *Table
		want  bool
	}{
		"the same": {table(t, base), true}, "a row more": {with("+1", 1), false}, "another value": {with("+49", 2), false},
		"another value of a name": {with("alice", 2), false}, "none": {nil, false}, "empty": {&Table{}, false},
		"another row":  {table(t, map[string]int{"+49": 1, "+4931": 2, "alice": 3, "01234567890123456789": 4}), false},
		"another kind": {table(t, map[string]int{"+49": 1, "+4930": 2, "alice": 3, "0123": 4}), false},
	} {
		if got := one.Equal(tt.other); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
		if got := tt.other.Equal(one); got != tt.want {
			t.Errorf("%s, the other way: %t", name, got)
		}
	}
	var none *Table
	if !none.Equal(&Table{}) {
		t.Error("no table and an empty one have the same rows")
	}
}

// A table that is as large as was said, or half as large, takes what the plan counts for it;
// one that is smaller gives the rest back.
func TestBytes(t *testing.T) {
	const planned = 30_000
	for _, tt := range []struct {
		rows int
		want float64
	}{{planned, planned}, {planned/2 + 100, planned}, {planned / 10, planned / 10}, {planned + 10, planned + 10}} {
		b := NewBuilder(planned)
		for i := range tt.rows {
			if err := b.Add(fmt.Appendf(nil, "+%d", 10_000+i*7919), 0); err != nil {
				t.Fatal(err)
			}
		}
		got, want := float64(b.Table().Bytes()), tt.want*RowBytes
		t.Logf("%d rows: %.0f B", tt.rows, got)
		if got < 0.99*want || got > 1.05*want { // memory is given in steps
			t.Errorf("%d rows take %.0f B, want %.0f", tt.rows, got, want)
		}
	}
}
