package handoff

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// managerWithin is how long the manager may take to hear one message, or to do all that was said
// before. It is at work for others meanwhile, but a start must not hang on it.
const managerWithin = 5 * time.Second

// tell sends one message to the manager (sd_notify(3)), with a descriptor unless fd is negative.
func (s *Store) tell(state string, fd int) error {
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.manager, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer c.Close()
	var rights []byte
	if fd >= 0 {
		rights = unix.UnixRights(fd)
	}
	if err := c.SetWriteDeadline(time.Now().Add(managerWithin)); err != nil {
		return err
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	// The net package takes rights for unconnected datagram sockets alone.
	e := raw.Write(func(to uintptr) bool {
		err = unix.Sendmsg(int(to), []byte(state), rights, nil, unix.MSG_NOSIGNAL)
		return err != unix.EAGAIN
	})
	return errors.Join(e, os.NewSyscallError("sendmsg", err))
}

// barrier waits until the manager has done all it was told before: it closes what comes with
// BARRIER=1 when it gets there (sd_notify_barrier(3)).
func (s *Store) barrier() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	raw, err := w.SyscallConn()
	if err == nil {
		if e := raw.Control(func(fd uintptr) { err = s.tell("BARRIER=1", int(fd)) }); e != nil {
			err = e
		}
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return err
	}
	if err := r.SetReadDeadline(time.Now().Add(managerWithin)); err != nil {
		return err
	}
	if _, err := r.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("it did not answer within %s (BARRIER=1)", managerWithin)
	}
	return nil // its end: the manager has closed it
}
