package cmd_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/control"
	"trunkline/tools/sbcd/cmd"
)

// read waits for a message that holds want; those before it are passed over.
func read(t *testing.T, c *net.UDPConn, want string) string {
	t.Helper()
	buf := make([]byte, 65536)
	c.SetReadDeadline(time.Now().Add(patience))
	for {
		n, _, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			t.Fatalf("no message with %q: %v", want, err)
		}
		if m := string(buf[:n]); strings.Contains(m, want) {
			return m
		}
	}
}

// respond answers a request with its own headers.
func respond(t *testing.T, c *net.UDPConn, to netip.AddrPort, request, status string) {
	t.Helper()
	head, _, _ := strings.Cut(request, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")[1:]
	for i, l := range lines {
		if strings.HasPrefix(l, "To:") {
			lines[i] = l + ";tag=uas"
		}
	}
	if _, err := c.WriteToUDPAddrPort([]byte("SIP/2.0 "+status+"\r\n"+strings.Join(lines, "\r\n")+"\r\n\r\n"), to); err != nil {
		t.Fatal(err)
	}
}

// drainRig is a proxy with a call that rings.
func drainRig(t *testing.T, timeout time.Duration) (p *process, a *runtime.Appliance, caller, callee *net.UDPConn, inv string) {
	t.Helper()
	callee = udpSocket(t, "127.0.41.1")
	a = config(t, runtime.Cache{Path: csvFile(t, "+49,one\n"), Warmup: runtime.WarmupSync}, address(callee))
	a.Transaction.DrainTimeout = runtime.Duration(timeout)
	p = start(t, a)
	p.ready()
	caller = udpSocket(t, "127.0.31.1")
	invite(t, caller, a.Listeners[0].Address, "+4989123")
	inv = read(t, callee, "INVITE sip:")
	respond(t, callee, a.Listeners[1].Address, inv, "180 Ringing")
	read(t, caller, "180 Ringing")
	return p, a, caller, callee, inv
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// toldOf waits for a notification that begins so.
func (p *process) toldOf(prefix string) string {
	p.t.Helper()
	for {
		switch s := p.told(patience); {
		case strings.HasPrefix(s, prefix):
			return s
		case s == "":
			p.t.Fatalf("not told %q", prefix)
		}
	}
}

// A proxy that is told to stop refuses new calls, says so everywhere, and ends when the call
// that rings has ended.
func TestStopDrains(t *testing.T) {
	p, a, caller, callee, inv := drainRig(t, time.Hour)
	p.signal(syscall.SIGTERM)
	p.toldOf("STOPPING=1")
	if got := p.toldOf("STATUS=stopping, "); !strings.HasPrefix(got, "STATUS=stopping, transactions left: 1, ") {
		t.Errorf("told %q", got)
	}
	s := p.until("draining", func(s cmd.Status) bool { return s.Drain != nil })
	if d := s.Drain; s.Ready || !d.Stopping || d.Unfinished != 1 || d.Calls != 1 || d.Until == nil || d.Until.Sub(d.Since) != time.Hour {
		t.Errorf("ready %v, %+v", s.Ready, s.Drain)
	}
	if out, _, _ := sbcd(t, "status", "--control", p.control); !strings.HasPrefix(out, "test: stopping, transactions left: 1, calls: 1, up ") {
		t.Errorf("status:\n%s", out)
	}
	b, err := control.Get(t.Context(), p.control, control.MetricsPath)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"trunkline_ready 0\n", "trunkline_draining 1\n", "trunkline_drain_transactions 1\n"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	for _, c := range []string{"drain", "undrain"} {
		if _, errs, code := sbcd(t, c, "--control", p.control); code != 1 || !strings.Contains(errs, "sbcd: sbcd is stopping: it drains already") {
			t.Errorf("sbcd %s: %d, %s", c, code, errs)
		}
	}
	invite(t, caller, a.Listeners[0].Address, "+4989124")
	if m := read(t, caller, "SIP/2.0 503 "); !strings.Contains(m, "Call-ID: 4989124@") || !strings.Contains(m, "Retry-After: 5\r\n") {
		t.Errorf("a new call got\n%s", m)
	}
	respond(t, callee, a.Listeners[1].Address, inv, "486 Busy Here")
	m := read(t, caller, "SIP/2.0 486 ")
	_, tag, _ := strings.Cut(m, "To: ")
	tag, _, _ = strings.Cut(tag, "\r\n")
	ack := fmt.Sprintf("ACK sip:+4989123@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK-4989123\r\nMax-Forwards: 70\r\nFrom: <sip:a@example.net>;tag=4989123\r\nTo: %s\r\n"+
		"Call-ID: 4989123@example.net\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n", a.Listeners[0].Address, address(caller), tag)
	if _, err := caller.WriteToUDPAddrPort([]byte(ack), a.Listeners[0].Address); err != nil {
		t.Fatal(err)
	}
	if code := p.exit(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.stderr)
	}
	p.logged(`msg=drained calls=0 `)
	if _, err := os.Stat(p.control); err == nil {
		t.Error("the control socket was left behind")
	}
}

// The drain ends with its time, and with the second signal, in order and with exit code 0.
func TestStopEndsADrain(t *testing.T) {
	for _, tt := range []struct {
		name   string
		within time.Duration
		second syscall.Signal // 0: none
	}{
		{"at once", 0, 0},
		{"after its time", 300 * time.Millisecond, 0},
		{"second SIGTERM", time.Hour, syscall.SIGTERM},
		{"SIGINT after SIGTERM", time.Hour, syscall.SIGINT},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, _, _, _, _ := drainRig(t, tt.within)
			p.signal(syscall.SIGTERM)
			p.toldOf("STOPPING=1")
			if tt.second != 0 {
				p.toldOf("STATUS=stopping, transactions left: 1")
				p.signal(tt.second)
			}
			if code := p.exit(); code != 0 {
				t.Errorf("exit code %d\n%s", code, p.stderr)
			}
			p.logged(`level=WARN msg="stopped with transactions under way: .* transactions=1 calls=1 `)
			if _, err := os.Stat(p.control); err == nil {
				t.Error("the control socket was left behind")
			}
		})
	}
}

// An operator drains and takes it back.
func TestDrainByCommand(t *testing.T) {
	p, a, caller, callee, inv := drainRig(t, time.Hour)
	for range 2 { // the second changes nothing
		if out, errs, code := sbcd(t, "drain", "--control", p.control); code != 0 || out != "test: draining, transactions left: 1, calls: 1\n" || errs != "" {
			t.Errorf("%d, %q, %q", code, out, errs)
		}
	}
	p.toldOf("STATUS=draining: new calls are refused until `sbcd undrain`")
	s := p.status()
	if d := s.Drain; s.Ready || d == nil || d.Stopping || d.Until != nil || d.Since.IsZero() {
		t.Errorf("ready %v, %+v", s.Ready, s.Drain)
	}
	invite(t, caller, a.Listeners[0].Address, "+4989124")
	read(t, caller, "SIP/2.0 503 ")
	respond(t, callee, a.Listeners[1].Address, inv, "200 OK") // what is under way goes on
	read(t, caller, "SIP/2.0 200 ")

	b, err := control.Post(t.Context(), p.control, control.UndrainPath)
	if err != nil {
		t.Fatal(err)
	}
	s = cmd.Status{}
	if err := json.Unmarshal(b, &s); err != nil || !s.Ready || s.Drain != nil {
		t.Errorf("undrain answers %v, %s", err, b)
	}
	p.toldOf("STATUS=serving")
	if out, _, code := sbcd(t, "undrain", "--control", p.control); code != 0 || out != "test: ready\n" {
		t.Errorf("%d, %q", code, out)
	}
	invite(t, caller, a.Listeners[0].Address, "+4989125")
	inv = read(t, callee, "INVITE sip:+4989125@")
	respond(t, callee, a.Listeners[1].Address, inv, "200 OK")
	read(t, caller, "SIP/2.0 200 ")
	p.logged(`msg="draining: new calls are refused" calls=1`)
	p.logged(`msg="undrained: new calls are taken" calls=`)
}

// Before its listeners are open there is nothing to drain.
func TestDrainWhileLoading(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, config(t, runtime.Cache{Path: fifo, Warmup: runtime.WarmupSync}))
	p.listening()
	if _, errs, code := sbcd(t, "drain", "--control", p.control); code != 1 || !strings.Contains(errs, "the listeners are not open yet: wait until") {
		t.Errorf("exit code %d, %q", code, errs)
	}
}
