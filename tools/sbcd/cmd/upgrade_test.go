package cmd_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/handoff/manager"
	"trunkline/tools/sbcd/cmd"
)

// service is sbcd under a service manager that keeps its descriptors. It is started from a path
// of its own, where a test puts another program.
type service struct {
	*testing.T
	a       *runtime.Appliance
	m       *manager.Manager
	path    string
	args    []string
	control string
	p       *process
}

func newService(t *testing.T) *service {
	t.Helper()
	dir := t.TempDir()
	m, err := manager.Start(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{T: t, m: m, path: filepath.Join(dir, "sbcd"), control: filepath.Join(dir, "c")}
	s.a = config(t, runtime.Cache{Path: csvFile(t, "+49,one\n"), Warmup: runtime.WarmupSync})
	s.args = []string{"run", "--config", write(t, s.a), "--control", s.control}
	if err := os.Link(program, s.path); err != nil {
		b, err := os.ReadFile(program)
		if err == nil {
			err = os.WriteFile(s.path, b, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s.start()
	t.Cleanup(func() { // after the process
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { s.kill() })
	return s
}

// start starts the next process and waits until it serves.
func (s *service) start() {
	s.Helper()
	before := s.m.Ready()
	s.p = &process{t: s.T, control: s.control, stdout: &output{}, stderr: &output{}, done: make(chan struct{})}
	s.p.cmd = s.m.Command(s.path, s.args...)
	s.p.cmd.Env = append(s.p.cmd.Env, "GOMEMLIMIT=")
	s.p.cmd.Stdout, s.p.cmd.Stderr = s.p.stdout, s.p.stderr
	if err := s.m.Start(s.p.cmd); err != nil {
		s.Fatal(err)
	}
	p := s.p
	go func() { p.err = p.cmd.Wait(); close(p.done) }()
	s.readyAgain(before)
}

// readyAgain waits until READY=1 was said more often than before.
func (s *service) readyAgain(before int) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	if !s.m.Until(ctx, func() bool { return s.m.Ready() > before }) {
		s.Fatalf("no READY=1\n%s", s.p.stderr)
	}
}

func (s *service) kill() {
	_ = s.p.cmd.Process.Kill()
	<-s.p.done
}

// ask sends OPTIONS for the proxy itself from a socket and port of its own each time.
func (s *service) ask(n int) []func() {
	s.Helper()
	var out []func()
	for i := range n {
		c := udpSocket(s.T, "127.0.31.1")
		to := s.a.Listeners[0].Address
		text := fmt.Sprintf("OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%d\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:%s>\r\nCall-ID: %d\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
			to, address(c), i, to, address(c).Port())
		if _, err := c.WriteToUDPAddrPort([]byte(text), to); err != nil {
			s.Fatal(err)
		}
		out = append(out, func() { read(s.T, c, "SIP/2.0 200") })
	}
	return out
}

func (s *service) answered(asked []func()) {
	s.Helper()
	for _, answer := range asked {
		answer()
	}
}

func (s *service) inherited() (n int) {
	for _, l := range s.p.status().Engine.Listeners {
		n += l.Inherited
	}
	return n
}

// Killed, sbcd leaves its sockets to the service manager: what comes meanwhile is received by the
// next process. So it is when it stops in good order.
func TestSocketsOutliveTheProcess(t *testing.T) {
	s := newService(t)
	s.answered(s.ask(1))
	if n := s.inherited(); n != 0 {
		t.Errorf("the first process inherited %d sockets", n)
	}
	want := []string{"udp.carrier.0", "udp.carrier.1", "udp.core.0", "udp.core.1"}
	names := slices.DeleteFunc(s.m.Names(), func(n string) bool { return !strings.HasPrefix(n, "udp.") })
	if slices.Sort(names); !slices.Equal(names, want) {
		t.Errorf("the manager keeps %v, want %v", names, want)
	}
	for _, end := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGKILL} {
		if err := s.p.cmd.Process.Signal(end); err != nil {
			t.Fatal(err)
		}
		<-s.p.done
		asked := s.ask(8)
		s.start()
		s.answered(asked)
		if n := s.inherited(); n != 4 {
			t.Errorf("after %v: %d sockets inherited, want 4\n%s", end, n, s.p.stderr)
		}
	}
	if got := len(slices.DeleteFunc(s.m.Names(), func(n string) bool { return !strings.HasPrefix(n, "udp.") })); got != 4 {
		t.Errorf("in the end the manager keeps %d sockets", got)
	}
}

// SIGUSR2: the program at sbcd's path goes on, under the same number and with the same sockets. One
// that does not work does not.
func TestUpgrade(t *testing.T) {
	s := newService(t)
	// Under the name of a version of its own the program does the same.
	marked := filepath.Join(t.TempDir(), "sbcd")
	build := exec.Command("go", "build", "-ldflags=-X trunkline/tools/sbcd/cmd.version=next", "-o", marked, "trunkline/tools/sbcd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	put := func(text string) {
		t.Helper()
		if err := os.Remove(s.path); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if text == "" {
			return
		}
		if err := os.WriteFile(s.path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	pid := s.p.cmd.Process.Pid
	for _, x := range []struct{ name, program, log string }{
		{"none there", "", "not upgraded"},
		{"not a program", "nothing of the kind", "exec format error"},
		{"it fails", "#!/bin/sh\necho wrong machine\nexit 1\n", "wrong machine"},
		{"it refuses the configuration", "#!/bin/sh\n[ $1 = version ] && exit 0\necho 'trunkline: refused: too new'\nexit 1\n", "refused: too new"},
		{"it cannot be executed in the end", "#!/bin/sh\n[ $1 = check ] && rm \"$0\"\nexit 0\n", "not executed"},
	} {
		put(x.program)
		if err := s.p.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(patience); !strings.Contains(s.p.stderr.String(), x.log); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: no %q in the log\n%s", x.name, x.log, s.p.stderr)
			}
		}
		s.answered(s.ask(4))
	}
	// Messages that come while the program is replaced are answered: by one of the two.
	b, err := os.ReadFile(marked)
	if err != nil {
		t.Fatal(err)
	}
	put(string(b))
	before := s.m.Ready()
	if err := s.p.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	var asked []func()
	for s.m.Ready() == before {
		select {
		case <-s.p.done:
			t.Fatalf("it ended: %v\n%s", s.p.err, s.p.stderr)
		default:
			if len(asked) < 500 {
				asked = append(asked, s.ask(1)...)
			}
		}
	}
	s.answered(append(asked, s.ask(8)...))
	st := s.p.until("the next version", func(st cmd.Status) bool { return st.Version == "next" })
	if n := s.inherited(); n != 4 || s.p.cmd.Process.Pid != pid || !st.Ready {
		t.Errorf("%d sockets inherited, ready %v", n, st.Ready)
	}
	t.Logf("%d messages were sent meanwhile", len(asked))
}

func TestCheck(t *testing.T) {
	a := config(t, runtime.Cache{Path: csvFile(t, "+49,one\n"), Warmup: runtime.WarmupSync})
	out, errs, code := sbcd(t, "check", "--config", write(t, a))
	if code != 0 || !strings.Contains(out, "test: sbcd ") {
		t.Errorf("%d, %q, %q", code, out, errs)
	}
	a.Dispatchers[0].Destinations[0].Address, a.Dispatchers[0].Algorithm = netip.AddrPort{}, "none such"
	out, errs, code = sbcd(t, "check", "--config", write(t, a))
	if code != 1 || out != "" || !strings.HasPrefix(errs, "trunkline: refused: ") {
		t.Errorf("%d, %q, %q", code, out, errs)
	}
}

// The arena of a process goes to the next one. Where that one has another configuration it has an
// arena of its own, and leaves this to the one after it.
func TestArenaOutlivesTheProcess(t *testing.T) {
	s := newService(t)
	recovered := func() (generation uint64, ok bool) {
		if r := s.p.status().Engine.Recovered; r != nil {
			return r.Generation, true
		}
		return 0, false
	}
	for want := range uint64(3) {
		if got, ok := recovered(); got != want || ok != (want > 0) {
			t.Errorf("process %d: generation %d, %v\n%s", want, got, ok, s.p.stderr)
		}
		s.kill()
		s.start()
	}
	s.kill()
	s.a.Limits.RetryAfter = 77
	b, err := runtime.Encode(s.a)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.args[2], b, 0o644); err != nil {
		t.Fatal(err)
	}
	for want := range uint64(2) {
		s.start()
		if got, ok := recovered(); got != want || ok != (want > 0) {
			t.Errorf("with another configuration, process %d: generation %d, %v\n%s", want, got, ok, s.p.stderr)
		}
		if n := s.inherited(); n != 4 {
			t.Errorf("%d sockets inherited", n)
		}
		if names := s.m.Names(); len(names) != 5 || !slices.Contains(names, "arena") {
			t.Errorf("the manager keeps %v", names)
		}
		s.kill()
	}
}
