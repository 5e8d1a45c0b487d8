package calibrate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"trunkline/proxy/handoff/manager"
)

// Addresses of every run: the load, the proxy, the callees, and who asks whether it is there.
const (
	caller  = "127.93.0.10:5060"
	target  = "127.93.0.2:5060"
	callees = "127.93.0.21:5060,127.93.0.22:5060"
	asker   = "127.93.0.30"
)

// patience is how long anything may take that takes moments.
const patience = 30 * time.Second

// service is sbcd of one profile, under a manager that keeps its sockets and its state.
type service struct {
	o       *Options
	m       *manager.Manager
	config  string
	control string
	cmd     *exec.Cmd
	ended   chan struct{}
	log     *output
}

// output is what the processes wrote last.
type output struct {
	mu   sync.Mutex
	text []byte
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	if over := len(o.text) - 4096; over > 0 {
		o.text = append(o.text[:0], o.text[over:]...)
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}

// serve starts sbcd and waits until it is ready.
func serve(ctx context.Context, o *Options, p Profile) (*service, error) {
	dir, err := os.MkdirTemp(o.Dir, string(p)+"-")
	if err != nil {
		return nil, err
	}
	config, err := p.config(dir)
	if err != nil {
		return nil, err
	}
	m, err := manager.Start(dir)
	if err != nil {
		return nil, err
	}
	s := &service{o: o, m: m, config: config, control: filepath.Join(dir, "control"), log: &output{}}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// start starts the next process of the service.
func (s *service) start(ctx context.Context) error {
	before := s.m.Ready()
	s.cmd = s.m.Command("taskset", "-c", strconv.Itoa(s.o.ProxyCPU), s.o.Sbcd, "run", "--config", s.config, "--control", s.control)
	s.cmd.Env = append(s.cmd.Env, "GOMAXPROCS=1")
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.m.Start(s.cmd); err != nil {
		s.cmd = nil
		return fmt.Errorf("sbcd cannot be started: %w", err)
	}
	cmd, ended := s.cmd, make(chan struct{})
	s.ended = ended
	go func() { _ = cmd.Wait(); close(ended) }()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	go func() { // nobody says that he will never be ready
		select {
		case <-ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	if !s.m.Until(ctx, func() bool { return s.m.Ready() > before }) {
		return fmt.Errorf("sbcd does not get ready:\n%s", s.log)
	}
	return nil
}

// kill ends the process as a crash does.
func (s *service) kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		<-s.ended
		s.cmd = nil
	}
}

func (s *service) close() error {
	s.kill()
	return s.m.Close()
}

func (s *service) pid() int { return s.cmd.Process.Pid }

// alive reports a process that ended by itself.
func (s *service) alive() error {
	select {
	case <-s.ended:
		return fmt.Errorf("sbcd ended while it was measured:\n%s", s.log)
	default:
		return nil
	}
}

// document is what of sipload's result is read.
type document struct {
	Run  *run `json:"run"`
	Ramp *struct {
		Knee  float64 `json:"knee"`
		Limit bool    `json:"at_end"`
	} `json:"ramp"`
}

type run struct {
	Problems []string `json:"problems"`
	Caller   struct {
		Failed uint64 `json:"failed"`
	} `json:"uac"`
	Latency map[string]struct {
		P99 int64 `json:"p99_us"`
	} `json:"latency"`
	CPU struct {
		Watched *struct {
			PerThousand float64 `json:"seconds_per_1000_calls"`
			Resident    int64   `json:"resident_bytes"`
		} `json:"watched"`
		Others float64 `json:"others"`
		Steal  float64 `json:"steal"`
	} `json:"cpu"`
}

// What a machine may do beside a run: cores that other processes use, cores that a host takes
// away, and how late one call in a hundred is sent.
const (
	quiet    = 0.15 // cores
	quietLag = 500  // us
)

// disturbed says what the machine did besides; empty: nothing that counts.
func (r *run) disturbed() string {
	switch {
	case r.CPU.Others > quiet:
		return fmt.Sprintf("other processes used %.2f cores", r.CPU.Others)
	case r.CPU.Steal > quiet:
		return fmt.Sprintf("the host took %.2f cores away", r.CPU.Steal)
	case r.Latency["schedule_lag"].P99 > quietLag:
		return fmt.Sprintf("calls were sent %d us late", r.Latency["schedule_lag"].P99)
	case len(r.Problems) > 0:
		return r.Problems[0]
	}
	return ""
}

// load runs sipload on its CPU.
func (s *service) load(ctx context.Context, bound time.Duration, args ...string) (*document, error) {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	cmd := exec.CommandContext(ctx, "taskset", append([]string{"-c", strconv.Itoa(s.o.LoadCPU), s.o.Sipload,
		"--target", target, "--uac", caller, "--uas", callees, "--json", "-", "--watch", strconv.Itoa(s.pid())}, args...)...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) { // 1: measured, and not clean
		return nil, fmt.Errorf("sipload: %w: %s", errors.Join(err, context.Cause(ctx)), errs.String())
	}
	var d document
	if err := json.Unmarshal(out.Bytes(), &d); err != nil {
		return nil, fmt.Errorf("sipload's result: %w: %s", err, errs.String())
	}
	return &d, s.alive()
}

// ask sends OPTIONS, which wait in the socket while there is no process, and returns what
// waits for the answer.
func ask() (answered func() error, err error) {
	local := &net.UDPAddr{IP: net.ParseIP(asker)}
	to, err := net.ResolveUDPAddr("udp4", target)
	if err != nil {
		return nil, err
	}
	c, err := net.DialUDP("udp4", local, to)
	if err != nil {
		return nil, err
	}
	from, id := c.LocalAddr(), time.Now().UnixNano()
	if _, err := fmt.Fprintf(c, "OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%d\r\nFrom: <sip:calibration@%s>;tag=1\r\nTo: <sip:%s>\r\nCall-ID: %d@%s\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
		target, from, id, from, target, id, from); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return func() error {
		defer c.Close()
		if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		b := make([]byte, 2048)
		n, err := c.Read(b)
		if err != nil {
			return fmt.Errorf("OPTIONS got no answer: %w", err)
		}
		if !bytes.HasPrefix(b[:n], []byte("SIP/2.0 200")) {
			return fmt.Errorf("OPTIONS got %.40q", b[:n])
		}
		return nil
	}, nil
}
