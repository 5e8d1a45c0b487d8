package calibrate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"trunkline/proxy/handoff/manager"
	"trunkline/tools/sipload/result"
	"trunkline/tools/sipload/rig"
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
	*rig.Rig
	sbcd    string
	m       *manager.Manager
	config  string
	control string
	process *rig.Process // nil: none
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
	s := &service{m: m, sbcd: o.Sbcd, config: config, control: filepath.Join(dir, "control"),
		Rig: &rig.Rig{Sipload: o.Sipload, ProxyCPU: strconv.Itoa(o.ProxyCPU), LoadCPU: strconv.Itoa(o.LoadCPU), Caller: caller, Target: target, Callees: callees}}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// start starts the next process of the service.
func (s *service) start(ctx context.Context) error {
	before := s.m.Ready()
	line := s.Pinned(s.sbcd, "run", "--config", s.config, "--control", s.control)
	p, err := rig.Start(s.m.Command(line[0], line[1:]...), 1, s.m.Start)
	if err != nil {
		return fmt.Errorf("sbcd cannot be started: %w", err)
	}
	s.process = p
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	go func() { // nobody says that he will never be ready
		select {
		case <-p.Ended():
			cancel()
		case <-ctx.Done():
		}
	}()
	if !s.m.Until(ctx, func() bool { return s.m.Ready() > before }) {
		return fmt.Errorf("sbcd does not get ready:\n%s", p.Output())
	}
	return nil
}

// kill ends the process as a crash does.
func (s *service) kill() {
	if s.process != nil {
		s.process.Kill()
		s.process = nil
	}
}

func (s *service) close() error {
	s.kill()
	return s.m.Close()
}

// disturbed says what the machine did besides, or why else a run does not count; empty: nothing.
func disturbed(r *result.Run) string {
	if why := append(rig.Disturbances(r), r.Problems...); len(why) > 0 {
		return why[0]
	}
	return ""
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
