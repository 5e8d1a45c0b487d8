package transaction

import (
	"net/netip"
	"testing"
	"time"
)

// Over connections nothing is retransmitted (timers A, E and G), and nothing is waited for
// that only retransmissions would bring (I, J, K); the bounds on replies stay (RFC 3261 17).
func TestReliableTransportsDoNotRetransmit(t *testing.T) {
	tm := &Timers{T1: 500, T2: 4000, Reply: 5000, Invite: 30000, Wait: 5000}
	for _, invite := range []bool{true, false} {
		for _, c := range []struct {
			name                 string
			upstream, downstream bool
			request, response    bool // are retransmitted
			wait                 int64
		}{
			{"datagrams", false, false, true, true, 5000},
			{"from a connection", true, false, true, false, 5000},
			{"to a connection", false, true, false, true, 5000},
			{"connections", true, true, false, false, 1},
		} {
			s := &Slot{}
			s.begin(0, invite, tm)
			s.Upstream.Reliable = c.upstream
			n, _ := s.Start(0, Endpoint{Reliable: c.downstream}, tm.Reply, tm)
			if got := s.due(500, tm)&ResendRequest != 0; got != c.request {
				t.Errorf("%s, INVITE %v: request retransmitted: %v", c.name, invite, got)
			}
			if ev := s.due(5000, tm); ev&NoReply == 0 {
				t.Errorf("%s, INVITE %v: a silent destination is not left", c.name, invite)
			}
			if invite {
				s.CancelSent(5000, n, tm)
				if got := s.due(5500, tm)&ResendCancel != 0; got != c.request {
					t.Errorf("%s: CANCEL retransmitted: %v", c.name, got)
				}
				s.OnCancelReply(n)
			}
			s.OnReply(6000, n, 486, tm)
			s.Complete(6000, 486, tm)
			if got := s.due(6500, tm)&ResendResponse != 0; got != (c.response && invite) {
				t.Errorf("%s, INVITE %v: response retransmitted: %v", c.name, invite, got)
			}
			if invite {
				s.OnAck(6000, tm)
			}
			if s.due(6000+c.wait-1, tm)&Done != 0 || s.due(6000+c.wait, tm)&Done == 0 {
				t.Errorf("%s, INVITE %v: not over %d ms after it was answered", c.name, invite, c.wait)
			}
		}
	}
}

func TestEach(t *testing.T) {
	tab, err := New(Config{Slots: 2000, T1: time.Second, T2: time.Second, Reply: time.Second, Invite: time.Second, Wait: time.Second, Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	to := MakeEndpoint(netip.MustParseAddrPort("192.0.2.1:5060"), 3)
	to.Reliable = true
	for i := range 100 {
		tx := tab.Lock(uint64(i) * 0x9e3779b97f4a7c15)
		if !tx.Create(0, true) {
			t.Fatal("full")
		}
		if i%2 == 0 {
			tx.Start(0, to, 1000, tab.Timers())
		}
		tx.Unlock()
	}
	seen := 0
	tab.Each(func(tx Tx) bool {
		if tx.Tried() == 0 || tx.Attempts[0].To != to {
			return false
		}
		seen++
		tx.Free()
		return true
	})
	if seen != 50 || tab.Live() != 50 {
		t.Errorf("%d seen, %d are left", seen, tab.Live())
	}
	// What is left still has its timers.
	ended := 0
	tab.Advance(5000, func(tx Tx, ev Event) {
		ended++
		tx.Free()
	})
	if ended != 50 {
		t.Errorf("%d of 50 timers came", ended)
	}
}
