package listen

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	goruntime "runtime"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"trunkline/appliance/runtime"
)

// BenchmarkSharing measures the ways in which workers can share a listener's packets
// against each other: a socket for each (reuseport, what this package does, for one sender
// also steered by call), and one socket that all of them receive on, by Go's poller (shared)
// or each in a thread that blocks in recvmmsg (shared-blocking). Every iteration sends a
// burst to each of them in turn, so that the machine treats all alike.
//
// Of each it reports the CPU that a packet costs the workers beside its handling (us), the
// part of the packets that came to the busiest worker (%), and how many of a thousand were
// handled before one of the same call that was sent earlier; at last the CPU of all of a
// packet, its handling included, as a ratio to that of reuseport.
func BenchmarkSharing(b *testing.B) {
	for _, senders := range []int{64, 1} {
		b.Run(fmt.Sprintf("senders=%d", senders), func(b *testing.B) {
			ways := []*sharing{newSharing("reuseport", serveWith, Options{}), newSharing("shared", serveShared, Options{}), newSharing("shared-blocking", serveBlocking, Options{})}
			if senders == 1 {
				ways = append(ways, newSharing("steered", serveWith, Options{Key: firstBytes}))
			}
			var from []*net.UDPConn
			for range senders {
				from = append(from, client(b, "127.0.30.2"))
			}
			for _, w := range ways {
				w.open(b)
			}
			// Threads have CPU clocks, goroutines have not: what sending costs is told apart.
			goruntime.LockOSThread()
			defer goruntime.UnlockOSThread()
			var handling int64
			for b.Loop() {
				began := cpu(unix.CLOCK_THREAD_CPUTIME_ID)
				for range sharingBurst {
					work()
				}
				handling += cpu(unix.CLOCK_THREAD_CPUTIME_ID) - began
				for _, w := range ways {
					w.burst(b, from)
				}
			}
			b.ReportMetric(0, "ns/op") // of bursts to all: it says nothing
			for _, w := range ways {
				w.report(b, float64(handling), float64(ways[0].spent))
			}
		})
	}
}

const (
	sharingWorkers = 2
	sharingBurst   = 256
	sharingCalls   = 64
)

// sharing is one way, and what it came to.
type sharing struct {
	name  string
	serve func(testing.TB, runtime.Listener, Options, func(int, []byte, netip.AddrPort)) *Group
	o     Options
	to    netip.AddrPort

	handled, reordered atomic.Int64
	worker             [sharingWorkers]atomic.Int64
	last               [sharingCalls]atomic.Uint32
	done               chan struct{} // a burst is handled

	sent  int64
	spent int64 // CPU of the workers, ns
}

func newSharing(name string, serve func(testing.TB, runtime.Listener, Options, func(int, []byte, netip.AddrPort)) *Group, o Options) *sharing {
	return &sharing{name: name, serve: serve, o: o, done: make(chan struct{}, 1)}
}

func (s *sharing) open(b *testing.B) {
	l := config(sharingWorkers)
	l.RecvBuffer = 1 << 21 // of the one socket too, which must hold a burst
	s.to = s.serve(b, l, s.o, func(i int, p []byte, _ netip.AddrPort) {
		call, n := binary.BigEndian.Uint32(p), binary.BigEndian.Uint32(p[4:])
		if s.last[call].Swap(n) > n {
			s.reordered.Add(1)
		}
		work()
		s.worker[i].Add(1)
		if s.handled.Add(1)%sharingBurst == 0 {
			s.done <- struct{}{}
		}
	}).Address()
}

// burst sends packets, two of each call back to back, and waits until all are handled.
func (s *sharing) burst(b *testing.B, from []*net.UDPConn) {
	b.Helper()
	pkt := make([]byte, 600)
	all, own := cpu(unix.CLOCK_PROCESS_CPUTIME_ID), cpu(unix.CLOCK_THREAD_CPUTIME_ID)
	for range sharingBurst {
		s.sent++
		call := uint32(s.sent / 2 % sharingCalls)
		binary.BigEndian.PutUint32(pkt, call)
		binary.BigEndian.PutUint32(pkt[4:], uint32(s.sent))
		if _, err := from[int(call)%len(from)].WriteToUDPAddrPort(pkt, s.to); err != nil {
			b.Fatal(err)
		}
	}
	<-s.done
	s.spent += cpu(unix.CLOCK_PROCESS_CPUTIME_ID) - all - (cpu(unix.CLOCK_THREAD_CPUTIME_ID) - own)
}

func (s *sharing) report(b *testing.B, handling, reuseport float64) {
	busiest := int64(0)
	for i := range s.worker {
		busiest = max(busiest, s.worker[i].Load())
	}
	n := float64(s.sent)
	b.ReportMetric((float64(s.spent)-handling)/n/1e3, s.name+"-us")
	b.ReportMetric(100*float64(busiest)/n, s.name+"-busiest-%")
	b.ReportMetric(1000*float64(s.reordered.Load())/n, s.name+"-reordered-‰")
	if float64(s.spent) != reuseport {
		b.ReportMetric(float64(s.spent)/reuseport, s.name+"/reuseport")
	}
}

// cpu reads a clock of CPU time, ns (clock_gettime(2)).
func cpu(clock int32) int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		panic(err)
	}
	return t.Nano()
}

// serveShared is serveWith with one socket that all workers receive on.
func serveShared(t testing.TB, l runtime.Listener, o Options, h func(int, []byte, netip.AddrPort)) *Group {
	t.Helper()
	workers := l.Workers
	l.Workers = 1
	g, err := Open(l, o)
	if err != nil {
		t.Fatal(err)
	}
	for len(g.sockets) < workers {
		f, err := g.sockets[0].conn.File()
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.FilePacketConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		s := &socket{conn: c.(*net.UDPConn), six: g.sockets[0].six, gone: make(chan struct{})}
		s.users.Store(1)
		if err := s.configure(l); err != nil {
			t.Fatal(err)
		}
		g.sockets = append(g.sockets, s)
	}
	run(t, g, h)
	return g
}

// serveBlocking is serveShared with a thread for each worker, which waits in the kernel.
func serveBlocking(t testing.TB, l runtime.Listener, o Options, h func(int, []byte, netip.AddrPort)) *Group {
	t.Helper()
	workers := l.Workers
	l.Workers = 1
	g, err := Open(l, o)
	if err != nil {
		t.Fatal(err)
	}
	f, err := g.sockets[0].conn.File()
	if err != nil {
		t.Fatal(err)
	}
	fd := f.Fd() // from here on a call of anybody's on the socket blocks
	var ended atomic.Bool
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			b := newBatch(g.max + 1)
			for {
				for k := range b.msgs {
					b.msgs[k].hdr.Namelen = uint32(unsafe.Sizeof(b.from[k]))
				}
				n, _, e := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.msgs)), batchSize, unix.MSG_WAITFORONE, 0, 0)
				switch {
				case ended.Load():
					return
				case e == unix.EINTR:
					continue
				case e != 0:
					t.Error(e)
					return
				}
				for k := range int(n) {
					if src, ok := b.source(k); ok {
						h(i, b.packet(k), src)
					}
				}
			}
		})
	}
	t.Cleanup(func() {
		ended.Store(true)
		if c, err := net.Dial("udp", g.Address().String()); err == nil {
			for range workers * batchSize { // enough to wake each of them
				_, _ = c.Write(nil)
			}
			c.Close()
		}
		wg.Wait()
		f.Close()
		_ = g.Close()
	})
	return g
}
