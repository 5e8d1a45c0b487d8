package udp

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func open(t testing.TB, buffer int, locals ...string) *Set {
	t.Helper()
	LockThread()
	var a []netip.AddrPort
	for _, l := range locals {
		a = append(a, ap(l))
	}
	s, err := Open(a, buffer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		runtime.UnlockOSThread()
	})
	return s
}

type sink struct {
	got  []string
	from []netip.AddrPort
}

func (k *sink) Receive(i int, from netip.AddrPort, b []byte) {
	k.got = append(k.got, fmt.Sprintf("%d %s", i, b))
	k.from = append(k.from, from)
}

// collect receives until n datagrams are there.
func collect(t testing.TB, s *Set, n int) *sink {
	t.Helper()
	k := &sink{}
	for end := time.Now().Add(time.Minute); len(k.got) < n; {
		if time.Now().After(end) {
			t.Fatalf("%d of %d datagrams came: %q", len(k.got), n, k.got)
		}
		if _, err := s.Receive(time.Second, k); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

func TestDatagramsKeepTheirOrderAndSocket(t *testing.T) {
	for _, ips := range [][2]string{{"127.0.40.1:0", "127.0.40.2:0"}, {"[::1]:0", "[::1]:0"}} {
		s := open(t, 1<<20, ips[0], ips[1], ips[1])
		want := map[int][]string{}
		const n = 3*batch + 5
		for i := range n {
			to := 1 + i%2
			s.Send(i%3, s.Local(to), fmt.Appendf(nil, "m%d of %d", i, i%3))
			want[to] = append(want[to], fmt.Sprint(i))
		}
		s.Flush()
		k := collect(t, s, n)
		last := map[string]int{}
		for j, g := range k.got {
			var sock, i, of int
			if _, err := fmt.Sscanf(g, "%d m%d of %d", &sock, &i, &of); err != nil {
				t.Fatal(err)
			}
			if k.from[j] != s.Local(of) || sock != 1+i%2 {
				t.Errorf("%q came from %v on socket %d", g, k.from[j], sock)
			}
			if pair := fmt.Sprint(sock, of); i < last[pair] {
				t.Errorf("%d came after %d from one socket to another", i, last[pair])
			} else {
				last[pair] = i
			}
		}
		st, err := s.Stats()
		if err != nil || st.Sent != n || st.Received != n || st.SentBytes != st.ReceivedBytes || st.Drops != 0 || st.SendErrors != 0 {
			t.Errorf("%+v, %v", st, err)
		}
	}
}

func TestWaitEndsWithoutDatagrams(t *testing.T) {
	s := open(t, 1<<16, "127.0.40.1:0")
	for _, wait := range []time.Duration{-1, 0, time.Microsecond, 3 * time.Millisecond} {
		begin := time.Now()
		if n, err := s.Receive(wait, &sink{}); n != 0 || err != nil || time.Since(begin) < wait {
			t.Errorf("Receive(%v): %d, %v after %v", wait, n, err, time.Since(begin))
		}
	}
}

func TestDropsAreCounted(t *testing.T) {
	s := open(t, 4096, "127.0.40.1:0", "127.0.40.2:0")
	for range 200 {
		s.Send(0, s.Local(1), make([]byte, 1000))
	}
	s.Flush()
	k := &sink{}
	for {
		if n, err := s.Receive(0, k); err != nil {
			t.Fatal(err)
		} else if n == 0 {
			break
		}
	}
	st, err := s.Stats()
	if err != nil || st.Drops == 0 || st.Drops+uint64(len(k.got)) != 200 {
		t.Errorf("%d arrived: %+v, %v", len(k.got), st, err)
	}
}

func TestWhatIsTooLarge(t *testing.T) {
	s := open(t, 1<<20, "127.0.40.1:0", "127.0.40.2:0")
	s.Send(0, s.Local(1), make([]byte, MaxDatagram+1))
	s.Send(0, s.Local(1), bytes.Repeat([]byte("x"), MaxDatagram))
	s.Flush()
	if k := collect(t, s, 1); len(k.got[0]) != MaxDatagram+2 {
		t.Errorf("%d bytes", len(k.got[0]))
	}
	if st, _ := s.Stats(); st.SendErrors != 1 || st.Truncated != 0 {
		t.Errorf("%+v", st)
	}
}

// A datagram the kernel refuses is counted, and those after it still leave.
func TestSendErrorsHarmNobodyElse(t *testing.T) {
	s := open(t, 1<<20, "127.0.40.1:0", "127.0.40.2:0")
	s.Send(0, s.Local(1), []byte("a"))
	s.Send(0, netip.AddrPortFrom(netip.MustParseAddr("127.0.40.2"), 0), []byte("no port"))
	s.Send(0, s.Local(1), []byte("b"))
	s.Flush()
	if k := collect(t, s, 2); strings.Join(k.got, ",") != "1 a,1 b" {
		t.Errorf("%q", k.got)
	}
	if st, _ := s.Stats(); st.SendErrors != 1 || st.Sent != 2 {
		t.Errorf("%+v", st)
	}
}

func TestOpenSaysWhatToDo(t *testing.T) {
	s := open(t, 1<<16, "127.0.40.1:0")
	for _, c := range []struct {
		at   netip.AddrPort
		is   error
		says string
	}{
		{s.Local(0), syscall.EADDRINUSE, "another program"},
		{ap("192.0.2.1:0"), syscall.EADDRNOTAVAIL, "no interface"},
	} {
		_, err := Open([]netip.AddrPort{ap("127.0.40.3:0"), c.at}, 1<<16)
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.at.String()) {
			t.Errorf("%v: %v", c.at, err)
		}
	}
}

type counter struct{ n int }

func (c *counter) Receive(int, netip.AddrPort, []byte) { c.n++ }

func TestDatagramsAllocateNothing(t *testing.T) {
	s := open(t, 1<<20, "127.0.40.1:0", "127.0.40.2:0")
	pkt, c := make([]byte, 700), &counter{}
	if n := testing.AllocsPerRun(100, func() {
		c.n = 0
		for range 2 * batch {
			s.Send(0, s.Local(1), pkt)
		}
		s.Flush()
		for c.n < 2*batch {
			if _, err := s.Receive(time.Second, c); err != nil {
				t.Fatal(err)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// One datagram there and back, alone and in batches.
func BenchmarkDatagram(b *testing.B) {
	for _, size := range []int{1, 8, batch} {
		b.Run(fmt.Sprint("batch", size), func(b *testing.B) {
			s := open(b, 1<<20, "127.0.40.1:0", "127.0.40.2:0")
			pkt, c := make([]byte, 700), &counter{}
			b.ReportAllocs()
			for i := 0; i < b.N; i += size {
				c.n = 0
				for range size {
					s.Send(0, s.Local(1), pkt)
				}
				s.Flush()
				for c.n < size {
					if _, err := s.Receive(time.Second, c); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
