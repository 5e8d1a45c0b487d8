package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"trunkline/proxy/control"
	"trunkline/proxy/engine"
	"trunkline/proxy/stream"
)

// Times of the watch over certificates.
const (
	endsSoon  = 14 * 24 * time.Hour // before its end a certificate is named in the log
	watchEach = 24 * time.Hour      // between two looks; the first is at the start
)

// certificates are those of a running proxy: read again when asked, named in the log when
// they are about to end.
type certificates struct {
	view *view
	note *control.Notifier
	log  *slog.Logger
}

// reloaded is what the control API answers for a reload.
type reloaded struct {
	Listeners []listenerCertificates `json:"listeners"` // those with certificates
}

type listenerCertificates struct {
	Name         string               `json:"name"`
	Certificates []stream.Certificate `json:"certificates"`
}

// reload reads all certificates again; on an error the ones before stay.
func (c certificates) reload() (reloaded, error) {
	e := c.view.engine.Load()
	if e == nil {
		return reloaded{}, errors.New("the listeners are not open yet: certificates are read when they are")
	}
	if err := e.ReloadCertificates(); err != nil {
		err = fmt.Errorf("nothing was changed: %s", oneLine(err.Error()))
		c.log.Error("certificates not read again", "error", err)
		return reloaded{}, err
	}
	now := shown(e.Stats().Listeners)
	c.log.Info("certificates read again", "listeners", len(now))
	c.tell(now, time.Now())
	return reloaded{now}, nil
}

// serve reloads for every signal and looks at the ends of certificates each day, until ctx ends.
func (c certificates) serve(ctx context.Context, hup <-chan os.Signal) {
	look := time.NewTicker(watchEach)
	defer look.Stop()
	c.tell(shown(c.view.engine.Load().Stats().Listeners), time.Now())
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			c.tell(shown(c.view.engine.Load().Stats().Listeners), time.Now())
		case <-hup:
			c.note.Reloading()
			_, err := c.reload()
			if err := c.note.Ready(); err != nil {
				c.log.Warn("end of the reload not told", "error", err)
			}
			if err != nil {
				c.note.Status(c.view.drain.line() + "; certificates not read again: " + err.Error())
			} else {
				c.note.Status(c.view.drain.line())
			}
		}
	}
}

// shown are the listeners with certificates.
func shown(all []engine.ListenerStats) []listenerCertificates {
	out := []listenerCertificates{}
	for _, l := range all {
		if l.Connections != nil && len(l.Connections.Certificates) > 0 {
			out = append(out, listenerCertificates{l.Name, l.Connections.Certificates})
		}
	}
	return out
}

// tell names in the log what has ended, is not valid yet or ends soon, each certificate once.
func (c certificates) tell(listeners []listenerCertificates, now time.Time) {
	told := map[stream.Certificate]bool{}
	for _, l := range listeners {
		for _, x := range l.Certificates {
			if told[x] {
				continue
			}
			told[x] = true
			at := []any{"listener", l.Name, "secret", x.Secret, "subject", x.Subject, "serial", x.Serial}
			switch {
			case now.Before(x.NotBefore):
				c.log.Error("certificate not valid yet: peers refuse it; set the clock, or put one there that is valid, and reload", append(at, "not_before", x.NotBefore)...)
			case now.After(x.NotAfter):
				c.log.Error("certificate has ended: peers refuse it; put a new one there and reload", append(at, "not_after", x.NotAfter)...)
			case now.Add(endsSoon).After(x.NotAfter):
				c.log.Warn("certificate ends soon: put a new one there and reload", append(at, "not_after", x.NotAfter, "days", int(x.NotAfter.Sub(now)/(24*time.Hour)))...)
			}
		}
	}
}

func (p *program) reloadCertificatesCommand() *cobra.Command {
	var socket string
	c := &cobra.Command{
		Use:   "reload-certificates",
		Short: "Have the running proxy read its certificates and keys again",
		Long: `Have the running proxy read the certificates, keys and client CAs of all listeners again.
All of them are read and checked before one is used: when anything is wrong nothing
changes, and the exit code is 1. Connections and calls go on. SIGHUP does the same.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := p.controlSocket(&socket); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), askTimeout)
			defer cancel()
			b, err := control.Post(ctx, socket, control.ReloadCertificatesPath)
			if err != nil {
				return err
			}
			var r reloaded
			if err := json.Unmarshal(b, &r); err != nil {
				return fmt.Errorf("answer of %s not understood: %w", socket, err)
			}
			return r.print(p.Stdout)
		},
	}
	p.configFlag(c)
	c.Flags().StringVar(&socket, "control", "", "path of the control socket; default: the configuration's")
	return c
}

func (r reloaded) print(out io.Writer) error {
	if len(r.Listeners) == 0 {
		_, err := fmt.Fprintln(out, "no listener has certificates")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, l := range r.Listeners {
		for _, x := range l.Certificates {
			fmt.Fprintf(w, "listener %s\t%s\t%s\tuntil %s\n", l.Name, x.Secret, x.Subject, x.NotAfter.UTC().Format(time.DateTime))
		}
	}
	return w.Flush()
}
