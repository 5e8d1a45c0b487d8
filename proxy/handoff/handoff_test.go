package handoff

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"trunkline/proxy/handoff/manager"
)

var quiet = slog.New(slog.DiscardHandler)

// The test binary is the service as well: with this variable it is one process of it.
const roleVariable = "TRUNKLINE_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		if err := play(role); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// play is one process of the service, which says what it finds a line at a time.
func play(role string) error {
	s, err := Inherit(os.Getenv, quiet)
	if err != nil {
		return err
	}
	say := func(format string, args ...any) { fmt.Printf(format+"\n", args...) }
	say("inherited %v", s.Names())
	for _, v := range []string{envPID, envCount, envNames, envNumbers} {
		if os.Getenv(v) != "" {
			say("%s is still set", v)
		}
	}
	// A child of this process gets nothing.
	out, err := exec.Command("ls", "/proc/self/fd").Output()
	if err != nil {
		return err
	}
	say("a child has %d descriptors", len(bytes.Fields(out)))
	switch role {
	case "first":
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 60, 1)})
		if err != nil {
			return err
		}
		memory, err := unix.MemfdCreate("state", unix.MFD_CLOEXEC)
		if err != nil {
			return err
		}
		arena := os.NewFile(uintptr(memory), "arena")
		if _, err := arena.WriteString("what was in memory"); err != nil {
			return err
		}
		f, err := c.File()
		if err != nil {
			return err
		}
		if err := errors.Join(s.Keep("udp.a.0", f), s.Keep("arena", arena), s.Keep("arena", f), f.Close()); err != nil {
			return err
		}
		say("kept %v", s.Kept())
		say("at %s", c.LocalAddr())
	case "next":
		f, arena := s.Take("udp.a.0"), s.Take("arena")
		if f == nil || arena == nil {
			return errors.New("nothing to take")
		}
		if s.Take("arena") != nil {
			return errors.New("taken twice")
		}
		pc, err := net.FilePacketConn(f)
		if err != nil {
			return err
		}
		b := make([]byte, 100)
		_ = pc.SetReadDeadline(time.Now().Add(time.Minute))
		n, _, err := pc.ReadFrom(b)
		if err != nil {
			return err
		}
		say("received %s", b[:n])
		m, err := io.ReadAll(io.NewSectionReader(arena, 0, 100))
		if err != nil {
			return err
		}
		say("read %s", m)
		if err := errors.Join(f.Close(), arena.Close(), pc.Close()); err != nil {
			return err
		}
	case "drops":
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			return err
		}
		say("left %v", s.Names())
	}
	say("pid %d", os.Getpid())
	// What is said from outside is the path of the program to go on with, or nothing more.
	path, err := bufio.NewReader(os.Stdin).ReadString('\n')
	for err == nil {
		path = strings.TrimSpace(path)
		if e := os.Setenv(roleVariable, "next"); e != nil {
			return e
		}
		say("still here: %v", s.Exec(path, os.Args, os.Environ()) != nil)
		s.Again()
		say("has %v", s.Names())
		out, e := exec.Command("ls", "/proc/self/fd").Output()
		if e != nil {
			return e
		}
		say("a child has %d descriptors", len(bytes.Fields(out)))
		path = os.Args[0]
	}
	return nil
}

// service is one process of it.
type service struct {
	*testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func run(t *testing.T, m *manager.Manager, role string) *service {
	t.Helper()
	s := &service{T: t, cmd: m.Command(os.Args[0])}
	s.cmd.Env = append(s.cmd.Env, roleVariable+"="+role)
	var err error
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.out = bufio.NewReader(out)
	s.cmd.Stderr = os.Stderr
	if err := m.Start(s.cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	})
	return s
}

// says wants the next line, which begins as given, and returns the rest.
func (s *service) says(begin string) string {
	s.Helper()
	line, err := s.out.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, begin) {
		s.Fatalf("said %q (%v), want %q", line, err, begin)
	}
	return strings.TrimSpace(line[len(begin):])
}

func started(t *testing.T) *manager.Manager {
	t.Helper()
	m, err := manager.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// keeps wants the manager to keep these, once it has read what was sent to it.
func keeps(t *testing.T, m *manager.Manager, names ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if !m.Until(ctx, func() bool { return slices.Equal(m.Names(), names) }) {
		t.Fatalf("the manager keeps %v, want %v", m.Names(), names)
	}
}

func sendTo(t *testing.T, at, text string) {
	t.Helper()
	c, err := net.Dial("udp4", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// A process is killed; what it kept, and what came for it meanwhile, is the next one's. That one
// executes its own program again, under the same number, after a program that is not there.
func TestWhatIsKeptOutlivesTheProcess(t *testing.T) {
	m := started(t)
	first := run(t, m, "first")
	first.says("inherited []")
	child := "a child has " + first.says("a child has ") // without anything inherited
	first.says("kept true")
	at := first.says("at ")
	first.says("pid ")
	keeps(t, m, "udp.a.0", "arena")
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.cmd.Wait()
	sendTo(t, at, "while nobody was there")

	next := run(t, m, "next")
	next.says("inherited [arena udp.a.0]")
	next.says(child)
	next.says("received while nobody was there")
	next.says("read what was in memory")
	pid := next.says("pid ")

	sendTo(t, at, "before the program was replaced")
	if _, err := io.WriteString(next.in, "/nonexistent/program\n"); err != nil {
		t.Fatal(err)
	}
	next.says("still here: true")
	next.says("has [arena udp.a.0]")
	next.says(child)
	next.says("inherited [arena udp.a.0]") // another program of the same process
	next.says(child)
	next.says("received before the program was replaced")
	next.says("read what was in memory")
	if again := next.says("pid "); again != pid {
		t.Errorf("process %s became %s", pid, again)
	}
	keeps(t, m, "udp.a.0", "arena")
	if err := next.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = next.cmd.Wait()

	// One that wants nothing of it leaves nothing, and the address is free.
	last := run(t, m, "drops")
	last.says("inherited [arena udp.a.0]")
	last.says(child)
	last.says("left []")
	keeps(t, m)
	a, err := net.ResolveUDPAddr("udp4", at)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.ListenUDP("udp4", a)
	if err != nil {
		t.Fatalf("the address is not free: %v", err)
	}
	c.Close()
}

func TestWithoutManager(t *testing.T) {
	s, err := Inherit(func(string) string { return "" }, quiet)
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	defer r.Close()
	if err := errors.Join(s.Keep("a", r), s.Drop("a", "b"), s.Close()); err != nil {
		t.Error(err)
	}
	if s.Kept() || s.Take("a") != nil || len(s.Names()) != 0 {
		t.Error("a manager, or something of a process before, out of nowhere")
	}
	var none *Store
	if err := errors.Join(none.Keep("a", r), none.Drop("a"), none.Close()); err != nil || none.Kept() || none.Take("a") != nil || none.Names() != nil {
		t.Errorf("a nil Store: %v", err)
	}
}

func TestNames(t *testing.T) {
	s, err := Inherit(func(string) string { return "" }, quiet)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for name, ok := range map[string]bool{
		"udp.carrier_1.0": true, strings.Repeat("x", 255): true,
		"": false, "a:b": false, "a b": false, "a\n": false, "ä": false, strings.Repeat("x", 256): false,
	} {
		if err := s.Keep(name, f); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
	// The environment of the next process has room for so many names, and the error says so.
	var full error
	n := 0
	for ; full == nil && n < 1000; n++ {
		full = s.Keep(fmt.Sprintf("%s%d", strings.Repeat("x", 245), n), f)
	}
	if full == nil || !strings.Contains(full.Error(), "it will open this one itself") || n < 400 {
		t.Errorf("after %d names: %v", n, full)
	}
	for name := range s.held {
		if err := s.Drop(name); err != nil {
			t.Fatal(err)
		}
	}
	if s.names != 0 {
		t.Errorf("%d bytes of names left", s.names)
	}
}

func TestInheritRefuses(t *testing.T) {
	pid := fmt.Sprint(os.Getpid())
	for _, x := range []struct {
		name string
		env  map[string]string
		want string // in the error; "": none
	}{
		{"meant for another process", map[string]string{envPID: "1", envCount: "nonsense"}, ""},
		{"no number", map[string]string{envPID: pid, envCount: "two"}, `LISTEN_FDS="two": write the number`},
		{"not open", map[string]string{envPID: pid, envCount: "1", envNumbers: "9999"}, "is not open"},
		{"fewer numbers", map[string]string{envPID: pid, envCount: "2", envNumbers: "7"}, "write 2 numbers"},
		{"no numbers", map[string]string{envPID: pid, envCount: "1", envNumbers: "x"}, "write 1 numbers"},
		{"standard input", map[string]string{envPID: pid, envCount: "1", envNumbers: "0"}, "write 1 numbers"},
		{"none", map[string]string{envPID: pid, envCount: "0"}, ""},
	} {
		s, err := Inherit(func(name string) string { return x.env[name] }, quiet)
		if (err == nil) != (x.want == "") || err != nil && !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", x.name, err, x.want)
		}
		if err == nil && len(s.Names()) != 0 {
			t.Errorf("%s: inherited %v", x.name, s.Names())
		}
	}
}

// Of two descriptors of one name nobody can tell which one is meant.
func TestTwoOfOneName(t *testing.T) {
	var fds []string
	for range 3 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := f.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.Control(func(fd uintptr) {
			n, err := duplicate(int(fd))
			if err != nil {
				t.Fatal(err)
			}
			fds = append(fds, fmt.Sprint(n))
		})
		f.Close()
	}
	env := map[string]string{envPID: fmt.Sprint(os.Getpid()), envCount: "3", envNames: "a:b:a", envNumbers: strings.Join(fds, ":")}
	s, err := Inherit(func(name string) string { return env[name] }, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Names(); !slices.Equal(got, []string{"b"}) {
		t.Errorf("inherited %v", got)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
