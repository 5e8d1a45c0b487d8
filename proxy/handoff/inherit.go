package handoff

import (
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The variables by which descriptors are inherited.
const (
	envPID     = "LISTEN_PID"
	envCount   = "LISTEN_FDS"
	envNames   = "LISTEN_FDNAMES"
	envNumbers = "TRUNKLINE_FDS" // colons between; without it they are 3 and up
	envManager = "NOTIFY_SOCKET"
)

// first is the lowest inherited descriptor (SD_LISTEN_FDS_START).
const first = 3

// Inherit takes over what the process before left, as getenv tells of it, and unsets the
// variables that do. It is called once, before the process starts any other. What is meant for
// another process (LISTEN_PID) is not touched. The error says which variable cannot be read.
func Inherit(getenv func(string) string, log *slog.Logger) (*Store, error) {
	defer func() {
		for _, name := range []string{envPID, envCount, envNames, envNumbers} {
			_ = os.Unsetenv(name) // never fails
		}
	}()
	s := &Store{log: log, manager: getenv(envManager), held: map[string]int{}, fresh: map[string]struct{}{}}
	if getenv(envPID) != strconv.Itoa(os.Getpid()) || getenv(envCount) == "" {
		return s, nil
	}
	n, err := strconv.ParseUint(getenv(envCount), 10, 20)
	if err != nil {
		return nil, fmt.Errorf("%s=%q: write the number of descriptors that are handed over, from %d on", envCount, getenv(envCount), first)
	}
	numbers, err := numbers(getenv(envNumbers), int(n))
	if err != nil {
		return nil, err
	}
	var names []string
	if text := getenv(envNames); text != "" {
		names = strings.Split(text, ":")
	}
	twice := map[string]bool{}
	for i, fd := range numbers {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
			return nil, fmt.Errorf("%s=%d: descriptor %d is not open: %w", envCount, n, fd, err)
		}
		name := "unknown" // as sd_listen_fds_with_names(3) has it
		if i < len(names) && names[i] != "" {
			name = names[i]
		}
		if _, ok := s.held[name]; ok {
			twice[name] = true
			_ = unix.Close(fd)
			continue
		}
		s.hold(name, fd)
		s.fresh[name] = struct{}{}
	}
	// Of two of a name nobody can tell which one is meant, and at the manager they go together.
	for name := range twice {
		log.Warn("several inherited descriptors have one name: none of them is used", "name", name)
		if err := s.Drop(name); err != nil {
			log.Warn("service manager not told", "error", err)
		}
	}
	return s, nil
}

// numbers are the descriptors that text names, n of them.
func numbers(text string, n int) ([]int, error) {
	out := make([]int, n)
	if text == "" {
		for i := range out {
			out[i] = first + i
		}
		return out, nil
	}
	fields := strings.Split(text, ":")
	wrong := fmt.Errorf("%s=%q: write %d numbers of descriptors with colons between, as %s=%d says, or leave it out", envNumbers, text, n, envCount, n)
	if len(fields) != n {
		return nil, wrong
	}
	for i, f := range fields {
		fd, err := strconv.ParseUint(f, 10, 31)
		if err != nil || fd < first {
			return nil, wrong
		}
		out[i] = int(fd)
	}
	return out, nil
}
