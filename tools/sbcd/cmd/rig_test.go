package cmd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/tools/sbcd/cmd"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

// program is the sbcd the tests run, built once as the image's is.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sbcd")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = filepath.Join(dir, "sbcd")
	build := exec.Command("go", "build", "-o", program, "trunkline/tools/sbcd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	code := 1
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// freePort finds a port that is free at an address, over UDP and TCP. It is below those that the
// kernel gives to connections and to sockets without a port (ip_local_port_range), so that none of
// these takes it before a listener of the test does.
func freePort(t *testing.T, ip string) netip.AddrPort {
	t.Helper()
	for range 100 {
		at := netip.AddrPortFrom(netip.MustParseAddr(ip), uint16(20000+rand.N(12000)))
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err != nil {
			continue
		}
		c.Close()
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
		if err != nil {
			continue
		}
		l.Close()
		return at
	}
	t.Fatalf("no port of %s is free", ip)
	return netip.AddrPort{}
}

// udpSocket opens a socket at a port of the kernel's choice.
func udpSocket(t *testing.T, ip string) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func address(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

// config is an appliance of two listeners and two sets of one destination each; a
// cache decides between the sets, and nothing else leads anywhere.
func config(t *testing.T, cache runtime.Cache, destinations ...netip.AddrPort) *runtime.Appliance {
	t.Helper()
	second := func(n int) runtime.Duration { return runtime.Duration(time.Duration(n) * time.Second) }
	listener := func(name, ip, source string) runtime.Listener {
		return runtime.Listener{
			Name: name, Transport: "udp", Address: freePort(t, ip), Sources: []netip.Prefix{netip.MustParsePrefix(source)},
			Workers: 2, SocketCount: 2, RecvBuffer: 1 << 18, SendBuffer: 1 << 18, MaxMessage: 65507,
		}
	}
	a := &runtime.Appliance{
		FormatVersion: runtime.FormatVersion, Name: "test", SpecDigest: "sha256:00",
		Hardware:  runtime.Hardware{Threads: 2, MemoryBytes: 1 << 30},
		Listeners: []runtime.Listener{listener("carrier", "127.0.30.1", "127.0.31.0/24"), listener("core", "127.0.40.1", "127.0.41.0/24")},
		Transaction: runtime.Transaction{
			T1: runtime.Duration(500 * time.Millisecond), T2: second(4), ReplyTimeout: second(5), InviteTimeout: second(30), Wait: second(5), CallLifetime: second(600),
		},
		State:  runtime.State{Transactions: 1000, MessageBytes: 8 << 20, Calls: 500, HighWater: 0.9, BudgetBytes: 16 << 20, ProcessMemory: 123 << 20},
		Routes: []runtime.Route{{Name: "by-prefix", Cache: "prefixes"}},
	}
	for i, name := range []string{"one", "two"} {
		d := runtime.Destination{Name: name + "1", Address: netip.MustParseAddrPort("127.0.41.9:5060"), Listener: "core"}
		if i < len(destinations) {
			d.Address = destinations[i]
		}
		d.URI = "sip:" + d.Address.String()
		a.Dispatchers = append(a.Dispatchers, runtime.Dispatcher{
			Name: name, ID: i + 1, Algorithm: runtime.AlgorithmHashCallID, Destinations: []runtime.Destination{d},
		})
	}
	cache.Name, cache.Source, cache.OnFail = "prefixes", "file", runtime.OnFailRefuse
	a.Caches = []runtime.Cache{cache}
	return a
}

// process is a running sbcd.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	control string
	notify  *net.UnixConn
	stdout  *output
	stderr  *output
	done    chan struct{}
	err     error
}

// output is what a process has written so far.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// write writes a configuration and returns its path.
func write(t *testing.T, a *runtime.Appliance) string {
	t.Helper()
	b, err := runtime.Encode(a)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "appliance.json")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// start runs `sbcd run` with a manager's notification socket.
func start(t *testing.T, a *runtime.Appliance, args ...string) *process {
	t.Helper()
	dir := t.TempDir()
	p := &process{t: t, control: filepath.Join(dir, "c"), stdout: &output{}, stderr: &output{}, done: make(chan struct{})}
	var err error
	if p.notify, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "n"), Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.notify.Close() })
	p.cmd = exec.Command(program, append([]string{"run", "--config", write(t, a), "--control", p.control}, args...)...)
	p.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+p.notify.LocalAddr().String(), "GOMEMLIMIT=")
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.err = p.cmd.Wait(); close(p.done) }()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
	})
	return p
}

// told returns the next notification, or "" after d.
func (p *process) told(d time.Duration) string {
	p.t.Helper()
	buf := make([]byte, 4096)
	p.notify.SetReadDeadline(time.Now().Add(d))
	n, err := p.notify.Read(buf)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ""
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return string(buf[:n])
}

// ready waits for READY=1 and returns what was told before it.
func (p *process) ready() []string {
	p.t.Helper()
	var before []string
	for {
		switch s := p.told(patience); s {
		case "READY=1":
			return before
		case "":
			p.t.Fatalf("no READY=1; told %q\n%s", before, p.stderr)
		default:
			before = append(before, s)
		}
	}
}

// exit waits for the end of the process and returns its exit code.
func (p *process) exit() int {
	p.t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatalf("sbcd did not end\n%s", p.stderr)
		return -1
	}
}

// udp counts the UDP sockets the process holds, whatever they are bound to.
func (p *process) udp() int {
	p.t.Helper()
	dir := fmt.Sprintf("/proc/%d/", p.cmd.Process.Pid)
	fds, err := os.ReadDir(dir + "fd")
	if err != nil {
		p.t.Fatal(err)
	}
	mine := map[string]bool{}
	for _, fd := range fds {
		// A descriptor may close while we look.
		if to, err := os.Readlink(dir + "fd/" + fd.Name()); err == nil && strings.HasPrefix(to, "socket:[") {
			mine[strings.TrimSuffix(strings.TrimPrefix(to, "socket:["), "]")] = true
		}
	}
	n := 0
	for _, table := range []string{"udp", "udp6"} {
		b, err := os.ReadFile(dir + "net/" + table)
		if err != nil {
			p.t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 9 && mine[f[9]] {
				n++
			}
		}
	}
	return n
}

// sbcd runs a command that ends by itself.
func sbcd(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, program, args...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := c.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

// status asks the process for its status.
func (p *process) status() cmd.Status {
	p.t.Helper()
	out, errs, code := sbcd(p.t, "status", "--control", p.control, "-json")
	if code != 0 {
		p.t.Fatalf("sbcd status: %d, %s", code, errs)
	}
	var s cmd.Status
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		p.t.Fatalf("%v in %s", err, out)
	}
	return s
}

// until waits for a status that ok accepts.
func (p *process) until(what string, ok func(cmd.Status) bool) cmd.Status {
	p.t.Helper()
	end := time.Now().Add(patience)
	for {
		s := p.status()
		if ok(s) {
			return s
		}
		if time.Now().After(end) {
			p.t.Fatalf("never %s: %+v", what, s)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// listening waits for the control socket.
func (p *process) listening() {
	p.t.Helper()
	end := time.Now().Add(patience)
	for {
		c, err := net.Dial("unix", p.control)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(end) {
			p.t.Fatalf("no control socket: %v\n%s", err, p.stderr)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
