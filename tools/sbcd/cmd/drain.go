package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"trunkline/proxy/control"
	"trunkline/proxy/engine"
)

// drain is whether the proxy takes new calls, and why not: an operator said so, who may
// take it back, or it was told to stop, which nobody takes back.
type drain struct {
	view *view
	note *control.Notifier
	log  *slog.Logger

	mu       sync.Mutex
	since    time.Time // zero: it does not drain
	until    time.Time // of a stop: when it ends at the latest
	stopping bool
}

// DrainStatus is how far a drain is.
type DrainStatus struct {
	Stopping bool      `json:"stopping"` // the process ends when nothing is unfinished; false: an operator's drain, which goes on
	Since    time.Time `json:"since"`
	// Until is when a process that stops ends at the latest.
	Until *time.Time `json:"until,omitempty"`
	// Unfinished are transactions for which a message is still to come.
	Unfinished int `json:"unfinished_transactions"`
	// Calls are the answered ones and those on their way. A drain does not wait for answered ones.
	Calls int64 `json:"calls"`
}

// statusEach is the least time between two status lines of a stop.
const statusEach = time.Second

// status is nil while new calls are taken.
func (d *drain) status(e *engine.Stats) *DrainStatus {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.since.IsZero() {
		return nil
	}
	s := &DrainStatus{Stopping: d.stopping, Since: d.since}
	if d.stopping {
		until := d.until
		s.Until = &until
	}
	if e != nil {
		s.Unfinished, s.Calls = e.Drain.Unfinished, e.Calls.Live
	}
	return s
}

// line is what the service manager shows.
func (d *drain) line() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.stopping:
		return "stopping"
	case !d.since.IsZero():
		return "draining: new calls are refused until `sbcd undrain`"
	}
	return "serving"
}

// set begins or ends an operator's drain. Saying it twice is harmless.
func (d *drain) set(on bool) (Status, error) {
	e := d.view.engine.Load()
	if e == nil {
		return Status{}, errors.New("the listeners are not open yet: wait until `sbcd status` says ready, or stop sbcd")
	}
	changed, err := d.change(e, on)
	if err != nil {
		return Status{}, err
	}
	if changed {
		what := "undrained: new calls are taken"
		if on {
			what = "draining: new calls are refused"
		}
		d.log.Info(what, "calls", e.Stats().Calls.Live)
		d.note.Status(d.line())
	}
	return d.view.status(), nil
}

func (d *drain) change(e *engine.Engine, on bool) (changed bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopping {
		return false, errors.New("sbcd is stopping: it drains already, and only a new start takes calls again")
	}
	if on == !d.since.IsZero() {
		return false, nil
	}
	e.Drain(on)
	if d.since = (time.Time{}); on {
		d.since = time.Now()
	}
	return true, nil
}

// stop drains a proxy that was told to stop: until nothing is unfinished, for at most
// within, or until ctx ends.
func (d *drain) stop(ctx context.Context, e *engine.Engine, within time.Duration) {
	start := time.Now()
	d.mu.Lock()
	d.stopping, d.until = true, start.Add(within)
	if d.since.IsZero() {
		d.since = start
	}
	e.Drain(true)
	d.mu.Unlock()
	calls := e.Stats().Calls.Live
	d.log.Info("stopping", "calls", calls, "within", within)

	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	left := 0
	var told time.Time
	err := e.Drained(ctx, func(n int) {
		if live := e.Stats().Calls.Live; ctx.Err() == nil { // the end of ctx ends the calls
			calls = live
		}
		if left = n; n > 0 && time.Since(told) >= statusEach {
			told = time.Now()
			d.note.Status(fmt.Sprintf("stopping, transactions left: %d, %s at most", n, seconds(time.Until(start.Add(within)).Seconds())))
		}
	})
	took := time.Since(start)
	if err != nil && left > 0 {
		d.log.Warn("stopped with transactions under way: their callers try again elsewhere, or hear nothing", "transactions", left, "calls", calls, "after", took)
		return
	}
	d.log.Info("drained", "calls", e.Stats().Calls.Live, "after", took)
}

func (p *program) drainCommand() *cobra.Command {
	return p.drainAction("drain", "Have the running proxy refuse new calls, and finish those on their way",
		`Have the running proxy refuse what is new: it gets 503 with Retry-After, and so do OPTIONS
that ask for the proxy itself, so that peers which probe it send their calls elsewhere.
Calls in progress go on, and emergency calls are taken. It lasts until
`+"`sbcd undrain`"+` or until sbcd starts anew.`, control.DrainPath)
}

func (p *program) undrainCommand() *cobra.Command {
	return p.drainAction("undrain", "Have the running proxy take new calls again",
		`Have the running proxy take new calls again after `+"`sbcd drain`"+`. A proxy that was told to
stop drains as well, and does not come back from that: the exit code is 1.`, control.UndrainPath)
}

// drainAction is a command that posts to a path and prints what comes of it.
func (p *program) drainAction(name, short, long, path string) *cobra.Command {
	var socket string
	c := &cobra.Command{
		Use: name, Short: short, Long: long, Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := p.controlSocket(&socket); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), askTimeout)
			defer cancel()
			b, err := control.Post(ctx, socket, path)
			if err != nil {
				return err
			}
			var s Status
			if err := json.Unmarshal(b, &s); err != nil {
				return fmt.Errorf("answer of %s not understood: %w", socket, err)
			}
			_, err = fmt.Fprintf(p.Stdout, "%s: %s\n", s.Name, stateOf(s))
			return err
		},
	}
	p.configFlag(c)
	c.Flags().StringVar(&socket, "control", "", "path of the control socket; default: the configuration's")
	return c
}

// stateOf is whether a proxy takes calls, in words.
func stateOf(s Status) string {
	d := s.Drain
	switch {
	case d != nil && d.Stopping:
		return fmt.Sprintf("stopping, transactions left: %d, calls: %d", d.Unfinished, d.Calls)
	case d != nil:
		return fmt.Sprintf("draining, transactions left: %d, calls: %d", d.Unfinished, d.Calls)
	case s.Ready:
		return "ready"
	}
	return "not ready"
}
