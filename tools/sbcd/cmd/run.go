package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"trunkline/appliance/runtime"
	"trunkline/proxy/control"
	"trunkline/proxy/dispatch"
	"trunkline/proxy/engine"
	"trunkline/proxy/handoff"
	"trunkline/proxy/preflight"
	"trunkline/proxy/route"
	"trunkline/proxy/shm"
	"trunkline/proxy/warm"
)

func (p *program) runCommand() *cobra.Command {
	var socket string
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the proxy until it is told to stop",
		Long: `Run the proxy. Sync caches are loaded and the names of destinations resolved first,
then all listeners are bound, then readiness is reported (sd_notify(3) and one line on
standard output). A name that does not resolve within 5 seconds does not hold up the
start: its destination takes no calls until it does. SIGHUP makes it read its
certificates again.

Its sockets outlive it: the service manager keeps them (sd_notify(3), FDSTORE), and what
comes while none runs is received by the next one. SIGUSR2 has it hand them to the program
that is at its path by then, under the same process number; when that one does not run, or
refuses the configuration, it serves on.

SIGTERM or SIGINT stops it: it refuses new calls with 503 and ends when what is under way
has ended, after drain_timeout at the latest. A second signal ends it at once. Answered
calls live on without it: a proxy started anew forwards what belongs to them.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, found, err := p.fitted()
			if err != nil {
				return err
			}
			if c.Flags().Changed("control") {
				cfg.Control.Socket = socket
			}
			return p.runOn(c.Context(), cfg, found)
		},
	}
	p.configFlag(c)
	p.reportFlag(c)
	c.Flags().StringVar(&socket, "control", "", "path of the control socket; overrides the configuration's, empty: none")
	return c
}

// run is a proxy from its configuration to its end. Whatever can be refused without
// touching the network is refused first; nothing is bound before the sync caches
// are complete.
// It uses what the process before left in the store, and leaves there what the next one
// is to have.
func (p *program) run(ctx context.Context, cfg *runtime.Appliance, found *preflight.Report, store *handoff.Store, usr2 <-chan os.Signal) error {
	log := p.logger()
	if err := supported(cfg); err != nil {
		return refuse(err)
	}
	p.limitMemory(cfg)
	var arena *shm.Arena
	defer func() { _ = arena.Close() }() // when nothing looks at it any more
	router, err := route.New(cfg)
	if err != nil {
		return refuse(err)
	}
	sets, err := dispatch.New(cfg)
	if err != nil {
		return refuse(err)
	}
	names, err := newNames(cfg, sets, log)
	if err != nil {
		return refuse(err)
	}
	warmer, err := warm.New(cfg, router, warm.Options{Log: log, StateDir: p.stateDir("caches")})
	if err != nil {
		return refuse(err)
	}
	v := &view{cfg: cfg, preflight: found, image: bootedImage(), imageVersion: bootedVersion(), bootFile: runtime.BootPath, start: time.Now(), warmer: warmer, names: names}
	note := control.NewNotifier(log)
	v.drain = &drain{view: v, note: note, log: log}
	// From the start: a process that another one handed over to is watched already.
	defer watch(ctx, note, v)()
	certs := certificates{v, note, log}
	// From here on, or a hangup while caches load would end the process.
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)

	// The control socket comes first, so that a long warm-up can be watched.
	stopControl, err := p.serveControl(cfg, v, router, certs, log)
	if err != nil {
		return refuse(err)
	}
	defer stopControl()

	if n := syncCaches(cfg); n > 0 {
		note.Status(fmt.Sprintf("loading %d caches", n))
	}
	if err := warmer.Sync(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // told to stop before there was anything to stop
		}
		return refuse(err)
	}
	if names != nil {
		note.Status(fmt.Sprintf("resolving the names of %d destinations", sets.ByName()))
		_ = names.Warm(ctx, resolveWithin) // the log and the status say what does not resolve; Run asks on
	}
	if ctx.Err() != nil {
		return nil
	}
	// Not before: a process that is refused above leaves the calls in progress as they are. One
	// that is refused below has put them in order.
	var eng *engine.Engine
	if eng, arena, err = newEngine(cfg, router, sets, store.Take(arenaName), log); err != nil {
		return refuse(err)
	}
	calls, err := callStore(cfg, p.stateDir("calls"))
	if err != nil {
		return refuse(err)
	}
	if calls != nil {
		eng.PersistTo(ctx, calls)
	}
	if err := arena.Serve(); err != nil {
		return refuse(err)
	}
	records, err := recordSink(cfg, p.stateDir("records"), log)
	if err != nil {
		return refuse(err)
	}
	if records != nil {
		eng.RecordTo(records)
	}
	if err := openListeners(eng, store, log); err != nil {
		return refuse(err)
	}
	leave(eng, arena, store, v.start, log)
	v.engine.Store(eng)
	return p.serve(ctx, v, eng, certs, hup, usr2)
}

// serve runs a bound engine: readiness, then what must not come before it. The end of ctx
// has it drain before it ends.
func (p *program) serve(ctx context.Context, v *view, eng *engine.Engine, certs certificates, hup, usr2 <-chan os.Signal) error {
	note, log := certs.note, certs.log
	// Bound sockets queue what comes, so readiness is true before Run.
	if err := note.Ready(); err != nil {
		return errors.Join(err, eng.Close())
	}
	v.ready.Store(true)
	note.Status(v.drain.line())
	line := fmt.Sprintf("trunkline: ready name=%s listeners=%d uptime=%.2fs", v.cfg.Name, len(v.cfg.Listeners), bootSeconds())
	if v.image != "" {
		line += " image=" + v.image
		if m := machineMemory(); m != nil {
			line += fmt.Sprintf(" memory=%dKiB", m.Used>>10)
		}
	}
	if _, err := fmt.Fprintln(p.Stdout, line); err != nil {
		log.Warn("readiness not printed", "error", err)
	}

	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var beside sync.WaitGroup
	var err error
	beside.Go(func() {
		defer end() // also without being told to: a listener failed
		err = eng.Run(life)
	})
	beside.Go(func() { v.warmer.Background(life) })
	beside.Go(func() { eng.Probe(life) })
	beside.Go(func() { certs.serve(life, hup) })
	if v.names != nil {
		beside.Go(func() { v.names.Run(life) })
	}
	beside.Go(func() {
		p.upgrade(life, ctx, usr2, log, func() { eng.HandOver(); end() })
	})

	select {
	case <-life.Done():
	case <-ctx.Done():
		v.ready.Store(false)
		note.Stopping()
		beside.Go(func() {
			select {
			case <-p.Hurry:
				end()
			case <-life.Done():
			}
		})
		v.drain.stop(life, eng, v.cfg.Transaction.DrainTimeout.D())
		end()
	}
	v.ready.Store(false)
	beside.Wait()
	if err == nil && eng.HandingOver() {
		return errors.Join(errHandedOver, eng.Close())
	}
	if err != nil {
		return fmt.Errorf("the proxy ended: %w", err)
	}
	return nil
}

// serveControl serves the control API when one is configured, and returns what ends it.
func (p *program) serveControl(cfg *runtime.Appliance, v *view, router *route.Router, certs certificates, log *slog.Logger) (func(), error) {
	if cfg.Control.Socket == "" {
		return func() {}, nil
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(newMetrics(v.status), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	server, err := control.Listen(cfg.Control.Socket, control.Options{
		Status: func() any { return v.status() }, Gatherer: reg, Log: log, Handlers: caches{cfg, v.warmer, router, log}.handlers(),
		Actions: map[string]func(context.Context) (any, error){
			control.ReloadCertificatesPath: func(context.Context) (any, error) { return certs.reload() },
			control.DrainPath:              func(context.Context) (any, error) { return v.drain.set(true) },
			control.UndrainPath:            func(context.Context) (any, error) { return v.drain.set(false) },
		},
	})
	if err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve() }()
	return func() {
		if err := server.Close(); err != nil {
			log.Warn("control socket not closed", "error", err)
		}
		if err := <-done; err != nil {
			log.Warn("control socket failed", "error", err)
		}
	}, nil
}

// limitMemory makes the garbage collector keep to what the plan gave the process. A
// limit the environment sets wins: the Go runtime has read it already.
func (p *program) limitMemory(cfg *runtime.Appliance) {
	if n := cfg.State.ProcessMemory; n > 0 && p.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(int64(min(n, 1<<62)))
	}
}

// logger logs as text. The journal stamps each line itself.
func (p *program) logger() *slog.Logger {
	o := &slog.HandlerOptions{}
	if p.Getenv("JOURNAL_STREAM") != "" {
		o.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}
	}
	return slog.New(slog.NewTextHandler(p.Stderr, o))
}

func syncCaches(cfg *runtime.Appliance) (n int) {
	for _, c := range cfg.Caches {
		if c.Warmup == runtime.WarmupSync {
			n++
		}
	}
	return n
}

// bootSeconds is the time since the machine started, sleep included.
func bootSeconds() float64 {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return 0
	}
	return float64(ts.Nano()) / 1e9
}
