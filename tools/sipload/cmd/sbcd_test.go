package cmd

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/tools/sipload/result"
)

// Where the real proxy and its neighbours are: as in ci/e2e/sip, a carrier's side
// and a side with two callees.
const (
	carrier = "127.0.142.2:5060"
	core    = "127.0.142.3:5060"
	caller  = "127.0.142.10:5060"
	callees = "127.0.142.21:5060,127.0.142.22:5060"
)

// startProxy builds sbcd and runs it until the test ends; it returns its process id.
func startProxy(t *testing.T) int {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "sbcd")
	if out, err := exec.Command("go", "build", "-o", program, "trunkline/tools/sbcd").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	listener := func(name, at, source string) runtime.Listener {
		return runtime.Listener{
			Name: name, Transport: "udp", Address: netip.MustParseAddrPort(at), Sources: []netip.Prefix{netip.MustParsePrefix(source)},
			Workers: 1, SocketCount: 1, RecvBuffer: 4 << 20, SendBuffer: 4 << 20, MaxMessage: 65507,
		}
	}
	second := func(n int) runtime.Duration { return runtime.Duration(time.Duration(n) * time.Second) }
	a := &runtime.Appliance{
		FormatVersion: runtime.FormatVersion, Name: "loop", SpecDigest: "sha256:00",
		Hardware:  runtime.Hardware{Threads: 2, MemoryBytes: 1 << 30},
		Listeners: []runtime.Listener{listener("carrier", carrier, "127.0.142.10/32"), listener("core", core, "127.0.142.20/30")},
		Dispatchers: []runtime.Dispatcher{{
			Name: "core", ID: 1, Algorithm: runtime.AlgorithmRoundRobin,
			Failover: runtime.Failover{On: []runtime.CodeSpan{{First: 500, Last: 699}}, Never: []int{486, 603}},
		}},
		Routes: []runtime.Route{{Name: "all", From: []string{"carrier"}, To: []string{"core"}}},
		Transaction: runtime.Transaction{
			T1: second(4), T2: second(4), ReplyTimeout: second(30), InviteTimeout: second(60), Wait: second(5), CallLifetime: second(600),
		},
		State: runtime.State{Transactions: 4000, MessageBytes: 32 << 20, Calls: 2000, HighWater: 0.9, BudgetBytes: 64 << 20, ProcessMemory: 256 << 20},
	}
	for i, at := range strings.Split(callees, ",") {
		a.Dispatchers[0].Destinations = append(a.Dispatchers[0].Destinations, runtime.Destination{
			Name: fmt.Sprint("uas", i), URI: "sip:" + at, Address: netip.MustParseAddrPort(at), Listener: "core",
		})
	}
	b, err := runtime.Encode(a)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "appliance.json")
	if err := os.WriteFile(config, b, 0o644); err != nil {
		t.Fatal(err)
	}
	p := exec.Command(program, "run", "--config", config, "--control", filepath.Join(dir, "control"))
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var errs bytes.Buffer
	p.Stderr = &errs
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Process.Kill()
		_ = p.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "trunkline: ready") {
		t.Fatalf("sbcd is not ready: %q, %v\n%s", line, err, errs.String())
	}
	return p.Process.Pid
}

// Through the real proxy every flow is clean: its route set, its failures and its
// order are what both sides expect. T1 is long, so that a slow machine resends
// nothing.
func TestThroughTheProxy(t *testing.T) {
	pid := startProxy(t)
	for _, c := range []struct {
		name string
		args []string
		want func(*result.Run) bool
	}{
		{"call", []string{"--ring", "10ms", "--hold", "50ms"}, func(r *result.Run) bool {
			return r.Caller.Completed == 100 && r.Callee.Completed == 100 && r.Latency["invite_100"].Count == 100 && r.Latency["invite_200"].Count == 100
		}},
		{"burst", []string{"--flow", "180-200-burst"}, func(r *result.Run) bool { return r.Caller.Completed == 100 && r.Caller.OutOfOrder == 0 }},
		{"refusal", []string{"--flow", "invite-reject", "--reject", "603"}, func(r *result.Run) bool { return r.Caller.Rejected == 100 && r.Callee.Rejected == 100 }},
		{"cancel", []string{"--cancel", "0.5", "--ring", "3s"}, func(r *result.Run) bool { return r.Caller.Cancelled == 50 && r.Caller.Completed == 50 }},
		{"OPTIONS", []string{"--flow", "options"}, func(r *result.Run) bool { return r.Caller.Completed == 100 && r.Callee.Options == 0 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"-target", carrier, "-uac", caller, "-uas", callees, "-rate", "200", "-duration", "500ms", "-json", "-", "-watch", fmt.Sprint(pid)}, c.args...)
			if !strings.Contains(strings.Join(args, " "), "--t1") {
				args = append(args, "--t1", "10s", "--t2", "10s")
			}
			var out, errs bytes.Buffer
			code := Run(t.Context(), args, &out, &errs)
			var d result.Document
			if err := json.Unmarshal(out.Bytes(), &d); err != nil {
				t.Fatalf("%v\n%s%s", err, out.String(), errs.String())
			}
			if code != 0 || !d.Clean || d.FormatVersion != result.FormatVersion || !c.want(d.Run) {
				t.Errorf("exit code %d\n%s\n%s", code, out.String(), errs.String())
			}
			if w := d.Run.CPU.Watched; w == nil || w.Resident == 0 || d.Run.Sockets.TargetDrops == nil || d.Run.Sockets.TargetSockets != 2 {
				t.Errorf("%+v %+v", d.Run.CPU, d.Run.Sockets)
			}
		})
	}
}
