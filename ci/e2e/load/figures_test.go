package load

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"trunkline/proxy/control"
	"trunkline/proxy/engine"
)

// figures are what a proxy says of itself at one moment, and the system of it.
type figures struct {
	engine.Stats
	goroutines, descriptors int
	resident, heap          int           // bytes; heap: of Go's objects, garbage not yet collected too
	cpu                     time.Duration // used so far
}

// read reads the figures.
func (p *proxy) read() (figures, error) {
	var f figures
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	b, err := control.Get(ctx, p.control, control.StatusPath)
	if err != nil {
		return f, err
	}
	var s struct{ Engine engine.Stats }
	if err := json.Unmarshal(b, &s); err != nil {
		return f, err
	}
	f.Stats = s.Engine
	if b, err = control.Get(ctx, p.control, control.MetricsPath); err != nil {
		return f, err
	}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, _ := strconv.ParseFloat(value, 64)
		switch name {
		case "go_goroutines":
			f.goroutines = int(n)
		case "process_open_fds":
			f.descriptors = int(n)
		case "process_resident_memory_bytes":
			f.resident = int(n)
		case "go_memstats_heap_inuse_bytes":
			f.heap = int(n)
		case "process_cpu_seconds_total":
			f.cpu = time.Duration(n * float64(time.Second))
		}
	}
	return f, nil
}

// connections is how many there are, in all listeners.
func (f *figures) connections() (n int) {
	for _, l := range f.Listeners {
		if l.Connections != nil {
			n += int(l.Connections.Connections)
		}
	}
	return n
}

// held is everything that calls and messages hold, by name, without what is zero.
func (f *figures) held() []string {
	var out []string
	add := func(n int64, format string, args ...any) {
		if n != 0 {
			out = append(out, fmt.Sprintf("%d ", n)+fmt.Sprintf(format, args...))
		}
	}
	add(f.Calls.Live, "calls")
	add(f.Transactions.Live, "transactions")
	add(f.Transactions.Bytes, "bytes of messages")
	add(f.Concurrent.Live, "calls under the concurrency limit")
	for _, d := range f.Destinations {
		add(d.Calls, "calls at %s/%s", d.Set, d.Name)
	}
	for _, l := range f.Listeners {
		if c := l.Connections; c != nil {
			add(c.Dialing, "connections of %s being made", l.Name)
			add(c.Handshaking, "handshakes at %s", l.Name)
			add(int64(c.Waiting), "bytes waiting for connections of %s", l.Name)
		}
	}
	return out
}

// sums checks the counters against each other. They do while nothing is under way.
func (f *figures) sums() []string {
	var out []string
	c := func(name string) uint64 {
		n, ok := f.Counters[name]
		if !ok {
			out = append(out, "there is no counter "+name)
		}
		return n
	}
	equal := func(a, b uint64, format string, args ...any) {
		if a != b {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	var ended, messages uint64
	for _, n := range f.Calls.Ended {
		ended += n
	}
	equal(c("calls"), ended, "%d calls admitted, %d ended: %v", c("calls"), ended, f.Calls.Ended)
	byAnswer := f.Calls.Ended["bye"] + f.Calls.Ended["bye_lost"] + f.Calls.Ended["expired"]
	equal(c("answered"), byAnswer, "%d calls answered, %d ended by BYE or for want of one: %v", c("answered"), byAnswer, f.Calls.Ended)
	for _, l := range f.Listeners {
		for _, s := range l.Sockets {
			messages += s.Packets
		}
		if l.Connections != nil {
			messages += l.Connections.Messages
		}
	}
	equal(c("received"), messages, "%d messages handled, %d received by the listeners", c("received"), messages)
	kinds := c("requests") + c("replies") + c("keepalives") + c("dropped_source") + c("dropped_stun") + c("dropped_malformed") + c("refused_malformed")
	equal(c("received"), kinds, "%d messages handled, %d by kind: %v", c("received"), kinds, f.Counters)
	for _, name := range []string{"dropped_forged_branch", "dropped_foreign_via", "replies_not_stored", "refused_state_full", "refused_high_water"} {
		equal(c(name), 0, "%s is %d", name, c(name))
	}
	return out
}

// share is the part of one core used between two readings.
func share(from, to figures, wall time.Duration) float64 {
	return (to.cpu - from.cpu).Seconds() / max(wall.Seconds(), 1e-9)
}
