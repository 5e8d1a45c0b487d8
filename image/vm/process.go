package vm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// VM is a running machine.
type VM struct {
	accel   Accel
	started time.Time
	console *console
	qmp     *qmp
	kill    context.CancelFunc
	pid     int
	stderr  *tailBuffer
	done    chan struct{}
	err     error // valid once done is closed
}

// Accel is how the guest runs.
func (m *VM) Accel() Accel { return m.accel }

// PID is QEMU's process id.
func (m *VM) PID() int { return m.pid }

// Done is closed when QEMU has ended.
func (m *VM) Done() <-chan struct{} { return m.done }

// Err is how QEMU ended; nil while it runs and after a clean end.
func (m *VM) Err() error {
	select {
	case <-m.done:
		return m.err
	default:
		return nil
	}
}

// ConsoleTail is the last n lines of the console.
func (m *VM) ConsoleTail(n int) string { return m.console.tail(n) }

// launch starts QEMU and the goroutines that serve it.
func launch(ctx context.Context, cfg Config) (*VM, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	credentials, err := credentialFiles(cfg.credentials())
	if err != nil {
		_ = ours.Close()
		return nil, err
	}
	defer closeAll(credentials)
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, cfg.QEMU)
	pass := func(f *os.File) int {
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
		return 2 + len(cmd.ExtraFiles)
	}
	args, err := cfg.args(pass, theirs, credentials)
	if err != nil {
		cancel()
		_ = ours.Close()
		return nil, err
	}
	m := &VM{
		accel: cfg.Accel, console: newConsole(cfg.Console), kill: cancel,
		stderr: &tailBuffer{}, done: make(chan struct{}),
	}
	cmd.Args = append(cmd.Args, args...)
	cmd.Stdout, cmd.Stderr = m.console, m.stderr
	// A process group of its own: the terminal's Ctrl-C is ours to handle.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	cmd.WaitDelay = time.Second

	m.qmp = newQMP(ours)
	startErr := make(chan error, 1)
	go m.run(cmd, cfg.Netns, startErr)
	if err := <-startErr; err != nil {
		cancel()
		_ = m.qmp.close()
		return nil, err
	}
	for _, n := range cfg.NICs {
		n.Backend.Started()
	}
	return m, nil
}

// run starts QEMU and waits for it, on one thread throughout: the parent death
// signal goes off when the starting thread ends, not the process, and a thread
// that entered a namespace must not serve others afterwards. The goroutine ends
// locked, which ends the thread.
func (m *VM) run(cmd *exec.Cmd, netns string, started chan<- error) {
	runtime.LockOSThread()
	if netns != "" {
		if err := enter(netns); err != nil {
			started <- err
			return
		}
	}
	m.started = time.Now()
	if err := cmd.Start(); err != nil {
		started <- fmt.Errorf("starting %s: %w", cmd.Path, err)
		return
	}
	m.pid = cmd.Process.Pid
	started <- nil
	err := cmd.Wait()
	if err != nil {
		if text := strings.TrimSpace(m.stderr.String()); text != "" {
			err = fmt.Errorf("%w: %s", err, text)
		}
		m.err = fmt.Errorf("QEMU: %w", err)
	}
	m.console.close()
	m.kill()
	_ = m.qmp.close()
	close(m.done)
}

func enter(netns string) error {
	f, err := os.Open(netns)
	if err != nil {
		return fmt.Errorf("network namespace: %w", err)
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("entering network namespace %s: %w (root is needed)", netns, err)
	}
	return nil
}

// Stop asks the guest to power off, and ends it by force when it has not by the
// deadline of ctx (without one: after five seconds). It returns once QEMU is gone.
func (m *VM) Stop(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, stopGrace)
		defer cancel()
	}
	m.qmp.command("system_powerdown")
	select {
	case <-m.done:
		return nil
	case <-ctx.Done():
	}
	return m.Kill()
}

// Kill ends the machine at once and returns when QEMU is gone.
func (m *VM) Kill() error {
	m.kill()
	select {
	case <-m.done:
		return nil
	case <-time.After(10 * time.Second):
		return fmt.Errorf("vm: QEMU (pid %d) did not end after SIGKILL", m.pid)
	}
}

// socketPair makes a connected pair: our end as a connection, QEMU's as a file.
func socketPair() (net.Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("control socket: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "qmp"), os.NewFile(uintptr(fds[1]), "qmp-qemu")
	c, err := net.FileConn(ours)
	_ = ours.Close()
	if err != nil {
		_ = theirs.Close()
		return nil, nil, fmt.Errorf("control socket: %w", err)
	}
	return c, theirs, nil
}

// tailBuffer keeps the last bytes of a stream.
type tailBuffer struct {
	mu sync.Mutex
	b  []byte
}

const tailBytes = 8 << 10

func (t *tailBuffer) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if over := len(t.b) - tailBytes; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(p), nil
}

func (t *tailBuffer) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}

var _ io.Writer = (*tailBuffer)(nil)

// errEnded is why a wait ends when the machine does.
var errEnded = errors.New("the virtual machine ended")
