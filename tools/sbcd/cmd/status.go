package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"trunkline/appliance/runtime"
	"trunkline/proxy/control"
	"trunkline/proxy/dispatch"
	"trunkline/proxy/engine"
	"trunkline/proxy/limit"
	"trunkline/proxy/media"
	"trunkline/proxy/preflight"
	"trunkline/proxy/stream"
)

// askTimeout bounds a question to the control socket.
const askTimeout = 10 * time.Second

func (p *program) statusCommand() *cobra.Command {
	var socket string
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show what the running proxy does",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := p.controlSocket(&socket); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), askTimeout)
			defer cancel()
			b, err := control.Get(ctx, socket, control.StatusPath)
			if err != nil {
				return err
			}
			if asJSON {
				_, err := p.Stdout.Write(b)
				return err
			}
			var s Status
			if err := json.Unmarshal(b, &s); err != nil {
				return fmt.Errorf("status of %s not understood: %w", socket, err)
			}
			return summary(p.Stdout, s)
		},
	}
	p.configFlag(c)
	c.Flags().StringVar(&socket, "control", "", "path of the control socket; default: the configuration's")
	c.Flags().BoolVar(&asJSON, "json", false, "print the whole status as JSON")
	return c
}

// controlSocket fills in the socket of the configuration when none was named.
func (p *program) controlSocket(socket *string) error {
	if *socket != "" {
		return nil
	}
	cfg, err := p.load()
	if err != nil {
		return errors.Unwrap(err)
	}
	if *socket = cfg.Control.Socket; *socket == "" {
		return errors.New("the configuration has no control socket: name the proxy's with --control")
	}
	return nil
}

// summary prints what an operator asks first: does it take calls, how many are
// there, which destinations are up, what is being refused or dropped.
func summary(out io.Writer, s Status) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, up %s, spec %s", s.Name, stateOf(s), seconds(s.UptimeSeconds), short(s.SpecDigest))
	if s.ImageVersion != "" {
		fmt.Fprintf(&b, ", version %s", s.ImageVersion)
	}
	if s.Image != "" {
		fmt.Fprintf(&b, ", image %s", short(s.Image))
	}
	if s.Memory != nil {
		fmt.Fprintf(&b, ", memory in use %s", s.Memory)
	}
	b.WriteByte('\n')
	if u := s.Update; u != nil {
		fmt.Fprintf(&b, "update: %s%s\n", u, ago(u.Looked, time.Now()))
	}
	if r := s.Preflight; r != nil && r.Outcome != preflight.OutcomePlanned {
		for _, line := range preflightLines(*r) {
			fmt.Fprintf(&b, "machine: %s\n", line)
		}
	}
	if t := s.Boot; t != nil {
		switch {
		case t.Trial == runtime.TrialRunning:
			fmt.Fprintf(&b, "on trial: not found good yet, %d more starts before the machine falls back\n", t.StartsLeft)
		case t.FellBackFrom != "":
			fmt.Fprintf(&b, "fell back from version %s: %s\n", t.FellBackFrom, t.Reason)
		}
	}
	if e := s.Engine; e != nil && e.Recovered != nil {
		r := e.Recovered
		fmt.Fprintf(&b, "took over from the process before: %d calls, %d transactions", r.Calls, r.Transactions)
		if n := r.Broken + r.Dropped; n > 0 {
			fmt.Fprintf(&b, "; %d were broken off", n)
		}
		b.WriteByte('\n')
	}
	if e := s.Engine; e != nil && e.Persisted != nil {
		persistLine(&b, e.Persisted)
	}
	if e := s.Engine; e != nil && e.Records != nil {
		recordsLine(&b, e.Records)
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, c := range s.Caches {
		fmt.Fprintf(w, "cache %s\t%s\t%d rows\t%s\n", c.Name, c.State, c.Rows, cacheNote(c, time.Now()))
	}
	if e := s.Engine; e != nil {
		for _, l := range e.Listeners {
			if l.Connections != nil {
				fmt.Fprintf(w, "listener %s\t%s/%s\t%d connections\t%s\n", l.Name, l.Address, l.Transport, l.Connections.Connections, connectionsNote(l.Connections, time.Now()))
				continue
			}
			var packets, drops, queue uint64
			for _, k := range l.Sockets {
				packets, drops, queue = packets+k.Packets, drops+k.Drops, queue+k.Queue
			}
			fmt.Fprintf(w, "listener %s\t%s\t%d packets\t%d dropped by the kernel, %d B waiting\n", l.Name, l.Address, packets, drops, queue)
		}
		for _, l := range e.Listeners {
			if o := l.Overload; o.Refused > 0 {
				fmt.Fprintf(w, "overload %s\trefuses\t%.0f %% of calls\tmessages wait %s\n", l.Name, 100*o.Refused, seconds(o.Wait.Seconds()))
			}
		}
		for _, d := range e.Destinations {
			fmt.Fprintf(w, "destination %s/%s\t%s\t%s\t%s\n", d.Set, d.Name, d.State, places(d), destinationNote(d))
		}
		if e.Media != nil {
			for _, i := range e.Media.Instances {
				fmt.Fprintf(w, "media %s\t%s\t%s\t%s\n", i.Name, upOrDown(i.Up), sessions(i), mediaNote(i))
			}
		}
		for _, l := range e.Limits {
			if l.Scope != limit.ScopeAll {
				fmt.Fprintf(w, "limit of %s %s\t%d calls\t%d at most\t%d refused\n", l.Scope, l.Name, l.Live, l.Peak, l.RefusedConcurrent+l.RefusedRate)
			}
		}
		fmt.Fprintf(w, "calls\t%d live\t%d at most\troom for %d\n", e.Calls.Live, e.Calls.Peak, e.Calls.Capacity)
		if d := e.Dialogs; d != nil {
			fmt.Fprintf(w, "dialogs\t%d kept\t%d lost\t%d of %d B of text\n", d.Kept, d.Lost, d.Bytes, d.Limit)
		}
		fmt.Fprintf(w, "transactions\t%d live\t%d at most\troom for %d\n", e.Transactions.Live, e.Transactions.Peak, e.Transactions.Capacity)
		if err := w.Flush(); err != nil {
			return err
		}
		losses(&b, e.Counters)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func upOrDown(up bool) string {
	if up {
		return "up"
	}
	return "DOWN"
}

func sessions(i media.InstanceStats) string {
	if i.MaxSessions > 0 {
		return fmt.Sprintf("%d of %d sessions", i.Sessions, i.MaxSessions)
	}
	return fmt.Sprintf("%d sessions", i.Sessions)
}

// mediaNote is where an instance is reached, how fast it answers and what went wrong with it.
func mediaNote(i media.InstanceStats) string {
	s := strings.Join(i.Control, " ")
	if i.Answered > 0 {
		s += ", answers in " + time.Duration(i.Seconds/float64(i.Answered)*1e9).Round(10*time.Microsecond).String()
	}
	for _, result := range []string{"refused", "full", "lost"} {
		n := uint64(0)
		for _, by := range i.Commands {
			n += by[result]
		}
		if n > 0 {
			s += fmt.Sprintf(", %d %s", n, result)
		}
	}
	return s
}

// ago says how long ago something was, after a line about it; nothing when it never was.
func ago(then, now time.Time) string {
	if then.IsZero() {
		return ""
	}
	return fmt.Sprintf(" (looked %s ago)", seconds(now.Sub(then).Seconds()))
}

// connectionsNote is what passed over the connections of a listener, what went wrong with
// them where anything did, and when the first of its certificates ends.
func connectionsNote(c *stream.Stats, now time.Time) string {
	s := fmt.Sprintf("%d messages, %d B waiting", c.Messages, c.Waiting)
	add := func(n uint64, what string) {
		if n > 0 {
			s += fmt.Sprintf(", %d %s", n, what)
		}
	}
	add(sumOf(c.Refused), "refused")
	add(c.Handshakes, "handshakes failed")
	add(c.DialErrors+c.DialsOver, "not made")
	add(sumOf(c.Faults), "closed for bad framing")
	add(c.Slow+c.TooSlow, "closed for slowness")
	add(c.LostMessages, "messages lost")
	if x, ok := firstToEnd(c.Certificates); ok {
		if now.After(x.NotAfter) {
			s += fmt.Sprintf(", certificate of %s ENDED %s", x.Secret, x.NotAfter.UTC().Format(time.DateOnly))
		} else {
			s += ", certificate until " + x.NotAfter.UTC().Format(time.DateOnly)
		}
	}
	return s
}

func sumOf(by map[string]uint64) (n uint64) {
	for _, v := range by {
		n += v
	}
	return n
}

// firstToEnd is the certificate shown that ends first: with it ends the chain.
func firstToEnd(all []stream.Certificate) (first stream.Certificate, ok bool) {
	for _, x := range all {
		if x.Use == stream.UseCertificate && (!ok || x.NotAfter.Before(first.NotAfter)) {
			first, ok = x, true
		}
	}
	return first, ok
}

// places is how many calls a destination has, of how many where that is stated.
func places(d engine.DestinationStats) string {
	if d.MaxCalls > 0 {
		return fmt.Sprintf("%d of %d calls", d.Calls, d.MaxCalls)
	}
	return fmt.Sprintf("%d calls", d.Calls)
}

func destinationNote(d engine.DestinationStats) string {
	s := fmt.Sprintf("%s, %d attempts, %d failed over", d.Address, d.Attempts, d.Failed)
	if n := d.Resolved; n != nil {
		s += ", " + targetsNote(n)
	}
	if d.Full > 0 {
		s += fmt.Sprintf(", %d times full", d.Full)
	}
	if d.Estimate > 0 {
		s += ", replies in " + d.Estimate.Round(100*time.Microsecond).String()
	}
	return s
}

// targetsNote is where a name leads, and what is the matter with it.
func targetsNote(n *dispatch.NameStats) string {
	up := 0
	for _, t := range n.Targets {
		if s, err := dispatch.ParseState(t.State); err == nil && s.TakesCalls() {
			up++
		}
	}
	s := fmt.Sprintf("%d of %d targets up", up, len(n.Targets))
	if n.Stale {
		s += ", last known ones"
	}
	if n.Trouble != "" {
		s += " (" + n.Trouble + ")"
	}
	return s
}

// losses names every reason for which something was refused or dropped.
func losses(b *strings.Builder, counters map[string]uint64) {
	var lost []string
	for name, n := range counters {
		if n > 0 && (strings.HasPrefix(name, "refused_") || strings.HasPrefix(name, "dropped_") || name == "send_errors") {
			lost = append(lost, fmt.Sprintf("%s=%d", name, n))
		}
	}
	slices.Sort(lost)
	if len(lost) > 0 {
		fmt.Fprintf(b, "refused, dropped: %s\n", strings.Join(lost, " "))
	}
}

// short is as much of a digest as people compare.
func short(digest string) string {
	const prefix, hex = "sha256:", 12
	return digest[:min(len(digest), len(prefix)+hex)]
}

func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	if d >= time.Minute {
		return d.Round(time.Second).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
