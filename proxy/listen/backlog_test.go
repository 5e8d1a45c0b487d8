package listen

import (
	"net/netip"
	"testing"
)

// A worker that stands still is seen: its socket is not found empty, packets wait there,
// and those beyond its buffer are counted; once it goes on, it is found empty again.
func TestBacklogs(t *testing.T) {
	l := config(1)
	l.RecvBuffer = 1 << 16
	block, entered := make(chan struct{}), make(chan struct{}, 1000)
	g := serve(t, l, func(int, []byte, netip.AddrPort) { entered <- struct{}{}; <-block })
	c := client(t, "127.0.30.2")
	send := func(n int) {
		for range n {
			if _, err := c.WriteToUDPAddrPort(make([]byte, 1000), g.Address()); err != nil {
				t.Fatal(err)
			}
		}
	}
	send(1)
	<-entered
	before := g.Backlogs(nil)[0]
	send(20)
	waiting := g.Backlogs(nil)[0]
	send(1000)
	full := g.Backlogs(nil)[0]
	if before.Packets == 0 || before.Waiting != 0 || before.Drops != 0 {
		t.Errorf("with one packet handled: %+v", before)
	}
	if waiting.Drops != 0 || waiting.Empty != before.Empty || waiting.Waiting > 20 {
		t.Errorf("with 20 packets waiting: %+v", waiting)
	}
	if full.Drops == 0 || full.Waiting <= waiting.Waiting || full.Empty != before.Empty {
		t.Errorf("with more than fits: %+v", full)
	}
	close(block)
	await(t, "an empty socket", func() bool { return g.Backlogs(nil)[0].Empty > before.Empty })
	if b := g.Backlogs(nil)[0]; b.Waiting != 0 || b.Drops != full.Drops {
		t.Errorf("with all handled: %+v", b)
	}
	dst := make([]Backlog, 0, 1)
	if n := testing.AllocsPerRun(100, func() { dst = g.Backlogs(dst[:0]) }); n != 0 {
		t.Errorf("a look costs %v allocations", n)
	}
}
