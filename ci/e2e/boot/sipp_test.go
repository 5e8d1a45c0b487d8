package boot

import (
	"bytes"
	"encoding/csv"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sipp is a SIPp process in the namespace.
type sipp struct {
	t    *testing.T
	cmd  *exec.Cmd
	dir  string
	out  bytes.Buffer
	done chan error
}

func (n *network) sipp(scenario, ip string, args ...string) *sipp {
	n.t.Helper()
	file, err := filepath.Abs(filepath.Join("testdata", scenario+".xml"))
	if err != nil {
		n.t.Fatal(err)
	}
	s := &sipp{t: n.t, dir: n.t.TempDir(), done: make(chan error, 1)}
	all := append([]string{"-sf", file, "-i", ip, "-p", "5060",
		"-nostdin", "-nd", "-trace_err", "-error_file", "errors.log",
		"-trace_stat", "-stf", "stat.csv", "-fd", "1"}, args...)
	s.cmd = exec.Command("sipp", all...)
	s.cmd.Dir = s.dir
	s.cmd.Env = append(os.Environ(), "TERM=dumb")
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	if err := n.lab.Start(s.cmd); err != nil {
		n.t.Fatalf("starting sipp (ci/setup test installs it): %v", err)
	}
	go func() { s.done <- s.cmd.Wait() }()
	n.t.Cleanup(s.kill)
	return s
}

// kill ends it, as a gateway that dies.
func (s *sipp) kill() {
	if s.cmd.ProcessState == nil {
		s.cmd.Process.Kill()
		<-s.done
	}
}

// calls waits for the caller's end and returns what it counted.
func (s *sipp) calls(within time.Duration) (successful, failed int) {
	s.t.Helper()
	select {
	case err := <-s.done:
		if err != nil {
			s.report()
			s.t.Errorf("sipp ended with %v", err)
		}
	case <-time.After(within):
		s.report()
		s.t.Fatalf("sipp did not end within %v", within)
	}
	f, err := os.Open(filepath.Join(s.dir, "stat.csv"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.FieldsPerRecord = ';', -1
	rows, err := r.ReadAll()
	if err != nil || len(rows) < 2 {
		s.t.Fatalf("sipp statistics: %d rows, %v", len(rows), err)
	}
	count := func(column string) int {
		for i, name := range rows[0] {
			if name == column {
				n, err := strconv.Atoi(rows[len(rows)-1][i])
				if err != nil {
					s.t.Fatalf("%s: %v", column, err)
				}
				return n
			}
		}
		s.t.Fatalf("sipp statistics have no column %s", column)
		return 0
	}
	return count("SuccessfulCall(C)"), count("FailedCall(C)")
}

func (s *sipp) report() {
	errs, _ := os.ReadFile(filepath.Join(s.dir, "errors.log"))
	lines := strings.Split(string(errs), "\n")
	s.t.Logf("sipp errors:\n%s", strings.Join(lines[:min(len(lines), 60)], "\n"))
}
