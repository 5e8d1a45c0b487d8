// Package cmd holds the commands of the sbcd program. All of them read one
// appliance.json and nothing else.
//
// What is promised: results go to standard output; refusals, errors and the log to
// standard error. What cannot be served as configured is refused with one line
// "trunkline: refused: <reason>", the reason saying what to do, and exit code 1
// (another error of status: 1 too; a wrong command line: 2). A proxy that was told
// to stop (SIGTERM, SIGINT) drains first and exits 0; told a second time it ends at once, and
// does so too. SIGHUP makes it read its certificates again; SIGUSR2 makes it hand over to the program
// that is at its path.
//
// Long flags may have one dash or two: -json and --json are the same.
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

	"trunkline/appliance/runtime"
	"trunkline/proxy/control"
)

// version is set by the linker; an image's base layer carries it otherwise.
var version = "unknown"

// Exit codes.
const (
	exitRefused = 1
	exitUsage   = 2
)

// Streams is what a run of the program reads and writes beside files.
type Streams struct {
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	// Hurry is closed when a proxy that was asked to stop is to wait for nothing any more;
	// nil: never.
	Hurry <-chan struct{}
	// Path is where this program was started from, and where SIGUSR2 finds the one that follows it.
	Path string
	// Restart restarts the machine in good order; nil: the service manager is asked to.
	Restart func(context.Context) error
}

// Main runs the program with the process's own streams and returns its exit code.
func Main(args []string) int {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	signals, hurry := make(chan os.Signal, 2), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		stop()
		<-signals
		close(hurry)
		signal.Stop(signals) // a third one ends a process that hangs
	}()
	return Run(ctx, Streams{Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Hurry: hurry, Path: ownPath()}, args)
}

// refusal is an error that means: what is configured cannot be served.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

func refuse(err error) error {
	if err == nil {
		return nil
	}
	return refusal{err}
}

// usage is an error of the command line.
type usage struct{ error }

// Run runs one command and returns its exit code. The end of ctx asks a running
// proxy to stop once it has drained.
func Run(ctx context.Context, s Streams, args []string) int {
	p := &program{Streams: s}
	root := p.root()
	root.SetArgs(doubleDashes(root, args))
	var no refusal
	var wrong usage
	c, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errReported):
	case errors.As(err, &no):
		fmt.Fprintf(s.Stderr, "trunkline: refused: %s\n", oneLine(err.Error()))
		// The service manager keeps the reason: `systemctl status` and sbcd trial show it.
		control.NewNotifier(p.logger()).Status("refused: " + oneLine(err.Error()))
	case errors.As(err, &wrong) || !c.Runnable():
		fmt.Fprintf(s.Stderr, "sbcd: %s; see `%s --help`\n", err, c.CommandPath())
		return exitUsage
	default:
		fmt.Fprintf(s.Stderr, "sbcd: %s\n", err)
	}
	return exitRefused
}

// oneLine keeps a reason on the line whose beginning tools look for.
func oneLine(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", "; ") }

type program struct {
	Streams
	config string
	report string // of the preflight
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:               "sbcd",
		Short:             "SIP proxy of a Trunkline appliance",
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage{err} })
	nics, audit := p.nicsCommand(), p.auditCommand()
	p.configFlag(nics)
	p.reportFlag(nics)
	p.configFlag(audit)
	root.AddCommand(p.runCommand(), p.checkCommand(), p.firewallCommand(), p.preflightCommand(), nics, audit, p.statusCommand(), p.reloadCertificatesCommand(), p.reloadCachesCommand(), p.dumpCacheCommand(), p.routeCommand(),
		p.drainCommand(), p.undrainCommand(), p.credentialsCommand(), p.updateCommand(), p.selfcheckCommand(), p.trialCommand(), p.storageCommand(), p.versionCommand())
	return root
}

// noArgs wants no argument beside flags.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage{fmt.Errorf("unexpected argument %q", args[0])}
	}
	return nil
}

func (p *program) configFlag(c *cobra.Command) {
	c.Flags().StringVar(&p.config, "config", runtime.DefaultPath, "appliance.json to read")
}

func (p *program) reportFlag(c *cobra.Command) {
	c.Flags().StringVar(&p.report, "preflight", preflightReport, "result of the preflight, which may say that less is there than planned; none: as planned")
}

// load reads the configuration; what is wrong with it is a refusal.
func (p *program) load() (*runtime.Appliance, error) {
	cfg, err := runtime.Load(p.config)
	switch {
	case errors.Is(err, os.ErrNotExist):
		err = fmt.Errorf("configuration: %w: name an appliance.json with --config; `trunkline bake SPEC -o DIR` writes one below DIR/etc/trunkline", err)
	case err != nil:
		err = fmt.Errorf("configuration: %w", err)
	}
	return cfg, refuse(err)
}

// doubleDashes lets long flags have one dash: pflag would read -json as -j -s -o -n.
func doubleDashes(root *cobra.Command, args []string) []string {
	long := map[string]bool{"help": true}
	for _, c := range root.Commands() {
		c.Flags().VisitAll(func(f *pflag.Flag) { long[f.Name] = true })
	}
	out := append([]string(nil), args...)
	for i, arg := range args {
		if arg == "--" {
			break
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
		if strings.HasPrefix(arg, "-") && len(name) > 1 && long[name] {
			out[i] = "-" + arg
		}
	}
	return out
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version and the format of appliance.json it reads",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(p.Stdout, "sbcd %s (appliance.json format %d)\n", version, runtime.FormatVersion)
			return err
		},
	}
}
