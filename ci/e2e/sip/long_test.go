package sip

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// besideUDP gives the listener towards the callees one over TCP on its address.
var besideUDP = []string{`dispatcher "core" {`, `listener "core-tcp" {
  address   = "127.0.0.3"
  port      = 5060
  transport = "tcp"
  sources   = ["127.0.0.21/32"]
}
dispatcher "core" {`}

const called = "> INVITE,< 100 INVITE,< 180 INVITE,< 200 INVITE,> ACK,> BYE,< 200 BYE"

// counters asks the proxy.
func (s *sbcd) counters() map[string]uint64 {
	s.t.Helper()
	var st struct {
		Engine struct{ Counters map[string]uint64 }
	}
	s.statusInto(&st)
	return st.Engine.Counters
}

// expectCounters compares some of the proxy's counters.
func (s *sbcd) expectCounters(want map[string]uint64) {
	s.t.Helper()
	got := s.counters()
	for name, n := range want {
		if v, ok := got[name]; !ok || v != n {
			s.t.Errorf("counter %s is %d, want %d", name, v, n)
		}
	}
}

// startCalleeOverTCP starts a callee that takes connections, and returns when it does.
func startCalleeOverTCP(t *testing.T, scenario, ip string) *agent {
	t.Helper()
	a := startAgent(t, scenario, ip, "-t", "t1")
	b := net.ParseIP(ip).To4()
	listening := fmt.Appendf(nil, " %02X%02X%02X%02X:%04X 00000000:0000 0A ", b[3], b[2], b[1], b[0], 5060)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		table, err := os.ReadFile("/proc/net/tcp")
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(table, listening) {
			return a
		}
		if time.Now().After(deadline) {
			t.Fatalf("callee %s does not take connections\n%s", scenario, a.out.String())
		}
	}
}

// swallowTCP makes the kernel answer no attempt to connect to an address: it listens there
// with a queue that is full (listen(2)).
func swallowTCP(t *testing.T, ip string, port int) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	at := &syscall.SockaddrInet4{Port: port, Addr: [4]byte(net.ParseIP(ip).To4())}
	// A callee of another test may have left connections behind that wait for their end.
	if err := errors.Join(syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1), syscall.Bind(fd, at), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	for range 16 {
		c, err := net.DialTimeout("tcp", fmt.Sprintf("%s:%d", ip, port), 300*time.Millisecond)
		if err != nil {
			return
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Fatal("the kernel takes connections beyond the queue's length")
}

// call places one call and checks what both sides saw.
func (s *sbcd) call(scenario string, callee *agent) *agent {
	s.t.Helper()
	caller := startAgent(s.t, scenario, callerIP, carrier).wait()
	if got := strings.Join(caller.labels(), ","); got != called {
		s.t.Errorf("caller saw\n  %s, want\n  %s", got, called)
	}
	callee.wait()
	if got := strings.Join(collapse(callee.labels()), ","); got != answered {
		s.t.Errorf("callee saw\n  %s, want\n  %s", got, answered)
	}
	return caller
}

// vias checks that the topmost Via of what a callee received names one transport.
func (a *agent) vias(transport string) {
	a.t.Helper()
	for _, m := range a.messages() {
		if want := "SIP/2.0/" + transport + " 127.0.0.3:5060;branch="; !m.sent && !strings.HasPrefix(m.header("Via"), want) {
			a.t.Errorf("%s came with Via %s, want %s...", m.label(), m.header("Via"), want)
		}
	}
}

// A long INVITE comes in over UDP and leaves over TCP, byte for byte, with its dialog; a short
// one stays on UDP.
func TestLongRequestLeavesOverTCP(t *testing.T) {
	proxy := startProxyOf(t, besideUDP...)
	callee := startCalleeOverTCP(t, "uas_call", fs1)
	caller := proxy.call("uac_long", callee)
	callee.vias("TCP")
	var sent, got logged
	for _, m := range caller.messages() {
		if m.label() == "> INVITE" {
			sent = m
		}
	}
	for _, m := range callee.messages() {
		if m.label() == "< INVITE" {
			got = m
		}
	}
	_, offer, _ := strings.Cut(sent.text, "\r\n\r\n")
	_, forwarded, _ := strings.Cut(got.text, "\r\n\r\n")
	if len(sent.text) < 1300 || offer == "" || offer != forwarded {
		t.Errorf("of %d bytes, the offer:\n%s\narrived as\n%s", len(sent.text), offer, forwarded)
	}
	// The peer was not asked whether it wants TCP for all of the dialog.
	if rr := got.header("Record-Route"); rr != "<sip:127.0.0.3:5060;lr>" {
		t.Errorf("Record-Route: %s", rr)
	}
	proxy.expectCounters(map[string]uint64{"long_requests_over_tcp": 1, "long_requests_over_udp": 0, "tcp_fallbacks": 0})

	next := startCallee(t, "uas_call", fs2) // it is the turn of fs2
	proxy.call("uac_call", next)
	next.vias("UDP")
	proxy.expectCounters(map[string]uint64{"long_requests_over_tcp": 1, "long_requests_over_udp": 0, "tcp_fallbacks": 0})
	proxy.eventuallyIdle(time.Minute)
}

// A callee without TCP gets a long INVITE over UDP, and the next one without another try.
func TestLongRequestWhereTCPFails(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before func(t *testing.T)
	}{
		{"refused", func(*testing.T) {}},
		{"swallowed", func(t *testing.T) { swallowTCP(t, fs1, 5060) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			proxy := startProxyOf(t, append([]string{byTurns, `algorithm = "first"`}, besideUDP...)...)
			tt.before(t)
			for i := range uint64(2) {
				callee := startCallee(t, "uas_call", fs1)
				caller := proxy.call("uac_long", callee)
				callee.vias("UDP")
				checkForwarded(t, caller, callee)
				proxy.expectCounters(map[string]uint64{"long_requests_over_tcp": 1, "tcp_fallbacks": 1, "long_requests_over_udp": i, "failovers": 0, "transport_failures": 0})
			}
			proxy.eventuallyIdle(time.Minute)
		})
	}
}

// Without a way back, a callee that takes no TCP is passed over for one that does.
func TestLongRequestWithoutFallback(t *testing.T) {
	proxy := startProxyOf(t, append([]string{byTurns, `algorithm = "first"`, "transaction {", "messages {\n  fallback = false\n}\ntransaction {"}, besideUDP...)...)
	first := startCallee(t, "uas_call", fs1)
	second := startCalleeOverTCP(t, "uas_call", fs2)
	proxy.call("uac_long", second)
	second.vias("TCP")
	if fileExists(first.log) && len(first.labels()) > 0 {
		t.Errorf("%s saw %v, want nothing", fs1, first.labels())
	}
	proxy.expectCounters(map[string]uint64{"tcp_fallbacks": 0, "failovers": 1})
	proxy.eventuallyIdle(time.Minute)
}
