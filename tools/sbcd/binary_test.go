package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"trunkline/appliance/runtime"
)

// sbcd is the program as users get it, built once.
var sbcd string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sbcd")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	sbcd = filepath.Join(dir, "sbcd")
	build := exec.Command("go", "build", "-o", sbcd, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// rig is one appliance.json with a listener and a cache.
type rig struct {
	t               *testing.T
	config, control string
	cache           string
	listener        netip.AddrPort
	notify          *net.UnixConn
	out, err        bytes.Buffer
	cmd             *exec.Cmd
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{t: t, config: filepath.Join(dir, "appliance.json"), control: filepath.Join(dir, "c.sock"), cache: filepath.Join(dir, "table.csv")}
	// The address is this package's own, the port none that the kernel gives to sockets without one.
	r.listener = netip.MustParseAddrPort("127.0.77.1:25060")
	ms := func(n int) runtime.Duration { return runtime.Duration(time.Duration(n) * time.Millisecond) }
	b, err := runtime.Encode(&runtime.Appliance{
		FormatVersion: runtime.FormatVersion, Name: "edge", SpecDigest: "sha256:00",
		Listeners: []runtime.Listener{{
			Name: "a", Transport: "udp", Address: r.listener, Sources: []netip.Prefix{netip.MustParsePrefix("127.0.78.0/24")},
			Workers: 2, SocketCount: 2, RecvBuffer: 1 << 18, SendBuffer: 1 << 18, MaxMessage: 65507,
		}},
		Dispatchers: []runtime.Dispatcher{{Name: "core", ID: 1, Algorithm: runtime.AlgorithmRoundRobin, Destinations: []runtime.Destination{
			{Name: "d", URI: "sip:127.0.79.1:5060", Address: netip.MustParseAddrPort("127.0.79.1:5060"), Listener: "a"},
		}}},
		Routes: []runtime.Route{{Name: "r", Cache: "table"}},
		Caches: []runtime.Cache{{Name: "table", Source: "file", Path: r.cache, Warmup: runtime.WarmupSync, OnFail: runtime.OnFailRefuse}},
		Transaction: runtime.Transaction{
			T1: ms(500), T2: ms(4000), ReplyTimeout: ms(5000), InviteTimeout: ms(30000), Wait: ms(5000), CallLifetime: ms(3600000),
		},
		State:    runtime.State{Transactions: 1000, MessageBytes: 1 << 24, Calls: 1000, HighWater: 0.9, ProcessMemory: 1 << 28},
		Firewall: runtime.FirewallInput{Enabled: true, SourceRate: 100, SourceBurst: 100, MaxSources: 1000, ICMPRate: 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.config, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return r
}

// start runs sbcd with a service manager that listens.
func (r *rig) start() {
	r.t.Helper()
	var err error
	r.notify, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(r.t.TempDir(), "n"), Net: "unixgram"})
	if err != nil {
		r.t.Fatal(err)
	}
	r.cmd = exec.Command(sbcd, "run", "--config", r.config, "--control", r.control)
	r.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+r.notify.LocalAddr().String())
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.err
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		r.notify.Close()
		if r.cmd.ProcessState == nil {
			r.cmd.Process.Kill()
			r.cmd.Wait()
		}
	})
}

// told reads what the service manager is told until want comes or time is over,
// and gives all of it.
func (r *rig) told(want string, within time.Duration) (string, bool) {
	r.t.Helper()
	var all strings.Builder
	buf := make([]byte, 4096)
	r.notify.SetReadDeadline(time.Now().Add(within))
	for {
		n, err := r.notify.Read(buf)
		if err != nil {
			return all.String(), false
		}
		fmt.Fprintf(&all, "%s\n", buf[:n])
		if strings.Contains(string(buf[:n]), want) {
			return all.String(), true
		}
	}
}

// bound counts the UDP sockets bound to the listener's address.
func (r *rig) bound() int {
	r.t.Helper()
	b, err := os.ReadFile("/proc/net/udp")
	if err != nil {
		r.t.Fatal(err)
	}
	ip := r.listener.Addr().As4()
	return bytes.Count(b, fmt.Appendf(nil, " %02X%02X%02X%02X:%04X ", ip[3], ip[2], ip[1], ip[0], r.listener.Port()))
}

// cacheState asks the control socket for the state and the rows of the cache.
func (r *rig) cacheState() (string, int) {
	b, err := exec.Command(sbcd, "status", "--control", r.control, "-json").Output()
	if err != nil {
		return "", 0 // not up yet
	}
	var s struct {
		Ready  bool
		Caches []struct {
			State      string
			Rows, Read int
		}
	}
	if err := json.Unmarshal(b, &s); err != nil || len(s.Caches) != 1 {
		r.t.Fatalf("status %s: %v", b, err)
	}
	return s.Caches[0].State, max(s.Caches[0].Rows, s.Caches[0].Read)
}

func TestNothingIsOpenBeforeTheCacheIsLoaded(t *testing.T) {
	r := newRig(t)
	if err := syscall.Mkfifo(r.cache, 0o600); err != nil {
		t.Fatal(err)
	}
	r.start()
	source, err := os.OpenFile(r.cache, os.O_WRONLY, 0) // returns once sbcd reads
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	var rows bytes.Buffer
	for i := range 4096 {
		fmt.Fprintf(&rows, "+49%05d,core\n", i)
	}
	if _, err := source.Write(rows.Bytes()); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		state, n := r.cacheState()
		if state == "loading" && n >= 1024 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("cache is %q with %d rows\n%s", state, n, r.err.String())
		}
		time.Sleep(10 * time.Millisecond)
	}
	if told, ready := r.told("READY=1", 300*time.Millisecond); ready {
		t.Fatalf("READY=1 while the cache was loading: %s", told)
	}
	if n := r.bound(); n != 0 {
		t.Fatalf("%d sockets are bound while the cache was loading", n)
	}
	source.Close()
	if told, ready := r.told("READY=1", time.Minute); !ready {
		t.Fatalf("no READY=1, only %q\n%s", told, r.err.String())
	}
	if n := r.bound(); n != 2 {
		t.Errorf("%d sockets are bound, want one for each of 2 workers", n)
	}
	if state, n := r.cacheState(); state != "loaded" || n != 4096 {
		t.Errorf("cache is %q with %d rows", state, n)
	}
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if told, stopping := r.told("STOPPING=1", time.Minute); !stopping {
		t.Errorf("no STOPPING=1, only %q", told)
	}
	if err := r.cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, r.err.String())
	}
	if got := r.out.String(); !strings.HasPrefix(got, "trunkline: ready name=edge listeners=1 uptime=") || strings.Count(got, "\n") != 1 {
		t.Errorf("standard output: %q", got)
	}
	if n := r.bound(); n != 0 {
		t.Errorf("%d sockets are bound after the end", n)
	}
}

// A cache that cannot be loaded ends sbcd. That no port was ever bound shows in the
// error: another holds the port, and sbcd does not get so far as to find out.
func TestRefusesWithoutItsCache(t *testing.T) {
	tests := []struct {
		name, text string
		want       string
	}{
		{"missing", "", "no such file or directory: put the file there"},
		{"broken", "+49,core\n+43,kore\n", `table.csv:2: prefix "+43": there is no dispatcher "kore": use one of core`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			holder, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(r.listener))
			if err != nil {
				t.Fatal(err)
			}
			defer holder.Close()
			if tt.text != "" {
				if err := os.WriteFile(r.cache, []byte(tt.text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			r.start()
			var exit *exec.ExitError
			if err := r.cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Errorf("ended with %v, want exit status 1", err)
			}
			line := ""
			for _, l := range strings.Split(r.err.String(), "\n") {
				if strings.HasPrefix(l, "trunkline: refused: ") {
					line = l
				}
			}
			if !strings.Contains(line, tt.want) || !strings.Contains(line, r.cache) {
				t.Errorf("standard error %q, want a refusal that names %s with %q", r.err.String(), r.cache, tt.want)
			}
			if told, ready := r.told("READY=1", 50*time.Millisecond); ready || r.out.Len() > 0 {
				t.Errorf("told %q, standard output %q", told, r.out.String())
			}
		})
	}
}

// The port held by another is a refusal of its own, all sockets or none.
func TestRefusesAPortInUse(t *testing.T) {
	r := newRig(t)
	if err := os.WriteFile(r.cache, []byte("+49,core\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	holder, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(r.listener))
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	r.start()
	if err := r.cmd.Wait(); err == nil || !strings.Contains(r.err.String(), "trunkline: refused: ") || !strings.Contains(r.err.String(), r.listener.String()) {
		t.Errorf("%v, standard error %q", err, r.err.String())
	}
	if _, ready := r.told("READY=1", 50*time.Millisecond); ready {
		t.Error("READY=1 without a port")
	}
}

// The firewall command, in a network namespace of its own: --check tells loaded from
// not loaded, and from changed by hand.
func TestFirewall(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	r := newRig(t)
	script := `"$1" firewall --config "$2" --check; echo "before $?"
"$1" firewall --config "$2"; echo "load $?"
"$1" firewall --config "$2" --check; echo "check $?"
nft add rule inet trunkline input accept
"$1" firewall --config "$2" --check; echo "changed $?"
"$1" firewall --config "$2"; "$1" firewall --config "$2" --check; echo "again $?"`
	cmd := exec.Command("sh", "-c", script, "sh", sbcd, r.config)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	rest := string(out)
	for _, want := range []string{"trunkline: refused: firewall: table trunkline is not loaded", "before 1", "load 0", "check 0", "chain input has", "changed 1", "again 0"} {
		i := strings.Index(rest, want)
		if i < 0 {
			t.Fatalf("no %q in order in\n%s", want, out)
		}
		rest = rest[i:]
	}
}
