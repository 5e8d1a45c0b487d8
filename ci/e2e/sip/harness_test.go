package sip

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Addresses of the parties. The carrier calls in on one listener and the callees
// are reached through the other, so every dialog crosses two sockets.
const (
	callerIP  = "127.0.0.10"
	carrier   = "127.0.0.2:5060" // listener towards the caller
	core      = "127.0.0.3:5060" // listener towards the callees
	fs1       = "127.0.0.21"
	fs2       = "127.0.0.22"
	agentPort = "5060"
)

// spec is the specification sbcd runs with: %s takes extra blocks.
const spec = `
format_version = 1
appliance "loop" {}
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
  cps              = 100
  concurrent_calls = 1000
  call_duration    = "10s"
  ring_time        = "2s"
}
listener "carrier" {
  address   = "127.0.0.2"
  port      = 5060
  transport = "udp"
  sources   = ["127.0.0.10/32"]
  workers   = 2
}
listener "core" {
  address   = "127.0.0.3"
  port      = 5060
  transport = "udp"
  sources   = ["127.0.0.21/32"]
  workers   = 2
}
dispatcher "core" {
  id        = 1
  algorithm = "round-robin"
  failover {
    on    = ["5xx", "6xx", "timeout"]
    never = [486, 603]
  }
  destination "fs1" {
    uri      = "sip:127.0.0.21:5060"
    listener = "core"
  }
  destination "fs2" {
    uri      = "sip:127.0.0.22:5060"
    listener = "core"
  }
}
route "all" {
  from = ["carrier"]
  to   = ["core"]
}
transaction {
  reply_timeout  = "1s"
  invite_timeout = "3s"
  wait           = "2s"
}
%s
`

// binary is the path of one of our programs.
func binary(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("TRUNKLINE_BIN")
	if dir == "" {
		t.Skip("TRUNKLINE_BIN is not set: run `make sip`, which builds the programs and sets it")
	}
	return filepath.Join(dir, name)
}

func sippPath(t *testing.T) string {
	t.Helper()
	p, err := exec.LookPath("sipp")
	if err != nil {
		t.Skip("sipp is not installed: run ci/setup test")
	}
	return p
}

// compile writes a spec and bakes it; it returns the path of appliance.json.
func compile(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	specDir := filepath.Join(dir, "spec")
	if err := os.Mkdir(specDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(specDir, "spec.hcl"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return bake(t, specDir)
}

// bake compiles a spec directory; it returns the path of appliance.json.
func bake(t *testing.T, specDir string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "config")
	if b, err := exec.Command(binary(t, "trunkline"), "bake", specDir, "-o", out).CombinedOutput(); err != nil {
		t.Fatalf("trunkline bake: %v\n%s", err, b)
	}
	return filepath.Join(out, "etc/trunkline/appliance.json")
}

// sbcd is a running proxy.
type sbcd struct {
	t       *testing.T
	cmd     *exec.Cmd
	control string
	out     bytes.Buffer
}

// startProxy compiles the spec with the extra blocks and runs sbcd until the
// test ends; it returns once READY=1 has arrived.
func startProxy(t *testing.T, extra string) *sbcd {
	t.Helper()
	return runProxy(t, compile(t, fmt.Sprintf(spec, extra)))
}

// startProxyOf is startProxy with parts of the spec replaced: pairs of old and new
// text, each of which is there.
func startProxyOf(t *testing.T, pairs ...string) *sbcd {
	t.Helper()
	text := fmt.Sprintf(spec, "")
	for i := 0; i+1 < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the spec does not hold %q", pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return runProxy(t, compile(t, text))
}

// runProxy runs sbcd with a configuration, like startProxy.
func runProxy(t *testing.T, config string) *sbcd {
	t.Helper()
	s := &sbcd{t: t, control: filepath.Join(t.TempDir(), "control.sock")}
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	s.cmd = exec.Command(binary(t, "sbcd"), "run", "--config", config, "--control", s.control)
	s.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+notify.LocalAddr().String())
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	buf := make([]byte, 4096)
	notify.SetReadDeadline(time.Now().Add(time.Minute))
	for {
		n, err := notify.Read(buf)
		if err != nil {
			s.cmd.Process.Kill()
			s.cmd.Wait()
			t.Fatalf("sbcd sent no READY=1: %v\n%s", err, s.out.String())
		}
		if bytes.Contains(buf[:n], []byte("READY=1")) {
			return s
		}
	}
}

// stop ends sbcd and fails the test when it does not end cleanly.
func (s *sbcd) stop() {
	if s.cmd.ProcessState != nil {
		return
	}
	s.cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan error, 1)
	go func() { done <- s.cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			s.t.Errorf("sbcd ended with %v\n%s", err, s.out.String())
		}
	case <-time.After(time.Minute):
		s.cmd.Process.Kill()
		<-done
		s.t.Errorf("sbcd did not end within a minute of SIGTERM\n%s", s.out.String())
	}
}

// statusInto asks the control socket.
func (s *sbcd) statusInto(v any) {
	s.t.Helper()
	b, err := exec.Command(binary(s.t, "sbcd"), "status", "--control", s.control, "-json").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			s.t.Fatalf("sbcd status: %v\n%s", err, exit.Stderr)
		}
		s.t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		s.t.Fatalf("sbcd status: %v\n%s", err, b)
	}
}

// agent is a running SIPp.
type agent struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	log  string
	out  bytes.Buffer
	done chan error
}

// startAgent runs scenario once (or more often, by args) at ip; a caller also
// names the proxy in its arguments.
func startAgent(t *testing.T, scenario, ip string, args ...string) *agent {
	t.Helper()
	return startAgentAt(t, scenario, ip, agentPort, args...)
}

func startAgentAt(t *testing.T, scenario, ip, port string, args ...string) *agent {
	t.Helper()
	file, err := filepath.Abs(filepath.Join("testdata", scenario+".xml"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	a := &agent{t: t, name: scenario, log: filepath.Join(dir, "messages.log"), done: make(chan error, 1)}
	all := []string{"-sf", file, "-i", ip, "-p", port, "-nostdin", "-m", "1",
		"-trace_msg", "-message_file", a.log, "-trace_err", "-error_file", filepath.Join(dir, "errors.log"),
		"-timeout", "2m", "-timeout_error", "-recv_timeout", "60000", "-nd", "-buff_size", "1048576"}
	a.cmd = exec.CommandContext(context.Background(), sippPath(t), append(all, args...)...)
	a.cmd.Dir = dir
	a.cmd.Stdout, a.cmd.Stderr = &a.out, &a.out
	a.cmd.Env = append(os.Environ(), "TERM=dumb")
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { a.done <- a.cmd.Wait() }()
	t.Cleanup(func() {
		if a.cmd.ProcessState == nil {
			a.cmd.Process.Kill()
			<-a.done
		}
	})
	return a
}

// startCallee starts a callee and returns when its port is open.
func startCallee(t *testing.T, scenario, ip string, args ...string) *agent {
	t.Helper()
	return startCalleeAt(t, scenario, ip, agentPort, args...)
}

func startCalleeAt(t *testing.T, scenario, ip, port string, args ...string) *agent {
	t.Helper()
	a := startAgentAt(t, scenario, ip, port, args...)
	deadline := time.Now().Add(time.Minute)
	for !udpBound(t, ip+":"+port) {
		if time.Now().After(deadline) {
			t.Fatalf("callee %s did not open %s:%s\n%s", scenario, ip, port, a.out.String())
		}
		time.Sleep(20 * time.Millisecond)
	}
	return a
}

// udpBound reports whether a UDP socket is bound to addr.
func udpBound(t *testing.T, addr string) bool {
	t.Helper()
	ap, err := net.ResolveUDPAddr("udp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	ip := ap.IP.To4()
	want := fmt.Sprintf("%02X%02X%02X%02X:%04X", ip[3], ip[2], ip[1], ip[0], ap.Port)
	b, err := os.ReadFile("/proc/net/udp")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(b, []byte(" "+want+" "))
}

// wait returns when the agent's scenario has ended, and fails the test when it
// ended badly.
func (a *agent) wait() *agent {
	a.t.Helper()
	select {
	case err := <-a.done:
		if err != nil {
			errs, _ := os.ReadFile(filepath.Join(filepath.Dir(a.log), "errors.log"))
			msgs, _ := os.ReadFile(a.log)
			a.t.Fatalf("%s: %v\n%s\n%s\n%s", a.name, err, tail(a.out.String(), 15), errs, msgs)
		}
	case <-time.After(3 * time.Minute): // SIPp ends by itself before
		a.t.Fatalf("%s did not end", a.name)
	}
	return a
}

func tail(s string, lines int) string {
	l := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(l[max(0, len(l)-lines):], "\n")
}

// logged is one message in an agent's log.
type logged struct {
	sent bool
	text string
}

// label is "> INVITE", "< 180": what was sent or received.
func (m logged) label() string {
	line, _, _ := strings.Cut(m.text, "\r\n")
	f := strings.Fields(line)
	arrow := "< "
	if m.sent {
		arrow = "> "
	}
	switch {
	case len(f) < 2:
		return arrow + "?"
	case f[0] == "SIP/2.0":
		return arrow + f[1] + " " + m.header("CSeq")[strings.LastIndex(m.header("CSeq"), " ")+1:]
	default:
		return arrow + f[0]
	}
}

// header is the first value of the header, by its exact name.
func (m logged) header(name string) string {
	for _, l := range strings.Split(m.text, "\r\n") {
		if v, ok := strings.CutPrefix(l, name+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

var logHead = regexp.MustCompile(`(?m)^(?:UDP|TCP) message (sent|received) [(\[](\d+)[)\]] bytes ?:\n\n|^(?:UDP|TCP) message (sent|received) \((\d+) bytes\):\n\n`)

// messages reads the agent's log.
func (a *agent) messages() []logged {
	a.t.Helper()
	b, err := os.ReadFile(a.log)
	if err != nil {
		a.t.Fatal(err)
	}
	var out []logged
	for pos := 0; ; {
		m := logHead.FindSubmatchIndex(b[pos:])
		if m == nil {
			return out
		}
		group := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return string(b[pos+m[2*i] : pos+m[2*i+1]])
		}
		n, err := strconv.Atoi(group(2) + group(4))
		start := pos + m[1]
		if err != nil || start+n > len(b) {
			a.t.Fatalf("%s: log entry of %q bytes is cut short", a.name, group(2)+group(4))
		}
		out = append(out, logged{sent: group(1)+group(3) == "sent", text: string(b[start : start+n])})
		pos = start + n
	}
}

// labels lists the agent's messages.
func (a *agent) labels() []string {
	var out []string
	for _, m := range a.messages() {
		out = append(out, m.label())
	}
	return out
}

// live says what the proxy still holds: calls and transactions. Empty: nothing.
func (s *sbcd) live() string {
	s.t.Helper()
	var st struct {
		Engine struct {
			Calls        struct{ Live int }
			Transactions struct{ Live int }
			Concurrent   struct{ Live int }
		}
	}
	s.statusInto(&st)
	e := st.Engine
	if e.Calls.Live == 0 && e.Transactions.Live == 0 && e.Concurrent.Live == 0 {
		return ""
	}
	return fmt.Sprintf("%d calls, %d transactions, %d of the concurrency limit", e.Calls.Live, e.Transactions.Live, e.Concurrent.Live)
}
