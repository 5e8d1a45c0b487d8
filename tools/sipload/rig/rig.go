// Package rig is the bench that sipload measures a program on: the program on CPUs of its own,
// sipload on others, and what is read of a run.
//
// It promises: a program that is started is ended, by Stop or Kill, and one that ends by itself
// while it is measured is an error with what it printed last; a run of sipload is bounded in time
// and killed with the process that asked for it; what the machine did besides is told, by the same
// bounds for whoever measures. Figures are those of package result; nothing is interpreted here.
package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"trunkline/tools/sipload/result"
)

// Rig is where a program and its load run. CPUs are lists as taskset(1) takes them.
type Rig struct {
	Sipload  string // the program
	ProxyCPU string
	LoadCPU  string

	// Addresses of a run: of the load, of the program under it, of the callees ("ADDRESS:PORT", the
	// last with commas).
	Caller, Target, Callees string
}

// Pinned is the command line of a program under load.
func (r *Rig) Pinned(args ...string) []string {
	return append([]string{"taskset", "-c", r.ProxyCPU}, args...)
}

// Load runs sipload for at most a time. watch is the program whose CPU and memory it reads, which
// must still be there at the end; nil: none. A run that was measured and is not clean is no error.
func (r *Rig) Load(ctx context.Context, bound time.Duration, watch *Process, args ...string) (*result.Document, error) {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	all := []string{"-c", r.LoadCPU, r.Sipload, "--target", r.Target, "--uac", r.Caller, "--uas", r.Callees, "--json", "-"}
	if watch != nil {
		all = append(all, "--watch", strconv.Itoa(watch.Pid()))
	}
	cmd := exec.CommandContext(ctx, "taskset", append(all, args...)...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) { // 1: measured, and not clean
		return nil, fmt.Errorf("sipload: %w: %s", errors.Join(err, context.Cause(ctx)), errs.String())
	}
	var d result.Document
	if err := json.Unmarshal(out.Bytes(), &d); err != nil {
		return nil, fmt.Errorf("sipload's result: %w: %s", err, errs.String())
	}
	if d.FormatVersion != result.FormatVersion {
		return nil, fmt.Errorf("sipload's result has version %d of its format, and %d is read: build it anew (make build)", d.FormatVersion, result.FormatVersion)
	}
	if watch != nil {
		return &d, watch.Alive()
	}
	return &d, nil
}

// Window runs sipload as Load does and gives its one run, of which the watched program's CPU is
// known.
func (r *Rig) Window(ctx context.Context, bound time.Duration, watch *Process, args ...string) (*result.Run, error) {
	d, err := r.Load(ctx, bound, watch, args...)
	if err != nil {
		return nil, err
	}
	if d.Run == nil || d.Run.Caller == nil || d.Run.CPU.Watched == nil {
		return nil, errors.New("sipload measured nothing")
	}
	return d.Run, nil
}

// ErrEarly is the error of a load that ended before it was looked at.
var ErrEarly = errors.New("the calls ended before all were up")

// During runs sipload as Window does, and looks once while it runs, a time after its begin.
func (r *Rig) During(ctx context.Context, bound time.Duration, watch *Process, at time.Duration, look func() error, args ...string) (*result.Run, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type loaded struct {
		run *result.Run
		err error
	}
	done := make(chan loaded, 1)
	go func() {
		run, err := r.Window(ctx, bound, watch, args...)
		done <- loaded{run, err}
	}()
	select {
	case l := <-done:
		if l.err != nil {
			return nil, l.err
		}
		return l.run, ErrEarly
	case <-time.After(at):
	}
	if err := look(); err != nil {
		cancel()
		<-done
		return nil, err
	}
	l := <-done
	return l.run, l.err
}

// What a machine may do beside a run: cores that other processes use, cores that a host takes
// away, and how late one call in a hundred is sent.
const (
	quiet    = 0.15 // cores
	quietLag = 500  // us
)

// Disturbances are what the machine did that has nothing to do with the program under load; none:
// nothing that counts.
func Disturbances(r *result.Run) []string {
	var out []string
	if r.CPU.Others > quiet {
		out = append(out, fmt.Sprintf("other processes used %.2f cores", r.CPU.Others))
	}
	if r.CPU.Steal > quiet {
		out = append(out, fmt.Sprintf("the host took %.2f cores away", r.CPU.Steal))
	}
	if lag := r.Latency["schedule_lag"].P99; lag > quietLag {
		out = append(out, fmt.Sprintf("calls were sent %d us late", lag))
	}
	return out
}
