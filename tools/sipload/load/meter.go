package load

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"

	"trunkline/tools/sipload/usage"
)

func unlockThread() { runtime.UnlockOSThread() }

// reading is everything that is read at one edge of the window.
type reading struct {
	self, watched usage.Reading
	machine       usage.Machine
}

// readings are those of one run.
type readings struct {
	edges      [2]reading
	watched    bool
	lost       *uint64 // by the sockets of the proxy, in the whole run
	socketsNow int
}

// meter reads /proc in a goroutine of its own, so that the loop need not wait.
type meter struct {
	pid    int
	target netip.AddrPort
	queues usage.Queues
	ask    chan struct{}
	done   chan error
	edges  []reading
}

func newMeter(pid int, target netip.AddrPort) (*meter, error) {
	m := &meter{pid: pid, target: target, ask: make(chan struct{}, 2), done: make(chan error, 1)}
	var err error
	if m.queues, err = m.readQueues(); err != nil {
		return nil, fmt.Errorf("cannot watch: %w", err)
	}
	if _, err := m.take(); err != nil {
		return nil, fmt.Errorf("cannot watch: %w", err)
	}
	ask := m.ask
	go func() {
		var failed error
		for range ask {
			r, err := m.take()
			m.edges, failed = append(m.edges, r), errors.Join(failed, err)
		}
		m.done <- failed
	}()
	return m, nil
}

func (m *meter) readQueues() (usage.Queues, error) {
	switch {
	case m.pid > 0:
		return usage.QueuesOf(m.pid)
	case m.target.IsValid():
		return usage.QueuesAt(m.target.Addr().String(), m.target.Port())
	}
	return nil, nil
}

func (m *meter) take() (r reading, err error) {
	if m.pid > 0 {
		r.watched, err = usage.Process(m.pid)
	}
	self, err2 := usage.Self()
	machine, err3 := usage.ReadMachine()
	r.self, r.machine = self, machine
	return r, errors.Join(err, err2, err3)
}

// read asks for a reading; the first two are kept.
func (m *meter) read() { m.ask <- struct{}{} }

// result waits for the readings.
func (m *meter) result() (readings, error) {
	m.close()
	if err := <-m.done; err != nil {
		if errors.Is(err, os.ErrNotExist) && m.pid > 0 {
			return readings{}, fmt.Errorf("the watched process %d ended during the run: %w", m.pid, err)
		}
		return readings{}, err
	}
	out := readings{watched: m.pid > 0}
	copy(out.edges[:], m.edges)
	now, err := m.readQueues()
	if err != nil {
		return readings{}, err
	}
	if len(now) > 0 {
		lost := now.Drops(m.queues)
		out.lost, out.socketsNow = &lost, len(now)
	}
	return out, nil
}

func (m *meter) close() {
	if m.ask != nil {
		close(m.ask)
		m.ask = nil
	}
}
