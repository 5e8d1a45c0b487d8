package usage

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// child starts a shell with a child of its own, and returns when both run.
func child(t *testing.T, script string) int {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

func TestProcessCountsItsDescendants(t *testing.T) {
	pid := child(t, `i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo; sleep 1000; :'; :`)
	r, err := Process(pid)
	if err != nil {
		t.Fatal(err)
	}
	if r.Processes < 2 || r.NumThreads < 2 || r.Resident < 100_000 || r.CPU() <= 0 || r.MinorFaults == 0 || r.Voluntary+r.Preempted == 0 {
		t.Errorf("%+v", r)
	}
	if again, err := Process(pid); err != nil || again.CPU() < r.CPU() {
		t.Errorf("%+v, %v", again, err)
	}
}

func TestNoSuchProcess(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	for _, f := range []func(int) error{
		func(p int) error { _, err := Process(p); return err },
		func(p int) error { _, err := QueuesOf(p); return err },
	} {
		if err := f(cmd.Process.Pid); err == nil || !strings.Contains(err.Error(), "does not run") {
			t.Errorf("%v", err)
		}
	}
}

func TestSelfAndMachine(t *testing.T) {
	a, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	b, err := Self()
	if err != nil || b.CPU() < a.CPU() || a.Resident < 1<<20 {
		t.Errorf("%+v, %+v, %v", a, b, err)
	}
	if m, err := ReadMachine(); err != nil || m.Busy <= 0 {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestQueuesSeeDrops(t *testing.T) {
	for _, ip := range []string{"127.0.40.7", "::1"} {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetReadBuffer(4096); err != nil {
			t.Fatal(err)
		}
		at := conn.LocalAddr().(*net.UDPAddr)
		readings := func() (mine, there Queues) {
			mine, err := QueuesOf(os.Getpid())
			if err != nil {
				t.Fatal(err)
			}
			there, err = QueuesAt(ip, uint16(at.Port))
			if err != nil {
				t.Fatal(err)
			}
			return mine, there
		}
		mine, there := readings()
		if len(there) != 1 || len(mine) < 1 {
			t.Fatalf("%s: %v, %v", ip, mine, there)
		}
		from, err := net.DialUDP("udp", nil, at)
		if err != nil {
			t.Fatal(err)
		}
		defer from.Close()
		for range 100 {
			if _, err := from.Write(make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		m, th := readings()
		if a, b := m.Drops(mine), th.Drops(there); a == 0 || a != b {
			t.Errorf("%s: %d drops of the process, %d at the address", ip, a, b)
		}
	}
}
