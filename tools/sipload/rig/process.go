package rig

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Process is a program under load.
type Process struct {
	cmd   *exec.Cmd
	log   tail
	ended chan struct{}
	err   error // of its end, once ended is closed
}

// Start starts a program whose Go code, if it is of Go, runs on as many threads at once. start is
// cmd.Start, or what a service manager does in its place.
func Start(cmd *exec.Cmd, threads int, start func(*exec.Cmd) error) (*Process, error) {
	p := &Process{cmd: cmd, ended: make(chan struct{})}
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, "GOMAXPROCS="+strconv.Itoa(threads))
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	if err := start(cmd); err != nil {
		return nil, err
	}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// Pid is its process ID, which is that of the program and not of taskset, in whose place it runs.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Output is what it printed last.
func (p *Process) Output() string { return p.log.String() }

// Ended is closed once it has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Alive gives the error of a program that has ended.
func (p *Process) Alive() error {
	select {
	case <-p.ended:
		return fmt.Errorf("the program under load ended (%v):\n%s", p.cmd.ProcessState, p.Output())
	default:
		return nil
	}
}

// Stop asks it to end, and kills it when it has not within a time.
func (p *Process) Stop(within time.Duration) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(within):
		p.Kill()
	}
}

// Kill ends it as a crash does.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// kept is how much of a program's output is kept, bytes.
const kept = 64 << 10

// tail keeps the end of what was written.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if over := len(t.text) - kept; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
