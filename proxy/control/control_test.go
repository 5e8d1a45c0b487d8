package control

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func TestServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	reg := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "trunkline_test_total", Help: "Test."})
	reg.MustRegister(c)
	c.Inc()
	n := 0
	s, err := Listen(path, Options{Status: func() any { n++; return map[string]int{"asked": n} }, Gatherer: reg, Log: quiet(),
		Actions: map[string]func(context.Context) (any, error){
			"/v1/do": func(context.Context) (any, error) { return map[string]bool{"done": true}, nil },
			"/v1/no": func(context.Context) (any, error) { return nil, errors.New("the key is not there: put it there") },
		}})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve() }()
	for _, tt := range []struct{ path, want string }{
		{StatusPath, "{\n  \"asked\": 1\n}\n"}, {StatusPath, "{\n  \"asked\": 2\n}\n"}, {MetricsPath, "trunkline_test_total 1\n"},
	} {
		b, err := Get(context.Background(), path, tt.path)
		if err != nil || !strings.Contains(string(b), tt.want) {
			t.Errorf("%s: %q, %v, want %q", tt.path, b, err, tt.want)
		}
	}
	if _, err := Get(context.Background(), path, "/nope"); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("/nope: %v", err)
	}
	if b, err := Post(context.Background(), path, "/v1/do"); err != nil || string(b) != "{\n  \"done\": true\n}\n" {
		t.Errorf("an action: %q, %v", b, err)
	}
	if _, err := Post(context.Background(), path, "/v1/no"); err == nil || err.Error() != "the key is not there: put it there" {
		t.Errorf("an action that fails: %v", err)
	}
	if _, err := Get(context.Background(), path, "/v1/do"); err == nil || !strings.Contains(err.Error(), "405") {
		t.Errorf("an action asked for with GET: %v", err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o660 {
		t.Errorf("socket: %v, %v", st.Mode(), err)
	}
	if _, err := Listen(path, Options{}); err == nil || !strings.Contains(err.Error(), "another process serves") {
		t.Errorf("second server: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := Get(context.Background(), path, StatusPath); err == nil || !strings.Contains(err.Error(), "is sbcd running?") {
		t.Errorf("after Close: %v", err)
	}
}

func TestListenReplacesWhatADeadProcessLeft(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	s, err := Listen(stale, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(stale); err == nil {
		t.Error("Close without Serve left the socket")
	}
	plain := filepath.Join(dir, "file")
	if err := os.WriteFile(plain, []byte("keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		plain: "is no socket", filepath.Join(dir, "no/dir"): "make its directory", filepath.Join(dir, strings.Repeat("x", 120)): "at most 107 bytes",
	} {
		if _, err := Listen(path, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if b, _ := os.ReadFile(plain); string(b) != "keep" {
		t.Error("a file that is no socket was touched")
	}
}

// manager stands in for the service manager's end of NOTIFY_SOCKET.
func manager(t *testing.T) *net.UnixConn {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "n"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", c.LocalAddr().String())
	return c
}

func next(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	buf := make([]byte, 1000)
	c.SetReadDeadline(time.Now().Add(time.Minute))
	n, err := c.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func TestNotify(t *testing.T) {
	c := manager(t)
	n := NewNotifier(quiet())
	if err := n.Ready(); err != nil {
		t.Fatal(err)
	}
	n.Status("serving")
	n.Stopping()
	n.Reloading()
	for _, want := range []string{"READY=1", "STATUS=serving", "STOPPING=1"} {
		if got := next(t, c); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := next(t, c); !regexp.MustCompile(`^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*$`).MatchString(got) {
		t.Errorf("a reload was told as %q", got)
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	if n.Ready() == nil {
		t.Error("READY=1 to nobody is no error")
	}
	t.Setenv("NOTIFY_SOCKET", "")
	if err := n.Ready(); err != nil {
		t.Errorf("without a manager: %v", err)
	}
}

func TestWatchdog(t *testing.T) {
	c := manager(t)
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", "")
	var log bytes.Buffer
	n := NewNotifier(slog.New(slog.NewTextHandler(&log, nil)))
	ctx, cancel := context.WithCancel(context.Background())
	probes, done := 0, make(chan struct{})
	go func() {
		defer close(done)
		n.Watchdog(ctx, func(context.Context) error {
			if probes++; probes == 2 {
				return errors.New("stuck")
			}
			return nil
		})
	}()
	for range 3 {
		if got := next(t, c); got != "WATCHDOG=1" {
			t.Errorf("got %q", got)
		}
	}
	cancel()
	<-done
	if probes < 4 || !strings.Contains(log.String(), "stuck") {
		t.Errorf("%d probes, log %q", probes, log.String())
	}
	t.Setenv("WATCHDOG_USEC", "")
	n.Watchdog(context.Background(), nil) // returns at once
}
