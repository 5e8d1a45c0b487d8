package vm

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// ReadyInfo is what the appliance says when it takes calls.
type ReadyInfo struct {
	Name      string
	Listeners int
	Uptime    time.Duration // kernel start to READY, the guest's CLOCK_BOOTTIME
	Wall      time.Duration // start of QEMU to the line, as seen from here
	Image     string        // digest of the booted image; empty when it names none
	Memory    int64         // in use on the machine by then, bytes; 0: not said
}

// Lines of the console that decide a boot.
var (
	readyLine = regexp.MustCompile(`trunkline: ready name=(\S+) listeners=(\d+) uptime=(\d+(?:\.\d+)?)s(?: image=(sha256:[0-9a-f]{64})\b)?(?: memory=(\d{1,12})KiB)?`)
	fatal     = regexp.MustCompile(`trunkline: refused: .*|trunkline: init failed: .*|Kernel panic - not syncing.*`)
)

// errStopped is a machine that stopped executing although nobody asked it to.
var errStopped = errors.New("the virtual machine stopped on an internal error of QEMU or KVM")

// tailLines is how much console an error shows.
const tailLines = 25

// BootError is a boot that failed.
type BootError struct {
	Reason  string // what the guest said, or why waiting ended
	Console string // the console's last lines
	Err     error  // cause on this side; nil when the guest said why
}

func (e *BootError) Error() string {
	text := e.Reason
	if e.Console != "" {
		text += "\nlast lines of the console:\n" + e.Console
	}
	return text
}

func (e *BootError) Unwrap() error { return e.Err }

// WaitLine returns the first console line since the boot that matches re. It
// fails early like Ready.
func (m *VM) WaitLine(ctx context.Context, re *regexp.Regexp) (string, error) {
	var died string
	line, err := m.console.find(ctx, m.qmp.stopped, func(line string) bool {
		if re.MatchString(line) {
			return true
		}
		died = fatal.FindString(line)
		return died != ""
	})
	switch {
	case err == nil && died == "":
		return line, nil
	case died != "":
		// The lines after it say more; give them a moment to come.
		select {
		case <-m.done:
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
		return "", &BootError{Reason: died, Console: m.console.tail(tailLines)}
	case errors.Is(err, errEnded):
		<-m.done
		reason := errEnded.Error()
		if m.err != nil {
			reason += ": " + m.err.Error()
		}
		return "", &BootError{Reason: reason, Console: m.console.tail(tailLines), Err: errors.Join(errEnded, m.err)}
	case errors.Is(err, errStopped):
		return "", &BootError{Reason: fmt.Sprintf("%v: %s", err, m.stderr), Console: m.console.tail(tailLines), Err: err}
	}
	return "", &BootError{
		Reason: fmt.Sprintf("waiting for %q on the console: %v after %v",
			re, err, time.Since(m.started).Round(100*time.Millisecond)),
		Console: m.console.tail(tailLines), Err: err,
	}
}

// Ready waits until the appliance takes calls.
func (m *VM) Ready(ctx context.Context) (ReadyInfo, error) {
	line, err := m.WaitLine(ctx, readyLine)
	if err != nil {
		return ReadyInfo{}, fmt.Errorf("vm: boot failed: %w", err)
	}
	info, err := parseReady(line)
	if err != nil {
		return ReadyInfo{}, fmt.Errorf("vm: %w", err)
	}
	info.Wall = time.Since(m.started)
	return info, nil
}

func parseReady(line string) (ReadyInfo, error) {
	f := readyLine.FindStringSubmatch(line)
	if f == nil {
		return ReadyInfo{}, fmt.Errorf("%q is not a ready line", line)
	}
	listeners, err := strconv.Atoi(f[2])
	if err != nil {
		return ReadyInfo{}, fmt.Errorf("ready line: %w", err)
	}
	uptime, err := time.ParseDuration(f[3] + "s")
	if err != nil {
		return ReadyInfo{}, fmt.Errorf("ready line: %w", err)
	}
	info := ReadyInfo{Name: f[1], Listeners: listeners, Uptime: uptime, Image: f[4]}
	if f[5] != "" {
		kib, err := strconv.ParseInt(f[5], 10, 64)
		if err != nil {
			return ReadyInfo{}, fmt.Errorf("ready line: %w", err)
		}
		info.Memory = kib << 10
	}
	return info, nil
}
