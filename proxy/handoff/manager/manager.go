// Package manager is a service manager for tests, as far as package handoff needs one: it
// listens on NOTIFY_SOCKET, keeps the descriptors it is given (FDSTORE, FDSTOREREMOVE, BARRIER;
// sd_notify(3)) and starts programs that inherit them (sd_listen_fds(3)). A test can kill such a
// program and start the next one at once, which systemd does not promise to do in any given time.
package manager

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Manager keeps the descriptors of one service.
type Manager struct {
	conn *net.UnixConn
	done chan struct{}

	mu      sync.Mutex
	kept    []kept
	lent    []*os.File // copies for the process that is being started
	ready   int        // READY=1 so far
	feeds   int        // WATCHDOG=1 so far
	status  string
	err     error
	changed chan struct{} // closed, and another made, at every message
}

// kept is a bare descriptor: the poller of an os.File would wake up for every packet of a socket.
type kept struct {
	name string
	fd   int
}

// Start makes a manager whose socket is in a directory.
func Start(dir string) (*Manager, error) {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	m := &Manager{conn: conn, done: make(chan struct{}), changed: make(chan struct{})}
	go m.serve()
	return m, nil
}

// Close ends the manager and closes what it keeps.
func (m *Manager) Close() error {
	err := m.conn.Close()
	<-m.done
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.kept {
		err = errors.Join(err, unix.Close(k.fd))
	}
	m.kept = nil
	m.takeBack()
	return errors.Join(err, m.err)
}

func (m *Manager) takeBack() {
	for _, f := range m.lent {
		_ = f.Close()
	}
	m.lent = nil
}

func (m *Manager) serve() {
	defer close(m.done)
	text, rights := make([]byte, 4096), make([]byte, unix.CmsgSpace(16*4))
	for {
		n, oob, _, _, err := m.conn.ReadMsgUnix(text, rights)
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				m.fail(err)
			}
			return
		}
		fds, err := received(rights[:oob])
		if err != nil {
			m.fail(err)
		}
		m.take(string(text[:n]), fds)
	}
}

func (m *Manager) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = errors.Join(m.err, err)
}

func received(rights []byte) ([]int, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, err
	}
	var out []int
	for _, c := range messages {
		fds, err := unix.ParseUnixRights(&c)
		if err != nil {
			return nil, err
		}
		out = append(out, fds...)
	}
	return out, nil
}

// take takes one message. Descriptors that it does not say to keep are closed, which is also
// how BARRIER=1 is answered.
func (m *Manager) take(text string, fds []int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		fields[name] = value
	}
	if fields["READY"] == "1" {
		m.ready++
	}
	if fields["WATCHDOG"] == "1" {
		m.feeds++
	}
	if s, ok := fields["STATUS"]; ok {
		m.status = s
	}
	if fields["FDSTOREREMOVE"] == "1" {
		left := m.kept[:0]
		for _, k := range m.kept {
			if k.name == fields["FDNAME"] {
				_ = unix.Close(k.fd)
			} else {
				left = append(left, k)
			}
		}
		m.kept = left
	}
	for _, fd := range fds {
		if fields["FDSTORE"] == "1" && !m.has(fd) {
			m.kept = append(m.kept, kept{fields["FDNAME"], fd})
		} else {
			_ = unix.Close(fd)
		}
	}
	close(m.changed)
	m.changed = make(chan struct{})
}

// has reports whether a descriptor of the same file is kept: systemd takes none twice.
func (m *Manager) has(fd int) bool {
	var st, other unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return false
	}
	for _, k := range m.kept {
		if unix.Fstat(k.fd, &other) == nil && st.Dev == other.Dev && st.Ino == other.Ino {
			return true
		}
	}
	return false
}

// Names are the names of the descriptors that are kept, in the order they came.
func (m *Manager) Names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := []string{}
	for _, k := range m.kept {
		names = append(names, k.name)
	}
	return names
}

// Status is what the service said last of its state.
func (m *Manager) Status() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status
}

// Ready is how often the service said that it is ready.
func (m *Manager) Ready() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ready
}

// Feeds is how often the service said that it is alive (WATCHDOG=1).
func (m *Manager) Feeds() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.feeds
}

// Until waits for messages until ok, whose result it returns, or the end of ctx.
func (m *Manager) Until(ctx context.Context, ok func() bool) bool {
	for {
		m.mu.Lock()
		changed := m.changed
		m.mu.Unlock()
		if ok() {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ok()
		}
	}
}

// Start starts a command made by Command, of which there is none other meanwhile.
func (m *Manager) Start(cmd *exec.Cmd) error {
	err := cmd.Start()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.takeBack()
	return err
}

// Command is a program as the service's next process: it inherits all that is kept at this
// moment, and ends when the thread that started it does. Start starts it.
func (m *Manager) Command(path string, args ...string) *exec.Cmd {
	m.mu.Lock()
	defer m.mu.Unlock()
	// The process is to find its own number in LISTEN_PID, which is known once it is there.
	cmd := exec.Command("/bin/sh", append([]string{"-c", `LISTEN_PID=$$ exec "$@"`, "sh", path}, args...)...)
	if len(m.kept) == 0 {
		cmd = exec.Command(path, args...)
	}
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+m.conn.LocalAddr().String())
	m.takeBack()
	var names []string
	for _, k := range m.kept {
		fd, err := unix.FcntlInt(uintptr(k.fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			m.err = errors.Join(m.err, err)
			continue
		}
		m.lent = append(m.lent, os.NewFile(uintptr(fd), k.name))
		names = append(names, k.name)
	}
	cmd.ExtraFiles = m.lent
	if len(names) > 0 {
		cmd.Env = append(cmd.Env, fmt.Sprintf("LISTEN_FDS=%d", len(names)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}
