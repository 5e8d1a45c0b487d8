package engine

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"trunkline/appliance/runtime"
	"trunkline/proxy/listen"
	"trunkline/proxy/stream"
)

// The sockets of listeners outlive the process (package handoff): a later one receives what
// the kernel queued in them while none did. A socket's name says whose it is: udp.LISTENER.K, K
// its index in the group, or tcp.LISTENER.0 for one that takes connections, whatever is spoken
// over them. Connections end with their process: what TLS knows of one cannot be handed on.

// Descriptors are what the process before left, and what this one leaves.
type Descriptors interface {
	// Names are the names of what was left and not taken.
	Names() []string
	// Take gives the caller what was left under a name; nil: there is nothing.
	Take(name string) *os.File
	// Keep leaves a copy of f under a name, unless something is left under it already.
	Keep(name string, f *os.File) error
	// Drop has nothing left under these names any more when it returns.
	Drop(names ...string) error
}

// Prefixes of sockets' names.
const (
	keptDatagrams   = "udp."
	keptConnections = "tcp."
)

// socketName is the name of socket k of a listener.
func socketName(l runtime.Listener, k int) string {
	prefix := keptConnections
	if l.Datagram() {
		prefix = keptDatagrams
	}
	return prefix + l.Name + "." + strconv.Itoa(k)
}

// Adopt has Bind use the sockets that the process before left, where they fit the listeners.
// Those that do not, or whose listener is no more, are closed before it returns, so that their
// addresses are free. It comes before Bind.
func (e *Engine) Adopt(d Descriptors) error {
	listeners := map[string]int{}
	for i, l := range e.cfg.Listeners {
		name := socketName(l, 0)
		listeners[strings.TrimSuffix(name, ".0")] = i
	}
	e.inherited = make([]map[int]*os.File, len(e.cfg.Listeners))
	var drop []string
	for _, name := range d.Names() {
		if !strings.HasPrefix(name, keptDatagrams) && !strings.HasPrefix(name, keptConnections) {
			continue // not a socket's
		}
		dot := strings.LastIndexByte(name, '.')
		i, known := listeners[name[:dot]]
		k, err := strconv.Atoi(name[dot+1:])
		if !known || err != nil || k < 0 {
			drop = append(drop, name)
			continue
		}
		l := e.cfg.Listeners[i]
		f := d.Take(name)
		if f == nil {
			drop = append(drop, name)
			continue
		}
		fits := listen.Fits
		if !l.Datagram() {
			fits = stream.Fits
		}
		if err := fits(f, l); err != nil {
			e.log.Warn("inherited socket does not fit its listener: another is opened", "socket", name, "listener", l.Name, "error", err)
			_ = f.Close()
			drop = append(drop, name)
			continue
		}
		if e.inherited[i] == nil {
			e.inherited[i] = map[int]*os.File{}
		}
		e.inherited[i][k] = f
		// One without a worker is received from until it is empty, and left to nobody.
		if l.Datagram() && k >= max(l.Workers, 1) || !l.Datagram() && k > 0 {
			drop = append(drop, name)
		}
	}
	return d.Drop(drop...)
}

// unadopt closes what was inherited for listeners from i on, which were not opened.
func (e *Engine) unadopt(i int) {
	for _, files := range e.inherited[min(i, len(e.inherited)):] {
		for _, f := range files {
			_ = f.Close()
		}
	}
	e.inherited = nil
}

// adopted takes what was inherited for a listener; whoever opens the listener closes it.
func (e *Engine) adopted(i int) map[int]*os.File {
	if i >= len(e.inherited) {
		return nil
	}
	files := e.inherited[i]
	e.inherited[i] = nil
	return files
}

// Keep leaves the sockets of all listeners to the next process. The error names those that it
// will have to open itself. Bind comes first.
func (e *Engine) Keep(d Descriptors) error {
	var errs []error
	for i, g := range e.groups {
		l := e.cfg.Listeners[i]
		errs = append(errs, g.files(func(k int, f *os.File, err error) error {
			if err != nil {
				return fmt.Errorf("listener %s: descriptor of socket %d: %w", l.Name, k, err)
			}
			return errors.Join(d.Keep(socketName(l, k), f), f.Close())
		}))
	}
	return errors.Join(errs...)
}

// Adopted is how many sockets the process before opened.
func (e *Engine) Adopted() int {
	n := 0
	for _, g := range e.groups {
		n += g.adopted()
	}
	return n
}

// HandOver has the next end of Run's context leave everything to the next process, as it is
// between two messages: what was received is handled, what comes from then on waits in the
// sockets. Calls and transactions do not end. Connections do.
func (e *Engine) HandOver() { e.handingOver.Store(true) }

// HandingOver reports whether HandOver was called.
func (e *Engine) HandingOver() bool { return e.handingOver.Load() }

// finish ends receiving where a message ends. Datagram sockets can be sent from until Close.
func (e *Engine) finish() error {
	var errs []error
	for _, g := range e.groups {
		errs = append(errs, g.finish())
	}
	return errors.Join(errs...)
}

func (g datagrams) files(each func(int, *os.File, error) error) error {
	var errs []error
	for k := range g.Workers() {
		f, err := g.File(k)
		errs = append(errs, each(k, f, err))
	}
	return errors.Join(errs...)
}

func (g datagrams) adopted() int  { return g.Adopted() }
func (g datagrams) finish() error { return g.Finish() }

func (g connections) files(each func(int, *os.File, error) error) error {
	f, err := g.File()
	return each(0, f, err)
}

func (g connections) adopted() int {
	if g.Adopted() {
		return 1
	}
	return 0
}

func (g connections) finish() error { return g.Close() }
