package route

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
)

func TestUnescape(t *testing.T) {
	for user, want := range map[string]string{
		"": "", "+49": "+49", "%2B49": "+49", "%2b49": "+49", "a%20b%25": "a b%", "%": "%", "%2": "%2", "%zz1": "%zz1", "%%2B": "%+",
		"%2B" + strings.Repeat("1", 2*MaxPrefix): "+" + strings.Repeat("1", MaxPrefix-1),
	} {
		var dst [MaxPrefix]byte
		if got := unescape(dst[:], []byte(user)); string(got) != want {
			t.Errorf("%q: got %q, want %q", user, got, want)
		}
	}
}

// An escaped number takes the route of the number, through a prefix and through a
// table, and costs no allocation either.
func TestChooseUnescapes(t *testing.T) {
	r, err := New(config())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Swap("prefixes", table(t, map[string]int{"+1": 1})); err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]string{"%2B1212": "[1] true", "%2b4930": "[0 1] true", "%2B7": "[] false"} {
		if got := choose(r, 0, user); got != want {
			t.Errorf("%s: %s, want %s", user, got, want)
		}
		b := []byte(user)
		if n := testing.AllocsPerRun(100, func() { r.Choose(0, netip.Addr{}, b) }); n != 0 {
			t.Errorf("%s: %v allocations", user, n)
		}
	}
}

func FuzzUnescape(f *testing.F) {
	f.Add([]byte("%2B49"))
	f.Add([]byte("%%%"))
	f.Fuzz(func(t *testing.T, user []byte) {
		var dst [MaxPrefix]byte
		got := unescape(dst[:], user)
		if len(got) > len(user) {
			t.Errorf("%q grew to %q", user, got)
		}
		if !bytes.Contains(user, []byte("%")) && !bytes.Equal(got, user) {
			t.Errorf("%q became %q", user, got)
		}
	})
}
