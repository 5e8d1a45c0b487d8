package vm

import (
	"bytes"
	"context"
	"io"
	"regexp"
	"strings"
	"sync"
)

// maxLines bounds the kept console; older lines are forgotten.
const maxLines = 20000

// console collects the serial console line by line.
type console struct {
	out io.Writer

	mu      sync.Mutex
	lines   []string
	dropped int // lines forgotten before lines[0]
	partial []byte
	changed chan struct{} // closed and replaced at every new line
	closed  bool
}

func newConsole(out io.Writer) *console {
	return &console{out: out, changed: make(chan struct{})}
}

// escapes are terminal control sequences, which systemd and firmware send.
var escapes = regexp.MustCompile("\x1b(\\[[0-9;?=]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)|[()][0-9A-B]|[78=>cM])")

// Write implements io.Writer for QEMU's serial output.
func (c *console) Write(p []byte) (int, error) {
	if c.out != nil {
		_, _ = c.out.Write(p) // a closed terminal must not stop the guest
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.partial = append(c.partial, p...)
	for {
		i := bytes.IndexByte(c.partial, '\n')
		if i < 0 {
			break
		}
		c.add(c.partial[:i])
		c.partial = c.partial[i+1:]
	}
	if len(c.partial) > tailBytes { // a console without newlines
		c.add(c.partial)
		c.partial = nil
	}
	return len(p), nil
}

func (c *console) add(line []byte) {
	text := escapes.ReplaceAllString(string(line), "")
	c.lines = append(c.lines, strings.TrimRight(strings.ReplaceAll(text, "\r", ""), " "))
	if over := len(c.lines) - maxLines; over > 0 {
		c.lines = append(c.lines[:0], c.lines[over:]...)
		c.dropped += over
	}
	c.wake()
}

func (c *console) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// close marks the end of the stream.
func (c *console) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.partial) > 0 {
		c.add(c.partial)
		c.partial = nil
	}
	c.closed = true
	c.wake()
}

// ours is in what the appliance's own programs say.
const ours = "trunkline: "

// tail is the last n lines, and before them, in their order, those of the appliance's own
// programs: what failed may have been said long before it mattered.
func (c *console) tail(n int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	lines := c.lines
	if len(c.partial) > 0 {
		lines = append(lines[:len(lines):len(lines)], escapes.ReplaceAllString(string(c.partial), ""))
	}
	first := max(0, len(lines)-n)
	var out []string
	for _, line := range lines[:first] {
		if strings.Contains(line, ours) {
			out = append(out, line)
		}
	}
	return strings.Join(append(out, lines[first:]...), "\n")
}

// find returns the first line, from the boot on, for which match says yes. It
// waits for it until ctx or stop ends, or the console does (errEnded).
func (c *console) find(ctx context.Context, stop <-chan struct{}, match func(string) bool) (string, error) {
	next := 0
	for {
		c.mu.Lock()
		next = max(next, c.dropped)
		for ; next < c.dropped+len(c.lines); next++ {
			if line := c.lines[next-c.dropped]; match(line) {
				c.mu.Unlock()
				return line, nil
			}
		}
		changed, closed := c.changed, c.closed
		c.mu.Unlock()
		if closed {
			return "", errEnded
		}
		select {
		case <-changed:
		case <-stop:
			return "", errStopped
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}
