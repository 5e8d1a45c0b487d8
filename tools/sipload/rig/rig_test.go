package rig

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline/tools/sipload/result"
)

func start(t *testing.T, args ...string) *Process {
	t.Helper()
	r := Rig{ProxyCPU: "0"}
	line := r.Pinned(args...)
	p, err := Start(exec.Command(line[0], line[1:]...), 1, (*exec.Cmd).Start)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// A program ends by what it is told, or by itself, and then says so.
func TestProcess(t *testing.T) {
	p := start(t, "sleep", "600")
	if err := p.Alive(); err != nil {
		t.Error(err)
	}
	p.Stop(time.Minute)
	if err := p.Alive(); err == nil || !strings.Contains(err.Error(), "signal: terminated") {
		t.Errorf("stopped: %v", err)
	}
	stubborn := start(t, "sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done")
	for !strings.Contains(stubborn.Output(), "deaf") {
		if err := stubborn.Alive(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	stubborn.Stop(0)
	if err := stubborn.Alive(); err == nil || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("killed: %v", err)
	}
	short := start(t, "sh", "-c", "echo threads $GOMAXPROCS; exit 3")
	<-short.Ended()
	if err := short.Alive(); err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "threads 1") {
		t.Errorf("ended: %v", err)
	}
	if _, err := Start(exec.Command("/nonexistent"), 1, (*exec.Cmd).Start); err == nil {
		t.Error("a program that is not there was started")
	}
}

// Of what a program prints the end is kept.
func TestTail(t *testing.T) {
	var l tail
	for range 3 {
		if n, err := l.Write([]byte(strings.Repeat("x", kept/2))); n != kept/2 || err != nil {
			t.Fatal(n, err)
		}
	}
	_, _ = l.Write([]byte("end"))
	if s := l.String(); len(s) != kept || !strings.HasSuffix(s, "xend") {
		t.Errorf("%d bytes", len(s))
	}
}

// sipload itself, which calls its own callees, with another program in the place of the proxy.
func TestLoad(t *testing.T) {
	program := filepath.Join(t.TempDir(), "sipload")
	if out, err := exec.Command("go", "build", "-o", program, "trunkline/tools/sipload").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r := &Rig{Sipload: program, ProxyCPU: "0", LoadCPU: "0", Caller: "127.91.7.10:5060", Target: "127.91.7.21:5060", Callees: "127.91.7.21:5060"}
	p := start(t, "sleep", "600")
	ctx := context.Background()
	looked := 0
	look := func() error { looked++; return nil }
	run, err := r.During(ctx, time.Minute, p, 0, look, "--rate", "10", "--duration", "1s")
	if err != nil {
		t.Fatal(err)
	}
	if run.Window.Calls == 0 || run.CPU.Watched == nil || looked != 1 {
		t.Errorf("%d calls, watched %v, looked %d times", run.Window.Calls, run.CPU.Watched, looked)
	}
	if _, err := r.During(ctx, time.Minute, p, time.Hour, look, "--rate", "10", "--duration", "1s"); !errors.Is(err, ErrEarly) || looked != 1 {
		t.Errorf("a look too late: %v", err)
	}
	why := errors.New("nothing to see")
	if _, err := r.During(ctx, time.Minute, p, 0, func() error { return why }, "--rate", "10", "--duration", "30s"); !errors.Is(err, why) {
		t.Errorf("a look that fails: %v", err)
	}
	if _, err := r.Load(ctx, time.Minute, p, "--rate", "none"); err == nil || !strings.Contains(err.Error(), "sipload: exit status 2") {
		t.Errorf("wrong arguments: %v", err)
	}
	if _, err := r.Load(ctx, time.Millisecond, p, "--rate", "10", "--duration", "30s"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("out of time: %v", err)
	}
	if _, err := r.Window(ctx, time.Minute, nil, "--rate", "10", "--duration", "1s"); err == nil || !strings.Contains(err.Error(), "measured nothing") {
		t.Errorf("nothing watched: %v", err)
	}
	p.Kill()
	if _, err := r.Load(ctx, time.Minute, p, "--rate", "10", "--duration", "1s"); err == nil {
		t.Error("the program had ended, and nobody said so")
	}
}

func TestDisturbances(t *testing.T) {
	lag := func(us int64) map[string]result.Percentile {
		return map[string]result.Percentile{"schedule_lag": {P99: us}}
	}
	for _, c := range []struct {
		run  result.Run
		want []string
	}{
		{result.Run{}, nil},
		{result.Run{CPU: result.CPU{Others: quiet, Steal: quiet}, Latency: lag(quietLag)}, nil},
		{result.Run{CPU: result.CPU{Others: 0.2}}, []string{"other processes used 0.20 cores"}},
		{result.Run{CPU: result.CPU{Steal: 1}, Latency: lag(501)}, []string{"the host took 1.00 cores away", "calls were sent 501 us late"}},
	} {
		if got := Disturbances(&c.run); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.run.CPU, got, c.want)
		}
	}
}
