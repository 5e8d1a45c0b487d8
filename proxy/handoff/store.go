package handoff

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// maxNames is how many bytes the names of all descriptors take together, each with a colon: they
// are one variable of the environment, for which execve(2) has 128 KiB (MAX_ARG_STRLEN).
const maxNames = 120 << 10

// Store is the descriptors that outlive this process. Its methods may be called at the same
// time. A nil Store has none and keeps none.
type Store struct {
	log     *slog.Logger
	manager string // address of its socket; "": there is none

	mu    sync.Mutex
	held  map[string]int      // a copy of each, open until the process ends or it is dropped
	fresh map[string]struct{} // of these, those that were inherited and that nobody took yet
	names int                 // bytes
}

// Names are the names of the inherited descriptors that nobody took, in order.
func (s *Store) Names() []string {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.fresh))
}

// Take gives the inherited descriptor of a name to the caller, who closes it. nil: there is none,
// or it was taken.
func (s *Store) Take(name string) *os.File {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.fresh[name]; !ok {
		return nil
	}
	delete(s.fresh, name)
	fd, err := duplicate(s.held[name])
	if err != nil {
		s.log.Error("inherited descriptor not used", "name", name, "error", err)
		return nil
	}
	if kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err == nil && kind != 0 {
		_ = unix.SetNonblock(fd, true) // as Go's poller wants them, whoever opened it
	}
	return os.NewFile(uintptr(fd), name)
}

// Keep leaves a copy of f to the next process under a name of 1 to 255 printable ASCII
// characters, of which none is a colon. f stays the caller's. Nothing is done where the name is
// kept already: one that was inherited is. The error says that the next process will be without.
func (s *Store) Keep(name string, f *os.File) error {
	if s == nil {
		return nil
	}
	if !valid(name) {
		return fmt.Errorf("descriptor %q: a name has 1 to 255 printable ASCII characters and no colon", name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.held[name]; ok {
		return nil
	}
	if s.names+len(name)+1 > maxNames {
		return fmt.Errorf("descriptor %s: the names of %d others fill the environment of the next process: it will open this one itself", name, len(s.held))
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("descriptor %s: %w", name, err)
	}
	fd := -1
	if e := raw.Control(func(from uintptr) { fd, err = duplicate(int(from)) }); e != nil || err != nil {
		return fmt.Errorf("descriptor %s: %w", name, errors.Join(e, err))
	}
	s.hold(name, fd)
	if s.manager == "" {
		return nil
	}
	if err := s.tell("FDSTORE=1\nFDNAME="+name+"\nFDPOLL=0", fd); err != nil {
		return fmt.Errorf("descriptor %s not left with the service manager: %w", name, err)
	}
	return nil
}

// Kept reports whether there is a manager that keeps descriptors.
func (s *Store) Kept() bool { return s != nil && s.manager != "" }

// Drop has the next process not get the descriptors of these names. When it returns, no copy of
// them is open but those that were taken: the manager has let go of its own.
func (s *Store) Drop(names ...string) error {
	if s == nil || len(names) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, name := range names {
		if fd, ok := s.held[name]; ok {
			errs = append(errs, unix.Close(fd))
			s.names -= len(name) + 1
		}
		delete(s.held, name)
		delete(s.fresh, name)
		if s.manager != "" && valid(name) {
			errs = append(errs, s.tell("FDSTOREREMOVE=1\nFDNAME="+name, -1))
		}
	}
	if s.manager != "" {
		errs = append(errs, s.barrier())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("descriptors not taken back from the service manager: %w", err)
	}
	return nil
}

// Close drops the inherited descriptors that nobody took. What was taken or kept stays for the
// next process.
func (s *Store) Close() error {
	left := s.Names()
	if len(left) > 0 {
		s.log.Warn("inherited descriptors that nobody wants are closed", "names", left)
	}
	return s.Drop(left...)
}

// Again makes everything that is held as if it had just been inherited, for a process that goes
// on after an Exec that failed.
func (s *Store) Again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.held {
		s.fresh[name] = struct{}{}
	}
}

// hold takes over a descriptor. The caller holds mu.
func (s *Store) hold(name string, fd int) {
	s.held[name] = fd
	s.names += len(name) + 1
}

// valid reports whether a manager takes a name (sd_notify(3), FDNAME).
func valid(name string) bool {
	if name == "" || len(name) > 255 {
		return false
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c > '~' || c == ':' {
			return false
		}
	}
	return true
}

func duplicate(fd int) (int, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	return n, os.NewSyscallError("fcntl", err)
}
