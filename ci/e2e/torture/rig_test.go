package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Addresses of the parties.
const (
	sipPort  = "5060"
	carrier  = "127.60.0.2:" + sipPort // listener towards the caller
	core     = "127.60.0.3:" + sipPort // listener towards the callee
	callerIP = "127.60.0.10"
	calleeIP = "127.60.0.20"
	// otherPort is the port of quotbal's Via, which its reply goes to.
	otherPort = "5050"
)

// patience is how long something is waited for that must come. It decides nothing but
// when a broken proxy is given up.
const patience = time.Minute

const spec = `
format_version = 1
appliance "torture" {}
hardware {
  platform = "vm"
  memory   = "4GiB"
  cpu {
    cores            = 2
    threads_per_core = 1
  }
  nic "wan" {
    match     = { mac = "52:54:00:00:00:01" }
    speed     = "10Gbps"
    addresses = ["203.0.113.10/27"]
  }
}
workload {
  cps              = 1000
  concurrent_calls = 4000
  call_duration    = "2s"
  ring_time        = "0s"
}
listener "carrier" {
  address   = "127.60.0.2"
  port      = 5060
  transport = "udp"
  sources   = ["127.60.0.10/32"]
  workers   = 1
}
listener "core" {
  address   = "127.60.0.3"
  port      = 5060
  transport = "udp"
  sources   = ["127.60.0.20/32"]
  workers   = 1
}
dispatcher "core" {
  id        = 1
  algorithm = "round-robin"
  destination "uas" {
    uri      = "sip:127.60.0.20:5060"
    listener = "core"
  }
}
route "all" {
  from = ["carrier"]
  to   = ["core"]
}
transaction {
  reply_timeout  = "20s"
  invite_timeout = "40s"
  wait           = "500ms"
}
`

// rig is a running sbcd with a caller and a callee.
type rig struct {
	t       *testing.T
	cmd     *exec.Cmd
	out     bytes.Buffer
	control http.Client
	caller  *agent
	other   *agent // the caller's second port
	callee  *agent
	n       int // of the barriers so far
}

// newRig compiles the spec, starts sbcd and opens the agents' sockets.
func newRig(t *testing.T) *rig {
	t.Helper()
	bin := os.Getenv("TRUNKLINE_BIN")
	if bin == "" {
		t.Skip("TRUNKLINE_BIN is not set: run `make e2e`, which builds the programs and sets it")
	}
	dir := t.TempDir()
	source, config, socket := filepath.Join(dir, "spec.hcl"), filepath.Join(dir, "config"), filepath.Join(dir, "control.sock")
	if err := os.WriteFile(source, []byte(spec), 0o644); err != nil {
		t.Fatal(err)
	}
	if b, err := exec.Command(filepath.Join(bin, "trunkline"), "bake", dir, "-o", config).CombinedOutput(); err != nil {
		t.Fatalf("trunkline bake: %v\n%s", err, b)
	}
	r := &rig{t: t}
	r.control.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	r.control.Timeout = patience
	t.Cleanup(r.control.CloseIdleConnections)
	r.start(bin, filepath.Join(config, "etc/trunkline/appliance.json"), socket)
	r.caller = listen(t, callerIP+":"+sipPort, carrier)
	r.other = listen(t, callerIP+":"+otherPort, carrier)
	r.callee = listen(t, calleeIP+":"+sipPort, core)
	return r
}

// start runs sbcd until the test ends; it returns once READY=1 has arrived.
func (r *rig) start(bin, config, socket string) {
	t := r.t
	t.Helper()
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	r.cmd = exec.Command(filepath.Join(bin, "sbcd"), "run", "--config", config, "--control", socket)
	r.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+notify.LocalAddr().String())
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.out
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.stop)
	_ = notify.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 4096)
	for {
		n, err := notify.Read(buf)
		if err != nil {
			_ = r.cmd.Process.Kill()
			_ = r.cmd.Wait()
			t.Fatalf("sbcd sent no READY=1: %v\n%s", err, r.out.String())
		}
		if bytes.Contains(buf[:n], []byte("READY=1")) {
			return
		}
	}
}

// stop ends sbcd; one that has ended before, or does not end cleanly, fails the test.
func (r *rig) stop() {
	if r.cmd.ProcessState != nil {
		return
	}
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(patience, func() { _ = r.cmd.Process.Kill() })
	defer late.Stop()
	if err := r.cmd.Wait(); err != nil {
		r.t.Errorf("sbcd ended with %v\n%s", err, r.out.String())
	}
}

// figures is what the test reads of the status.
type figures struct {
	Counters     map[string]uint64
	Transactions struct {
		Live  int64
		Bytes int64 `json:"message_bytes"`
	}
	Calls      struct{ Live int64 }
	Concurrent struct{ Live int64 }
}

func (r *rig) figures(t *testing.T) figures {
	t.Helper()
	resp, err := r.control.Get("http://sbcd/v1/status")
	if err != nil {
		t.Fatalf("sbcd does not answer on its control socket: %v\n%s", err, r.out.String())
	}
	defer resp.Body.Close()
	var st struct{ Engine figures }
	if err := json.NewDecoder(resp.Body).Decode(&st); err != nil {
		t.Fatal(err)
	}
	if len(st.Engine.Counters) == 0 {
		t.Fatal("the status has no counters")
	}
	return st.Engine
}

// explained compares the counters of what was dropped or refused with those before:
// want alone has gone up, by one; "" for none at all.
func (r *rig) explained(t *testing.T, before figures, want string) {
	t.Helper()
	got := map[string]uint64{}
	for name, n := range r.figures(t).Counters {
		if d := n - before.Counters[name]; d != 0 && (strings.HasPrefix(name, "dropped_") || strings.HasPrefix(name, "refused_")) {
			got[name] = d
		}
	}
	expect := map[string]uint64{}
	if want != "" {
		expect[want] = 1
	}
	if !maps.Equal(got, expect) {
		t.Errorf("counters of drops and refusals went up by %v, want %v", got, expect)
	}
}

// counted waits until a counter has gone up.
func (r *rig) counted(t *testing.T, before figures, name string) {
	t.Helper()
	if _, ok := before.Counters[name]; !ok {
		t.Fatalf("no counter is named %s", name)
	}
	for end := time.Now().Add(patience); r.figures(t).Counters[name] == before.Counters[name]; {
		if time.Now().After(end) {
			t.Fatalf("%s has not gone up", name)
		}
	}
}

// settle waits until sbcd holds nothing any more. What still arrives is answered.
func (r *rig) settle(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(2 * patience); ; {
		r.serve()
		f := r.figures(t)
		if f.Transactions.Live == 0 && f.Transactions.Bytes == 0 && f.Calls.Live == 0 && f.Concurrent.Live == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("sbcd still holds %d transactions with %d bytes, %d calls, %d of the concurrency limit",
				f.Transactions.Live, f.Transactions.Bytes, f.Calls.Live, f.Concurrent.Live)
		}
	}
}

// barrier sends an OPTIONS for the proxy itself through an agent's listener and
// passes on whatever arrives before its 200: each listener has one worker, so what
// was sent before has been handled then.
func (r *rig) barrier(t *testing.T, a *agent, got func([]byte)) {
	t.Helper()
	r.n++
	id := fmt.Sprintf("barrier%d", r.n)
	a.send(t, fmt.Appendf(nil, "OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\n"+
		"From: <sip:b@%s>;tag=b\r\nTo: <sip:%s>\r\nCall-ID: %s\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
		a.to, a.addr, id, a.addr, a.to, id))
	for {
		msg := a.receive(t)
		if status(msg) == 200 && bytes.Contains(msg, []byte("Call-ID: "+id+"\r\n")) {
			return
		}
		got(msg)
	}
}

// agent is a UDP socket that talks to one listener.
type agent struct {
	addr string
	to   netip.AddrPort
	conn *net.UDPConn
	raw  syscall.RawConn
	buf  []byte
	seen map[string]bool
}

func listen(t *testing.T, addr, to string) *agent {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	return &agent{addr: addr, to: netip.MustParseAddrPort(to), conn: conn, raw: raw, buf: make([]byte, 1<<16), seen: map[string]bool{}}
}

func (a *agent) send(t *testing.T, msg []byte) {
	t.Helper()
	if _, err := a.conn.WriteToUDPAddrPort(msg, a.to); err != nil {
		t.Fatal(err)
	}
}

// receive waits for a datagram that has not been here before: on a machine that is
// slow, timers repeat messages.
func (a *agent) receive(t *testing.T) []byte {
	t.Helper()
	_ = a.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		n, _, err := a.conn.ReadFromUDPAddrPort(a.buf)
		if err != nil {
			t.Fatalf("nothing arrived at %s: %v", a.addr, err)
		}
		msg := bytes.Clone(a.buf[:n])
		if !a.seen[string(msg)] {
			a.seen[string(msg)] = true
			return msg
		}
	}
}

// poll returns a datagram that is there already, or nil.
func (a *agent) poll() []byte {
	n := -1
	_ = a.conn.SetReadDeadline(time.Time{})
	err := a.raw.Read(func(fd uintptr) bool {
		var err error
		if n, _, err = syscall.Recvfrom(int(fd), a.buf, syscall.MSG_DONTWAIT); err != nil {
			n = -1
			return !errors.Is(err, syscall.EINTR)
		}
		return true
	})
	if err != nil || n < 0 {
		return nil
	}
	return bytes.Clone(a.buf[:n])
}
