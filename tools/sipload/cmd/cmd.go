// Package cmd is the command line of sipload: flags in, a table or a JSON document
// out.
//
// What is promised: results go to standard output, errors and the steps of a ramp
// to standard error. The exit code is 0 when the run was clean: no call failed,
// nothing was sent twice, nothing was lost (of a ramp: at least one step was); 1
// when it was not, or could not be made; 2 when the command line is wrong. Long
// flags may have one dash or two.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"trunkline/tools/sipload/load"
	"trunkline/tools/sipload/result"
)

// Exit codes.
const (
	exitUnclean = 1
	exitUsage   = 2
)

// Main runs the program with the process's own streams and returns its exit code.
func Main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for what there is; a second one ends the process.
	context.AfterFunc(ctx, stop)
	defer stop()
	return Run(ctx, args, os.Stdout, os.Stderr)
}

// errUnclean ends a command that has shown its result.
var errUnclean = errors.New("not clean")

// failure is an error of the work, not of the command line.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// Run runs the program and returns its exit code. The end of ctx ends the run early.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := &flags{}
	c := &cobra.Command{
		Use:   "sipload --target ADDRESS:PORT --uac ADDRESS:PORT [--uas ADDRESS:PORT,...]",
		Short: "Place SIP calls at a fixed rate, answer them, and measure the proxy in between",
		Long:  about,
		Example: `  sipload --target 127.0.0.2:5060 --uac 127.0.0.10:5060 --uas 127.0.0.21:5060,127.0.0.22:5060 --rate 1000 --watch PID
  sipload --target 127.0.0.2:5060 --uac 127.0.0.10:5060 --uas 127.0.0.21:5060 --ramp 1000:8000:500 --step-duration 5s --precise
  sipload --uas 127.0.0.21:5060 --ring 2s --duration 10m`,
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Args:              cobra.NoArgs,
		RunE:              func(c *cobra.Command, _ []string) error { return f.run(c.Context(), stdout, stderr) },
	}
	c.SetOut(stdout)
	c.SetErr(stderr)
	f.define(c.Flags())
	c.SetArgs(doubleDashes(c, args))
	err := c.ExecuteContext(ctx)
	var failed failure
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUnclean):
		return exitUnclean
	case errors.As(err, &failed):
		fmt.Fprintf(stderr, "sipload: %v\n", err)
		return exitUnclean
	}
	fmt.Fprintf(stderr, "sipload: %v; see `sipload --help`\n", err)
	return exitUsage
}

const about = `Place SIP calls at a fixed rate, answer them, and measure the proxy in between.

Calls start on schedule whatever the proxy does, and latencies count from the
schedule. Both sides retransmit as RFC 3261 says, follow the route set, and count
everything that comes twice, out of order or unexpected. Traffic goes to loopback
and private addresses alone.

Flows: call (INVITE, 180, 200, ACK, BYE), 180-200-burst (both responses at once),
invite-reject, options, garbage (datagrams that are no SIP message).`

// doubleDashes lets long flags have one dash: pflag would read -json as -j -s -o -n.
func doubleDashes(c *cobra.Command, args []string) []string {
	long := map[string]bool{"help": true}
	c.Flags().VisitAll(func(f *pflag.Flag) { long[f.Name] = true })
	out := append([]string(nil), args...)
	for i, arg := range args {
		if arg == "--" {
			break
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
		if strings.HasPrefix(arg, "-") && long[name] {
			out[i] = "-" + arg
		}
	}
	return out
}

func (f *flags) run(ctx context.Context, stdout, stderr io.Writer) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	ramp, step, err := f.plan()
	if err != nil {
		return err
	}
	rate, calls := step.Rate, step.Total()
	if ramp != nil {
		rate, calls = ramp.To, 0
	}
	if !o.Target.IsValid() {
		rate = max(rate, load.ServeRate)
	}
	// The file is there before the load is: a run is not made in vain.
	document := stdout
	if f.json != "" && f.json != "-" {
		file, err := os.Create(f.json)
		if err != nil {
			return failure{err}
		}
		defer file.Close()
		document = file
	}
	e, err := load.Open(o, rate, calls)
	if err != nil {
		return failure{err}
	}
	defer e.Close()
	d := &result.Document{FormatVersion: result.FormatVersion, Program: "sipload", Settings: e.Settings()}
	if ramp != nil {
		d.Ramp, err = ramp.Run(ctx, e, func(r *result.Run) { _ = r.WriteStep(stderr) })
	} else {
		d.Run, err = e.Run(ctx, step)
	}
	if err != nil {
		return failure{err}
	}
	d.Clean = d.Run != nil && d.Run.Clean() || d.Ramp != nil && d.Ramp.Knee > 0
	if f.json != "" {
		if err := d.WriteJSON(document); err != nil {
			return failure{fmt.Errorf("writing %s: %w", f.json, err)}
		}
	}
	if f.json != "-" {
		if err := d.WriteTable(stdout); err != nil {
			return failure{err}
		}
	}
	if !d.Clean {
		return errUnclean
	}
	return nil
}
