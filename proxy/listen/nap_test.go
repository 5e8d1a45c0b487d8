package listen

import "testing"

// Each number is how many packets came since the socket was empty last.
func TestWhenAWorkerNaps(t *testing.T) {
	for _, c := range []struct {
		name  string
		fresh []int
		want  string // n: it naps, p: it parks
	}{
		{"single packets wake a worker each", []int{1, 1, 1, 1}, "pppp"},
		{"two at once are worth a nap, and a vain one ends it", []int{2, 0, 1, 1}, "nppp"},
		{"one after each nap is enough", []int{3, 1, 1, 1, 0, 1}, "nnnnpp"},
		{"a visit to the poller after some, and on without a second packet", []int{2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1}, "nnnnnnnnpnpp"},
		{"nothing at all, as after a packet for nobody", []int{0, 0}, "pp"},
	} {
		var n naps
		got := ""
		for _, f := range c.fresh {
			n.fresh += f
			if n.worth() {
				got += "n"
			} else {
				got += "p"
			}
		}
		if got != c.want {
			t.Errorf("%s: %v gave %s, want %s", c.name, c.fresh, got, c.want)
		}
	}
}
