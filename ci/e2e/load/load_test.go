package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"trunkline/appliance/runtime"
)

const (
	caller  = "127.91.0.10:5060"
	target  = "127.91.0.2:5060"
	callees = "127.91.0.21:5060,127.91.0.22:5060"
)

// proxy is a running sbcd.
type proxy struct {
	t       *testing.T
	bin     string
	pid     int
	control string
}

// start runs sbcd with a spec until the test ends.
func start(t *testing.T) *proxy { return startAs(t, "sbcd", "testdata/spec", nil) }

// startAs runs one of the builds of sbcd; change may alter what the spec is baked to.
func startAs(t *testing.T, program, spec string, change func(*runtime.Appliance)) *proxy {
	t.Helper()
	bin := os.Getenv("TRUNKLINE_BIN")
	if bin == "" {
		t.Skip("TRUNKLINE_BIN is not set: run `make e2e`, which builds the programs and sets it")
	}
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	if out, err := exec.Command(filepath.Join(bin, "trunkline"), "bake", spec, "-o", tree).CombinedOutput(); err != nil {
		t.Fatalf("trunkline bake: %v\n%s", err, out)
	}
	file := filepath.Join(tree, runtime.DefaultPath)
	if change != nil {
		alter(t, file, change)
	}
	p := &proxy{t: t, bin: bin, control: filepath.Join(dir, "control")}
	var errs bytes.Buffer
	cmd := exec.Command(filepath.Join(bin, program), "run", "--config", file, "--control", p.control)
	cmd.Stderr = &errs
	// Garbage is collected often, or it would hide what is never given back: the tables are
	// large from the start, and the collector usually waits for as much again.
	cmd.Env = append(os.Environ(), "GOGC=10")
	ready, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 256)
	n, _ := ready.Read(line)
	if !strings.HasPrefix(string(line[:n]), "trunkline: ready") {
		_ = cmd.Wait()
		t.Fatalf("sbcd: %s%s", line[:n], errs.String())
	}
	p.pid = cmd.Process.Pid
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("sbcd ended by itself: %v", err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("sbcd: %v\n%s", err, errs.String())
		}
	})
	return p
}

// alter changes a baked configuration.
func alter(t *testing.T, file string, change func(*runtime.Appliance)) {
	t.Helper()
	a, err := runtime.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	change(a)
	b, err := runtime.Encode(a)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// result is what of sipload's document is looked at here.
type result struct {
	Run struct {
		Problems []string `json:"problems"`
		Caller   struct {
			Started    uint64            `json:"started"`
			Answered   uint64            `json:"answered"`
			Failed     uint64            `json:"failed"`
			FailedCode map[string]uint64 `json:"failed_by_code"`
			OutOfOrder uint64            `json:"out_of_order"`
		} `json:"uac"`
		Flood struct {
			Sent    map[string]uint64 `json:"sent"`
			Replies map[string]uint64 `json:"replies"`
			Other   uint64            `json:"other"`
		} `json:"flood"`
	} `json:"run"`
}

// sipload runs the load generator; problems are for the test to judge.
func (p *proxy) sipload(args ...string) result {
	p.t.Helper()
	cmd := exec.Command(filepath.Join(p.bin, "sipload"), append([]string{"--target", target, "--json", "-"}, args...)...) // a later --target counts
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) {
		p.t.Errorf("sipload: %v\n%s", err, errs.String())
	}
	var r result
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		p.t.Fatalf("sipload's result: %v\n%s", err, errs.String())
	}
	return r
}

// status is what of sbcd's is looked at here.
type status struct {
	Engine struct {
		Counters  map[string]uint64
		Listeners []struct {
			Sockets []struct {
				Packets    uint64
				HandedOver uint64 `json:"handed_over"`
				Drops      uint64
			}
		}
		Calls, Transactions, Concurrent struct{ Live int }
	}
}

func (p *proxy) status() status {
	p.t.Helper()
	out, err := exec.Command(filepath.Join(p.bin, "sbcd"), "status", "--control", p.control, "-json").Output()
	if err != nil {
		p.t.Fatal(err)
	}
	var s status
	if err := json.Unmarshal(out, &s); err != nil {
		p.t.Fatal(err)
	}
	return s
}

// empty waits until nothing is left of the calls: finished transactions live 5 s on.
func (p *proxy) empty() {
	p.t.Helper()
	var s status
	for end := time.Now().Add(patience); time.Now().Before(end); {
		s = p.status()
		e := s.Engine
		if e.Calls.Live == 0 && e.Transactions.Live == 0 && e.Concurrent.Live == 0 {
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
	p.t.Errorf("left after a minute: %d calls, %d transactions, %d of the concurrency limit", s.Engine.Calls.Live, s.Engine.Transactions.Live, s.Engine.Concurrent.Live)
}

// resident is the proxy's memory, bytes.
func (p *proxy) resident() int {
	p.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.pid))
	if err != nil {
		p.t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.Fields(string(b))[1])
	if err != nil {
		p.t.Fatal(err)
	}
	return n * os.Getpagesize()
}

// A trunk of one source port keeps all workers busy, and its messages stay in order.
func TestTrunkSpreads(t *testing.T) {
	p := start(t)
	r := p.sipload("--uac", caller, "--uas", callees, "--sockets", "1", "--flow", "180-200-burst", "--rate", "200", "--group", "100", "--duration", "5s")
	c := r.Run.Caller
	if c.Failed != 0 || c.Answered != 1000 {
		t.Errorf("%d calls answered, %d failed %v, want 1,000 and 0: %v", c.Answered, c.Failed, c.FailedCode, r.Run.Problems)
	}
	if c.OutOfOrder != 0 {
		t.Errorf("%d replies out of order", c.OutOfOrder)
	}
	// Everything comes in by very few sockets. A worker that finds more than a few
	// packets shares them with the others.
	s := p.status().Engine.Listeners[0].Sockets
	total, over := uint64(0), uint64(0)
	for _, x := range s {
		total += x.Packets
		over += x.HandedOver
	}
	if len(s) != 3 || total < 6000 || over < total/10 || over > total {
		t.Errorf("%d packets, %d of them handed over, in %+v", total, over, s)
	}
	p.empty()
}

// Garbage from many addresses that are no sources leaves no state, takes no memory
// and gets no answer; calls go on beside it.
func TestGarbageFlood(t *testing.T) {
	p := start(t)
	p.sipload("--uac", caller, "--uas", callees, "--rate", "50", "--duration", "2s") // what calls take once
	p.empty()
	before, counted := p.resident(), p.status().Engine.Counters["dropped_source"]
	const garbage = 20000
	done := make(chan result, 1)
	go func() {
		done <- p.sipload("--flow", "garbage", "--uac", "127.66.0.1:0", "--garbage-sources", "200", "--rate", "4000", "--duration", "5s", "--max-calls", strconv.Itoa(garbage))
	}()
	calls := p.sipload("--uac", caller, "--uas", callees, "--rate", "50", "--duration", "5s")
	flood := <-done
	if c := calls.Run.Caller; c.Failed != 0 || c.Answered != 250 {
		t.Errorf("%d calls answered, %d failed %v, want 250 and 0", c.Answered, c.Failed, c.FailedCode)
	}
	sent := uint64(0)
	for _, n := range flood.Run.Flood.Sent {
		sent += n
	}
	if len(flood.Run.Flood.Replies) != 0 || flood.Run.Flood.Other != 0 {
		t.Errorf("strangers got replies: %v, and %d other packets", flood.Run.Flood.Replies, flood.Run.Flood.Other)
	}
	// What found no room in a socket, on a machine that is busy with other things, is counted there.
	s := p.status().Engine
	dropped, noRoom := s.Counters["dropped_source"]-counted, uint64(0)
	for _, l := range s.Listeners {
		for _, k := range l.Sockets {
			noRoom += k.Drops
		}
	}
	if sent < garbage/2 || dropped+noRoom < sent*9/10 || dropped == 0 {
		t.Errorf("%d datagrams of garbage sent, %d counted as dropped, %d found no room", sent, dropped, noRoom)
	}
	p.empty()
	if grown := p.resident() - before; grown > 16<<20 {
		t.Errorf("the proxy has %d bytes more than before the flood", grown)
	}
}
