package resolve

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// fake is names on a fake clock, with a zone in the place of the network.
type fake struct {
	*Names
	zone  *zone
	log   bytes.Buffer
	start time.Time
	seen  []string // by Observe: when and what
}

// onFakeClock warms one name up, keeps it fresh beside f, and ends.
func onFakeClock(t *testing.T, q Query, records []string, f func(*testing.T, *fake, *Name)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		k := &fake{zone: newZone(t, records...), start: time.Now()}
		n, err := New(Options{
			Servers: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53")}, Timeout: time.Second, Attempts: 1,
			Log:     slog.New(slog.NewTextHandler(&k.log, nil)),
			Observe: func(_ *Name, r *Result) { k.seen = append(k.seen, time.Since(k.start).String()+" "+r.String()) },
		})
		if err != nil {
			t.Fatal(err)
		}
		n.memory.client.via = k.zone
		k.Names = n
		x := add(t, n, q)
		if r := x.Current(); r.Err == nil || len(r.Targets) != 0 {
			t.Errorf("before the first resolution: %+v", r)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if err := n.Warm(ctx, time.Minute); err != nil {
			k.log.WriteString("warm: " + err.Error() + "\n")
		}
		done := make(chan struct{})
		go func() { n.Run(ctx); close(done) }()
		synctest.Wait()
		f(t, k, x)
		cancel()
		<-done
	})
}

// pass lets time pass and all that is due then happen.
func pass(d time.Duration) {
	time.Sleep(d) // of the fake clock: nothing waits
	synctest.Wait()
}

func port(host string) Query { return with(udp4(host), func(q *Query) { q.Port = 5060 }) }

// TestTTL tells how long records are kept.
func TestTTL(t *testing.T) {
	tests := []struct {
		name    string
		records []string
		minimum uint32
		want    time.Duration // until the second question
	}{
		{"as said", []string{"a.example. 120 A 192.0.2.1"}, 60, 2 * time.Minute},
		{"none", []string{"a.example. 0 A 192.0.2.1"}, 60, MinTTL},
		{"highest bit", []string{"a.example. 4294967295 A 192.0.2.1"}, 60, MinTTL},
		{"a week", []string{"a.example. 604800 A 192.0.2.1"}, 60, MaxTTL},
		{"the lowest of several", []string{"a.example. 300 A 192.0.2.1", "a.example. 90 A 192.0.2.2"}, 60, 90 * time.Second},
		{"of the alias", []string{"a.example. 30 CNAME b.example.", "b.example. 300 A 192.0.2.1"}, 60, 30 * time.Second},
		{"no such name", nil, 40, 40 * time.Second},
		{"no such name, no SOA", nil, 0, MinTTL},
		{"no such type", []string{"a.example. 300 TXT x"}, 7200, MaxTTL},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onFakeClock(t, port("a.example"), tt.records, func(t *testing.T, k *fake, x *Name) {
				if got := time.Until(x.Current().Expires); tt.minimum == 60 && got != tt.want {
					t.Errorf("due after %s, want %s", got, tt.want)
				}
				// The first question saw the SOA of newZone; the next see the test's.
				k.zone.change(func() { k.zone.minimum = tt.minimum })
				pass(time.Until(x.Current().Expires))
				if got := time.Until(x.Current().Expires); got != tt.want {
					t.Errorf("then due after %s, want %s", got, tt.want)
				}
				before := len(k.zone.questions())
				pass(tt.want - time.Nanosecond)
				if n := len(k.zone.questions()) - before; n != 0 {
					t.Errorf("%d questions before the time", n)
				}
				pass(time.Nanosecond)
				if n := len(k.zone.questions()) - before; n != 1 {
					t.Errorf("%d questions when it was time, want 1", n)
				}
			})
		})
	}
}

// TestChanged changes what a name leads to: who reads sees the old or the new, and
// Observe sees every change once, and no rotation of the same.
func TestChanged(t *testing.T) {
	onFakeClock(t, port("a.example"), []string{"a.example. 60 A 192.0.2.1", "a.example. 60 A 192.0.2.2"}, func(t *testing.T, k *fake, x *Name) {
		old := x.Current()
		if a, b := old.Targets[0].Slot, old.Targets[1].Slot; a == b {
			t.Errorf("two targets have the number %d", a)
		}
		k.zone.change(func() { slices.Reverse(k.zone.rrs["a.example. A"]) })
		pass(time.Minute)
		k.zone.change(func() { delete(k.zone.rrs, "a.example. A") })
		k.zone.add("a.example. 60 A 192.0.2.3")
		pass(time.Minute)
		k.zone.change(func() { delete(k.zone.rrs, "a.example. A") })
		pass(time.Minute)
		want := []string{"0s udp:192.0.2.1:5060 udp:192.0.2.2:5060", "2m0s udp:192.0.2.3:5060", "3m0s "}
		if !slices.Equal(k.seen, want) {
			t.Errorf("seen %q, want %q", k.seen, want)
		}
		if old.String() != "udp:192.0.2.1:5060 udp:192.0.2.2:5060" {
			t.Errorf("the old result changed: %s", old)
		}
		if s := k.Stats(); s.Changes != 3 || s.Unresolved != 1 || s.Stale != 0 {
			t.Errorf("stats %+v", s)
		}
		if !strings.Contains(k.log.String(), "it takes no calls") {
			t.Errorf("the log does not tell it:\n%s", &k.log)
		}
	})
}

// TestPauses tells when servers are asked that fail, from the first time on and
// after they knew the name.
func TestPauses(t *testing.T) {
	for _, known := range []bool{true, false} {
		t.Run(fmt.Sprintf("known %t", known), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				z := newZone(t, "a.example. 60 A 192.0.2.1")
				n := names(t, Options{Servers: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53")}, Attempts: 1})
				n.memory.client.via = z
				x := add(t, n, port("a.example"))
				if !known {
					z.rcode["*"] = dns.RcodeServerFailure
				}
				start := time.Now()
				if err := n.Warm(t.Context(), time.Minute); (err == nil) != known {
					t.Fatal(err)
				}
				want := []time.Duration{0, 5, 15, 35, 75, 135, 195}
				if known {
					want = []time.Duration{0, 60, 65, 75, 95, 135, 195, 255}
				}
				z.change(func() { z.rcode["*"] = dns.RcodeServerFailure })
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() { n.Run(ctx); close(done) }()
				pass(want[len(want)-1] * time.Second)
				cancel()
				<-done
				var got []time.Duration
				for _, at := range z.at {
					got = append(got, at.Sub(start)/time.Second)
				}
				if !slices.Equal(got, want) {
					t.Errorf("asked after %d seconds, want %d", got, want)
				}
				if r := x.Current(); (len(r.Targets) > 0) != known || r.Stale != known || r.Err == nil {
					t.Errorf("leads to %s, stale %t, error %v", r, r.Stale, r.Err)
				}
			})
		})
	}
}

// TestStale has DNS die in several ways: targets stay, servers are asked again, and
// when they are back all is as before.
func TestStale(t *testing.T) {
	tests := []struct {
		name string
		die  func(*zone)
		took time.Duration // by a failed question
	}{
		{"SERVFAIL", func(z *zone) { z.rcode["*"] = dns.RcodeServerFailure }, 0},
		{"REFUSED", func(z *zone) { z.rcode["*"] = dns.RcodeRefused }, 0},
		{"silence", func(z *zone) { z.silent["*"] = true }, time.Second},
	}
	records := []string{"_sip._udp.a.example. 60 SRV 1 0 5060 b.example.", "b.example. 60 A 192.0.2.1"}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := with(udp4("a.example"), func(q *Query) { q.Transport = UDP })
			onFakeClock(t, q, records, func(t *testing.T, k *fake, x *Name) {
				k.zone.change(func() { tt.die(k.zone) })
				pass(time.Minute + 2*tt.took)
				for i, pause := range []time.Duration{5, 10, 20, 40, 60, 60} {
					r := x.Current()
					if r.String() != "udp:192.0.2.1:5060" || !r.Stale || r.Err == nil {
						t.Fatalf("after failure %d: %s, stale %t, error %v", i+1, r, r.Stale, r.Err)
					}
					if s := k.Stats(); s.Stale != 1 || s.Unresolved != 0 || s.ServedOld == 0 || s.Failures == 0 {
						t.Errorf("stats %+v", s)
					}
					// The records of both names failed, one question after the other.
					before := len(k.zone.questions())
					pass(pause*time.Second + 4*tt.took)
					if n := len(k.zone.questions()) - before; n < 1 || n > 4 {
						t.Errorf("%d questions after a pause of %d seconds", n, pause)
					}
				}
				pass(240 * time.Hour)
				if r := x.Current(); r.String() != "udp:192.0.2.1:5060" || !r.Stale {
					t.Fatalf("after ten days: %s, stale %t", r, r.Stale)
				}
				k.zone.change(func() { clear(k.zone.rcode); clear(k.zone.silent) })
				pass(2 * time.Minute)
				if r := x.Current(); r.String() != "udp:192.0.2.1:5060" || r.Stale || r.Err != nil {
					t.Errorf("when DNS is back: %s, stale %t, error %v", r, r.Stale, r.Err)
				}
				if got := strings.Count(k.log.String(), "stay in use"); got != 1 {
					t.Errorf("told %d times, want once:\n%s", got, &k.log)
				}
				if !strings.Contains(k.log.String(), "without trouble again") || len(k.seen) != 1 {
					t.Errorf("seen %q, log:\n%s", k.seen, &k.log)
				}
			})
		})
	}
}

// TestPartly has the addresses of one of two servers fail that were never
// known: the other is used, and the first tried again soon.
func TestPartly(t *testing.T) {
	records := []string{"_sip._udp.a.example. 3600 SRV 1 0 5060 b.example.", "_sip._udp.a.example. 3600 SRV 2 0 5060 c.example.", "b.example. 3600 A 192.0.2.1", "c.example. 3600 A 192.0.2.2"}
	q := with(udp4("a.example"), func(q *Query) { q.Transport = UDP })
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t, records...)
		z.rcode["b.example. A"] = dns.RcodeServerFailure
		n := names(t, Options{Servers: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53")}})
		n.memory.client.via = z
		x := add(t, n, q)
		if err := n.Warm(t.Context(), time.Minute); err != nil {
			t.Fatal(err)
		}
		r := x.Current()
		if r.String() != "udp:192.0.2.2:5060" || len(r.Left) != 1 || time.Until(r.Expires) != firstRetry {
			t.Fatalf("%s, left out %q, due in %s", r, r.Left, time.Until(r.Expires))
		}
		z.change(func() { clear(z.rcode) })
		pass(firstRetry)
		n.refresh(t.Context(), x)
		if r = x.Current(); r.String() != "udp:192.0.2.1:5060 udp:192.0.2.2:5060" || len(r.Left) != 0 {
			t.Errorf("%s, left out %q", r, r.Left)
		}
	})
}

// TestMovedToFailing has a name move to a server nobody knows and whose address
// cannot be had: the former targets stay in use until it can.
func TestMovedToFailing(t *testing.T) {
	q := with(udp4("a.example"), func(q *Query) { q.Transport = UDP })
	records := []string{"_sip._udp.a.example. 60 SRV 1 0 5060 b.example.", "b.example. 60 A 192.0.2.1", "c.example. 60 A 192.0.2.2"}
	onFakeClock(t, q, records, func(t *testing.T, k *fake, x *Name) {
		k.zone.change(func() {
			delete(k.zone.rrs, "_sip._udp.a.example. SRV")
			k.zone.rcode["c.example. A"] = dns.RcodeServerFailure
		})
		k.zone.add("_sip._udp.a.example. 60 SRV 1 0 5060 c.example.")
		pass(time.Minute)
		if r := x.Current(); r.String() != "udp:192.0.2.1:5060" || !r.Stale || r.Err == nil || time.Until(r.Expires) != firstRetry {
			t.Errorf("%s, stale %t, error %v, due in %s", r, r.Stale, r.Err, time.Until(r.Expires))
		}
		k.zone.change(func() { clear(k.zone.rcode) })
		pass(2 * firstRetry)
		if r := x.Current(); r.String() != "udp:192.0.2.2:5060" || r.Stale || r.Err != nil {
			t.Errorf("then %s, stale %t, error %v", r, r.Stale, r.Err)
		}
	})
}

// TestNegativeTTL takes the lower of the two times an SOA record has (RFC 2308 5).
func TestNegativeTTL(t *testing.T) {
	for _, c := range []struct{ ttl, minimum, want uint32 }{{300, 40, 40}, {40, 300, 40}} {
		m := new(dns.Msg)
		m.Rcode = dns.RcodeNameError
		m.Ns = []dns.RR{&dns.SOA{Hdr: dns.RR_Header{Name: "example.", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: c.ttl}, Minttl: c.minimum}}
		f, err := find(m, "a.example.", dns.TypeA, maxAliases)
		if err != nil || f.ttl != time.Duration(c.want)*time.Second || !f.noName {
			t.Errorf("TTL %d, minimum %d: %s, %v", c.ttl, c.minimum, f.ttl, err)
		}
	}
}

// TestWarm bounds the first resolution; the name comes when DNS does.
func TestWarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t, "a.example. 60 A 192.0.2.1")
		z.silent["*"] = true
		n := names(t, Options{Servers: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53")}, Timeout: time.Minute, Parallel: 1})
		n.memory.client.via = z
		var all []*Name
		for range 3 { // more than are resolved at one time
			all = append(all, add(t, n, port("a.example")))
		}
		start := time.Now()
		err := n.Warm(t.Context(), 3*time.Second)
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("took %s of the fake clock", took)
		}
		if err == nil || strings.Count(err.Error(), "3s have passed") != 3 {
			t.Errorf("error %v", err)
		}
		if s := n.Stats(); s.Unresolved != 3 {
			t.Errorf("stats %+v", s)
		}
		z.change(func() { clear(z.silent) })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { n.Run(ctx); close(done) }()
		pass(firstRetry)
		for _, x := range all {
			if got := x.Current().String(); got != "udp:192.0.2.1:5060" {
				t.Errorf("then leads to %q", got)
			}
		}
		cancel()
		<-done
	})
}

// TestForget bounds what is kept.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t)
		n := names(t, Options{Servers: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53")}})
		n.memory.client.via = z
		get := func(name string) {
			if _, err := n.memory.get(t.Context(), name, dns.TypeA); err != nil {
				t.Fatal(err)
			}
		}
		get("old.example")
		time.Sleep(time.Minute)
		for i := range maxKnown { // one more than there is room for
			n.memory.known[question{"x", uint16(i)}] = &known{used: time.Now()}
		}
		delete(n.memory.known, question{"x", 0})
		get("new.example")
		if _, kept := n.memory.known[question{"old.example.", dns.TypeA}]; kept || len(n.memory.known) != maxKnown {
			t.Errorf("old.example is kept: %t; %d are kept, at most %d may be", kept, len(n.memory.known), maxKnown)
		}
		time.Sleep(unasked + time.Second)
		get("newest.example")
		if len(n.memory.known) != 1 {
			t.Errorf("%d are kept that nobody asked for in a day", len(n.memory.known)-1)
		}
	})
}
