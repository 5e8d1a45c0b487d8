package media

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestLookup(t *testing.T) {
	tests := []struct{ in, key, want string }{
		{"d6:result2:oke", "result", "ok"},
		{"d3:sdp5:v=0\r\n6:result2:oke", "result", "ok"},
		{"d3:sdp5:v=0\r\n6:result2:oke", "sdp", "v=0\r\n"},
		{"d1:ai-12e6:result2:oke", "a", "-12"},
		{"d1:ald1:bi1eeli2eee6:result2:oke", "result", "ok"},
		{"d1:ald1:bi1eeli2eee6:result2:oke", "a", "ld1:bi1eeli2eee"},
		{"d6:result2:ok", "result", "ok"}, // cut short behind what was asked for
		{"d6:result2:oke", "sdp", "-"},
		{"", "result", "-"},
		{"l6:resulte", "result", "-"},
		{"d6:result3:oke", "result", "oke"},
		{"d6:result4:oke", "result", "-"},
		{"d6:result", "result", "-"},
		{"d:6:resulte", "result", "-"},
		{"d1:ai1-e6:result2:oke", "result", "-"},
		{"d1:aie6:result2:oke", "result", "-"},
		{"d1:ae6:result2:oke", "result", "-"},
		{"d9999999999999999999:a2:oke", "a", "-"},
		{"d1:a" + strings.Repeat("l", maxDepth) + strings.Repeat("e", maxDepth) + "6:result2:oke", "result", "ok"},
		{"d1:a" + strings.Repeat("l", maxDepth+1) + strings.Repeat("e", maxDepth+1) + "6:result2:oke", "result", "-"},
	}
	for _, tt := range tests {
		got, ok := lookup([]byte(tt.in), tt.key)
		if (tt.want != "-") != ok || ok && string(got) != tt.want {
			t.Errorf("%q of %q: %q, %v; want %q", tt.key, tt.in, got, ok, tt.want)
		}
	}
}

func FuzzLookup(f *testing.F) {
	f.Add([]byte("d1:ald1:bi1eeli2eee6:result2:ok3:sdp3:v=0e"))
	f.Add([]byte("d6:result5:error12:error-reason3:abce"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, key := range []string{"result", "sdp", "", "a"} {
			if v, ok := lookup(b, key); ok && !bytes.Contains(b, v) {
				t.Fatalf("%q is not in %q", v, b)
			}
		}
		// What is written is read back, whatever is in it.
		w := append(appendText(appendText([]byte("d"), b), b), 'e')
		if v, ok := lookup(w, string(b)); len(b) < 1000000 && (!ok || !bytes.Equal(v, b)) {
			t.Fatalf("%q came back as %q, %v", b, v, ok)
		}
	})
}

// Calls fall to the instances by weight, and one that goes down moves its own calls alone.
func TestChoose(t *testing.T) {
	c := &Client{}
	for i, w := range []float64{1, 2, 5} {
		c.instances = append(c.instances, &instance{weight: w, hash: mix(hashOf(fmt.Appendf(nil, "m%d", i)))})
	}
	const n = 80000
	got := make([]int, 3)
	at := make([]int, n)
	for k := range n {
		at[k] = c.choose(hashOf(fmt.Appendf(nil, "%d@example.net", k)), &tried{})
		got[at[k]]++
	}
	for i, w := range []int{1, 2, 5} {
		if want := n * w / 8; got[i] < want*95/100 || got[i] > want*105/100 {
			t.Errorf("instance %d has %d calls of %d, want about %d", i, got[i], n, want)
		}
	}
	c.instances[1].down.Store(true)
	for k := range n {
		now := c.choose(hashOf(fmt.Appendf(nil, "%d@example.net", k)), &tried{})
		if at[k] != 1 && now != at[k] || at[k] == 1 && now == 1 {
			t.Fatalf("call %d went from %d to %d", k, at[k], now)
		}
	}
}

func TestRow(t *testing.T) {
	for _, s := range []Session{{Instance: 0}, {Instance: 254, Peer: peerMask, Answered: true}, {Instance: 3, Peer: Tag([]byte("abc")), Owed: true}} {
		w := s.word(0xfedcba9876543210)
		if got := sessionOf(w); got != s || w>>genShift&genMask != 0x6543210 {
			t.Errorf("%+v came back as %+v", s, got)
		}
	}
}
