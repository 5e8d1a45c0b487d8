package stream

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sink is a TCP connection whose Write never waits: what the kernel does not take at
// once lies in a bounded buffer that a goroutine of its own drains. TLS is put on top of
// it, so encrypting does not wait either.
type sink struct {
	*net.TCPConn
	raw   syscall.RawConn
	limit int           // bytes that may wait
	stall time.Duration // that a peer may take for none of them
	// failed is told once, without the lock, that writing failed.
	failed func(error)
	spawn  func(func()) bool // starts a goroutine; false: closing

	mu       sync.Mutex
	out      []byte // waiting
	flight   int    // bytes the draining goroutine is writing
	lost     int    // bytes that waited when writing failed
	draining bool
	finish   bool // no more is coming: half-close when all is written
	err      error

	try struct { // operands of attempt
		p []byte
		n int
		e syscall.Errno
	}
	attempt func(fd uintptr) bool
}

// errSlow is what ends a connection whose peer does not read.
var errSlow = errors.New("the peer does not take what is sent: its buffer here is full")

func newSink(c *net.TCPConn, limit int, stall time.Duration, spawn func(func()) bool, failed func(error)) (*sink, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &sink{TCPConn: c, raw: raw, limit: limit, stall: stall, spawn: spawn, failed: failed}
	s.attempt = func(fd uintptr) bool { // made once, as it would be allocated each time
		for {
			n, _, e := unix.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(s.try.p))), uintptr(len(s.try.p)),
				unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
			if e != unix.EINTR {
				s.try.n, s.try.e = int(n), e
				return true
			}
		}
	}
	return s, nil
}

// Write takes all of p or fails; after a failure the connection is of no more use.
func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	err := s.write(p)
	fresh := err != nil && s.err == nil && !s.finish
	if fresh {
		s.err = err
	}
	s.mu.Unlock()
	if err != nil {
		if fresh {
			s.failed(err)
		}
		return 0, err
	}
	return len(p), nil
}

func (s *sink) write(p []byte) error {
	switch {
	case s.err != nil:
		return s.err
	case s.finish:
		return net.ErrClosed
	case s.draining:
		if s.flight+len(s.out)+len(p) > s.limit {
			return errSlow
		}
		s.out = append(s.out, p...)
		return nil
	case len(p) == 0:
		return nil
	}
	s.try.p, s.try.n, s.try.e = p, 0, 0
	err := s.raw.Write(s.attempt)
	n, e := s.try.n, s.try.e
	s.try.p = nil
	switch {
	case err != nil:
		return err
	case e == unix.EAGAIN || e == unix.ENOBUFS:
		n = 0
	case e != 0:
		return os.NewSyscallError("sendto", e)
	}
	if n == len(p) {
		return nil
	}
	if len(p)-n > s.limit {
		return errSlow
	}
	s.out = append(s.out[:0], p[n:]...)
	if !s.spawn(s.drain) {
		return net.ErrClosed
	}
	s.draining = true
	return nil
}

// drain writes what waits until nothing does.
func (s *sink) drain() {
	var spare []byte
	for {
		s.mu.Lock()
		if s.err != nil && s.lost == 0 {
			s.lost = s.flight + len(s.out)
		}
		s.flight = 0
		if len(s.out) == 0 || s.err != nil {
			s.draining, s.out = false, nil // a burst's memory is not kept
			finish := s.finish && s.err == nil
			s.mu.Unlock()
			if finish {
				_ = s.CloseWrite() // the peer that is gone needs no end
			}
			return
		}
		p := s.out
		s.out, s.flight = spare[:0], len(p)
		s.mu.Unlock()
		err := s.TCPConn.SetWriteDeadline(time.Now().Add(s.stall))
		if err == nil {
			_, err = s.TCPConn.Write(p)
		}
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				err = errSlow
			}
			s.mu.Lock()
			fresh := s.err == nil
			if fresh {
				s.err = err
			}
			s.mu.Unlock()
			if fresh {
				s.failed(err)
			}
			continue // to put the buffers away
		}
		_ = s.TCPConn.SetWriteDeadline(time.Time{}) // fails on a closed connection alone
		spare = p
	}
}

// end half-closes the connection when everything is written.
func (s *sink) end() {
	s.mu.Lock()
	s.finish = true
	now := !s.draining && s.err == nil
	s.mu.Unlock()
	if now {
		_ = s.CloseWrite()
	}
}

// unsent is how many bytes wait, or did when writing failed.
func (s *sink) unsent() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flight + len(s.out) + s.lost
}

// SetWriteDeadline does nothing: Write does not wait. (TLS sets one around alerts, which
// would end what is being drained.)
func (s *sink) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline bounds reading.
func (s *sink) SetDeadline(t time.Time) error { return s.SetReadDeadline(t) }
