package handoff

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Exec replaces the program of this process by the one at path, which inherits all that is held
// (execve(2)): process ID, service manager and limits stay. args begin with the name of the
// program. It returns only when that did not work, and then nothing has changed.
//
// Whatever else the process has open ends, unless it is not closed on exec.
func (s *Store) Exec(path string, args, env []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := slices.Sorted(maps.Keys(s.held))
	var numbers []string
	for _, name := range names {
		numbers = append(numbers, strconv.Itoa(s.held[name]))
	}
	env = slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return name == envPID || name == envCount || name == envNames || name == envNumbers
	})
	if len(names) > 0 {
		env = append(env, envPID+"="+strconv.Itoa(os.Getpid()), envCount+"="+strconv.Itoa(len(names)),
			envNames+"="+strings.Join(names, ":"), envNumbers+"="+strings.Join(numbers, ":"))
	}
	err := s.closeOnExec(0)
	if err == nil {
		err = os.NewSyscallError("execve", unix.Exec(path, args, env))
	}
	if e := s.closeOnExec(unix.FD_CLOEXEC); e != nil {
		s.log.Error("descriptors may reach other programs", "error", e)
	}
	return fmt.Errorf("%s not executed: %w", path, err)
}

func (s *Store) closeOnExec(flag int) error {
	for name, fd := range s.held {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, flag); err != nil {
			return fmt.Errorf("descriptor %s: %w", name, err)
		}
	}
	return nil
}
