package listen

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// BenchmarkTrunk is one trunk, which sends from one address and port, in bursts: each packet
// takes about 20 us of a worker. One worker's time per packet is the figure to beat. The last way lets the kernel choose a socket at random for each packet
// (SO_ATTACH_REUSEPORT_CBPF, socket(7)): it costs nothing and keeps no order, as
// reordered/op says.
func BenchmarkTrunk(b *testing.B) {
	for _, c := range []struct {
		name   string
		o      Options
		random bool
	}{
		{"hash of addresses", Options{}, false},
		{"steered", Options{Key: firstBytes}, false},
		{"random", Options{}, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			const calls, burst = 64, 256
			var handled, reordered, due atomic.Int64
			done := make(chan struct{}, 1)
			var last [calls + 1]atomic.Uint32
			g := serveWith(b, config(2), c.o, func(_ int, p []byte, _ netip.AddrPort) {
				call, n := binary.BigEndian.Uint32(p), binary.BigEndian.Uint32(p[4:])
				if last[call].Swap(n) > n {
					reordered.Add(1)
				}
				work()
				if handled.Add(1) == due.Load() {
					done <- struct{}{}
				}
			})
			if c.random {
				attachRandom(b, g)
			}
			from := client(b, "127.0.30.2")
			pkt := make([]byte, 600)
			sent := int64(0)
			due.Store(burst)
			for b.Loop() {
				binary.BigEndian.PutUint32(pkt, uint32(sent)/2%calls+1) // back to back, as a 180 and a 200 come
				binary.BigEndian.PutUint32(pkt[4:], uint32(sent))
				if _, err := from.WriteToUDPAddrPort(pkt, g.Address()); err != nil {
					b.Fatal(err)
				}
				if sent++; sent == due.Load() {
					<-done
					due.Add(burst)
				}
			}
			await(b, "packets handled", func() bool { return handled.Load() == sent })
			b.ReportMetric(float64(reordered.Load())/float64(sent), "reordered/op")
		})
	}
}

// work is what a message costs a worker, without the clock being asked.
func work() {
	x := uint64(1)
	for range 12000 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	sink.Store(x)
}

var sink atomic.Uint64

// attachRandom makes the kernel choose a socket of the group at random for each packet.
func attachRandom(b *testing.B, g *Group) {
	prog, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtRand},
		bpf.ALUOpConstant{Op: bpf.ALUOpMod, Val: uint32(len(g.sockets))},
		bpf.RetA{},
	})
	if err != nil {
		b.Fatal(err)
	}
	filter := make([]unix.SockFilter, len(prog))
	for i, p := range prog {
		filter[i] = unix.SockFilter{Code: p.Op, Jt: p.Jt, Jf: p.Jf, K: p.K}
	}
	if err := unix.SetsockoptSockFprog(g.sockets[0].fd, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF,
		&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}); err != nil {
		b.Fatal(err)
	}
}
