//go:build !race

// Under the race detector pools forget at random, so allocations mean nothing.

package stream

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
)

// Receiving and sending a message allocate nothing once a connection stands, except what
// crypto/tls does: once for each record read, at either end.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	byFlow := func(r *rig, _ int, p []byte, _ netip.AddrPort) {
		if err := r.SendFlow(p, Flow(r.last.Load())); err != nil {
			t.Errorf("SendFlow: %v", err)
		}
	}
	for transport, ceiling := range map[string]float64{"tcp": 0, "tls": 2} {
		t.Run(transport, func(t *testing.T) {
			l := config(transport)
			l.TLS = secureConfig("tls").TLS
			send := echo
			if transport == "tls" {
				send = byFlow
			}
			r := start(t, l, Options{}, send)
			var c net.Conn = r.peer("127.0.50.2")
			if transport == "tls" {
				c = tls.Client(c, &tls.Config{RootCAs: ca().pool(), ServerName: "sbc.example"})
			}
			m := []byte(options(1, 600))
			back := make([]byte, len(m))
			turn := func() {
				if _, err := c.Write(m); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(c, back); err != nil {
					t.Fatal(err)
				}
			}
			turn()
			// The client's part is in the figure too; a ticker may run beside it.
			if n := testing.AllocsPerRun(2000, turn); n > ceiling {
				t.Errorf("%v allocations a message, at most %v are right", n, ceiling)
			}
		})
	}
}

func TestFramersAllocateNothing(t *testing.T) {
	m := []byte(options(1, 600))
	f := &Framer{MaxHeader: 1 << 16, MaxMessage: 1 << 16}
	w := &WSFramer{MaxMessage: 1 << 16}
	masked := []byte(frame(1, true, string(m)))
	if n := testing.AllocsPerRun(1000, func() {
		for _, x := range []struct {
			f framer
			b []byte
		}{{f, m}, {w, masked}} {
			x.f.Wrote(copy(x.f.Space(), x.b))
			if k, p := x.f.Next(); k != Message || len(p) != len(m) {
				t.Fatal(k)
			}
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkFramer(b *testing.B) {
	m := []byte(options(1, 600))
	f := &Framer{MaxHeader: 1 << 16, MaxMessage: 1 << 16}
	b.SetBytes(int64(len(m)))
	b.ReportAllocs()
	for b.Loop() {
		f.Wrote(copy(f.Space(), m))
		if k, _ := f.Next(); k != Message {
			b.Fatal(k)
		}
	}
}

// BenchmarkEcho sends messages by some connections and reads them back: messages/s in
// and as many out, the clients' work included.
func BenchmarkEcho(b *testing.B) {
	for _, transport := range []string{"tcp", "tls"} {
		for _, conns := range []int{1, 100} {
			b.Run(fmt.Sprintf("%s/%d", transport, conns), func(b *testing.B) {
				l := config(transport)
				l.TLS = secureConfig("tls").TLS
				r := start(b, l, Options{OutBuffer: 64 << 20}, func(r *rig, _ int, p []byte, src netip.AddrPort) {
					if err := r.Send(p, src); err != nil {
						b.Error(err)
					}
				})
				m := []byte(options(1, 400))
				const batch = 10
				all := bytes.Repeat(m, batch)
				done := make(chan error, conns)
				each := max(b.N/conns/batch, 1)
				var cs []net.Conn
				for range conns {
					var c net.Conn = r.peer("127.0.50.2")
					if transport == "tls" {
						t := tls.Client(c, &tls.Config{RootCAs: ca().pool(), ServerName: "sbc.example"})
						if err := t.Handshake(); err != nil {
							b.Fatal(err)
						}
						c = t
					}
					cs = append(cs, c)
				}
				b.ReportAllocs()
				b.ResetTimer()
				for _, c := range cs {
					go func() {
						back := make([]byte, len(all))
						for range each {
							if _, err := c.Write(all); err != nil {
								done <- err
								return
							}
							if _, err := io.ReadFull(c, back); err != nil {
								done <- err
								return
							}
						}
						done <- nil
					}()
				}
				for range conns {
					if err := <-done; err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(each*batch*conns)/b.Elapsed().Seconds(), "messages/s")
			})
		}
	}
}
