package engine

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/dispatch"
	"trunkline/proxy/handoff"
	"trunkline/proxy/route"
)

// running is an engine that serves until stop.
type running struct {
	*Engine
	stop func()
}

func (r *running) count(name string) uint64 { return r.Stats().Counters[name] }

// runEngine runs an engine with the sockets that the one before left.
func runEngine(t *testing.T, cfg *runtime.Appliance, store *handoff.Store) *running {
	t.Helper()
	router, err := route.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	sets, err := dispatch.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(cfg, router, sets, nil, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Adopt(store); err != nil {
		t.Fatal(err)
	}
	if err := e.Bind(); err != nil {
		t.Fatal(err)
	}
	if err := e.Keep(store); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	r := &running{Engine: e}
	ended := false
	r.stop = func() {
		if !ended {
			ended = true
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(func() {
		r.stop()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func optionsFor(a *agent, to netip.AddrPort) string {
	return fmt.Sprintf("OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%d\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:%s>\r\nCall-ID: %d\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
		to, a.addr, a.addr.Port(), to, a.addr.Port())
}

// A process leaves its sockets to the next one; what came while there was none is answered then.
func TestNextEngineHasTheSockets(t *testing.T) {
	for _, x := range []struct {
		name      string
		change    func(l []runtime.Listener) []runtime.Listener
		inherited []int  // sockets, by listener
		left      string // to the process after the next
	}{
		{"nothing changed", func(l []runtime.Listener) []runtime.Listener { return l }, []int{2, 1}, "tcp.c.0 udp.a.b.0 udp.a.b.1"},
		{"more workers", func(l []runtime.Listener) []runtime.Listener { l[0].Workers = 3; return l }, []int{2, 1}, "tcp.c.0 udp.a.b.0 udp.a.b.1 udp.a.b.2"},
		{"fewer workers", func(l []runtime.Listener) []runtime.Listener { l[0].Workers = 1; return l }, []int{1, 1}, "tcp.c.0 udp.a.b.0"},
		{"the listeners change places", func(l []runtime.Listener) []runtime.Listener {
			l[0].Transport, l[1].Transport = l[1].Transport, l[0].Transport
			return l
		}, []int{0, 0}, "tcp.a.b.0 udp.c.0 udp.c.1"},
		{"another port", func(l []runtime.Listener) []runtime.Listener {
			l[0].Address = freePort(t, "127.0.10.1")
			return l
		}, []int{0, 1}, "tcp.c.0 udp.a.b.0 udp.a.b.1"},
		{"a listener less", func(l []runtime.Listener) []runtime.Listener { return l[:1] }, []int{2}, "udp.a.b.0 udp.a.b.1"},
		{"another name", func(l []runtime.Listener) []runtime.Listener { l[0].Name = "d"; return l }, []int{0, 1}, "tcp.c.0 udp.d.0 udp.d.1"},
	} {
		t.Run(x.name, func(t *testing.T) {
			store, err := handoff.Inherit(func(string) string { return "" }, quiet)
			if err != nil {
				t.Fatal(err)
			}
			address := freePort(t, "127.0.10.1")
			cfg := &runtime.Appliance{
				FormatVersion: runtime.FormatVersion, Name: "test", Hardware: runtime.Hardware{Threads: 2, MemoryBytes: 1 << 30},
				Transaction: runtime.Transaction{
					T1: duration(500 * time.Millisecond), T2: duration(4 * time.Second), ReplyTimeout: duration(5 * time.Second),
					InviteTimeout: duration(30 * time.Second), Wait: duration(5 * time.Second), CallLifetime: duration(time.Minute),
				},
				State: runtime.State{Transactions: 100, MessageBytes: 1 << 20, Calls: 50, HighWater: 0.9, BudgetBytes: 8 << 20},
			}
			for i, transport := range []string{"udp", "tcp"} {
				cfg.Listeners = append(cfg.Listeners, runtime.Listener{
					Name: []string{"a.b", "c"}[i], Transport: transport, Address: address, Sources: []netip.Prefix{netip.MustParsePrefix("127.0.11.0/24")},
					Workers: 2, SocketCount: 2, RecvBuffer: 1 << 18, SendBuffer: 1 << 18, MaxMessage: 65507,
				})
			}
			first := runEngine(t, cfg, store)
			if n := first.Adopted(); n != 0 {
				t.Errorf("the first engine adopted %d sockets", n)
			}
			a := newAgent(t, "127.0.11.1")
			a.send(address, optionsFor(a, address))
			a.reply(200, "OPTIONS")
			first.HandOver()
			first.stop()
			answered := first.count("received")
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}

			var agents []*agent
			for range 20 { // of a port each, so that every socket gets some
				b := newAgent(t, "127.0.11.1")
				b.send(address, optionsFor(b, address))
				agents = append(agents, b)
			}
			store.Again() // as the next process inherits it
			next := *cfg
			next.Listeners = x.change(slices.Clone(cfg.Listeners))
			second := runEngine(t, &next, store)
			for i, l := range second.Stats().Listeners {
				if l.Inherited != x.inherited[i] {
					t.Errorf("listener %s has %d inherited sockets, want %d", l.Name, l.Inherited, x.inherited[i])
				}
			}
			if n := second.Adopted(); n > 0 && x.inherited[0] > 0 {
				for _, b := range agents {
					b.reply(200, "OPTIONS")
				}
				if got := second.count("received"); got != uint64(len(agents)) {
					t.Errorf("%d messages received, %d were waiting", got, len(agents))
				}
			}
			if first.count("received") != answered {
				t.Error("the first engine received after its end")
			}
			// New senders are heard at the addresses of the new configuration, whatever became of the old.
			for _, l := range next.Listeners {
				if l.Datagram() {
					b := newAgent(t, "127.0.11.1")
					heard := false
					for range 20 { // a socket without a worker may have the first, and close
						b.send(l.Address, optionsFor(b, l.Address))
						if heard = b.next(250*time.Millisecond) != nil; heard {
							break
						}
					}
					if !heard {
						t.Errorf("listener %s hears no new sender", l.Name)
					}
					continue
				}
				c, err := net.DialTCP("tcp", net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.11.1:0")), net.TCPAddrFromAddrPort(l.Address))
				if err != nil {
					t.Fatal(err)
				}
				s := newStreamAgent(t, c)
				s.say(strings.NewReplacer("/UDP", "/TCP", "\r\n", "\n").Replace(optionsFor(a, l.Address)))
				if m := s.next(); m.code() != 200 {
					t.Errorf("over TCP: %s", m.start)
				}
			}
			// What does not fit is not left to the process after the next.
			store.Again()
			if names := strings.Join(store.Names(), " "); names != x.left {
				t.Errorf("left: %s; want %s", names, x.left)
			}
		})
	}
}
