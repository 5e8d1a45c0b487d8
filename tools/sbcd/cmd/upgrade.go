package cmd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/engine"
	"trunkline/proxy/handoff"
	"trunkline/proxy/preflight"
	"trunkline/proxy/shm"
)

// checkWithin is how long each check of a new program may take.
const checkWithin = 30 * time.Second

// errHandedOver ends a run that left everything to the next program.
var errHandedOver = errors.New("handed over")

// runOn runs the proxy with what the process before left, and when it is told to (SIGUSR2)
// hands all of it to the program that is at its path then. Where that cannot be executed it goes
// on itself.
func (p *program) runOn(ctx context.Context, cfg *runtime.Appliance, found *preflight.Report) error {
	log := p.logger()
	store, err := handoff.Inherit(p.Getenv, log)
	if err != nil {
		return refuse(fmt.Errorf("descriptors of the process before: %w", err))
	}
	usr2 := make(chan os.Signal, 1)
	signal.Notify(usr2, syscall.SIGUSR2)
	defer signal.Stop(usr2)
	for {
		err := p.run(ctx, cfg, found, store, usr2)
		if !errors.Is(err, errHandedOver) {
			return err
		}
		err = store.Exec(p.Path, os.Args, os.Environ())
		log.Error("not upgraded: this program serves on", "error", err)
		store.Again()
	}
}

// arenaName is the name under which the arena is left to the next process.
const arenaName = "arena"

// openListeners opens the listeners, with the sockets that the process before left.
func openListeners(eng *engine.Engine, store *handoff.Store, log *slog.Logger) error {
	if err := eng.Adopt(store); err != nil {
		log.Warn("the service manager did not take back what does not fit: an address may be taken", "error", err)
	}
	return eng.Bind()
}

// leave leaves sockets and arena to the next process, and nothing else.
func leave(eng *engine.Engine, arena *shm.Arena, store *handoff.Store, began time.Time, log *slog.Logger) {
	err := store.Close()
	if !arena.Adopted() { // another one may have been left, which could not be used
		err = errors.Join(err, store.Drop(arenaName))
	}
	if err != nil {
		log.Warn("the service manager keeps what nobody wants", "error", err)
	}
	if err := store.Keep(arenaName, arena.File()); err != nil {
		log.Warn("calls in progress do not survive a restart", "error", err)
	}
	if err := eng.Keep(store); err != nil {
		log.Warn("what comes while sbcd restarts is lost at some sockets", "error", err)
	}
	log.Info("serving", "inherited_sockets", eng.Adopted(), "kept", store.Kept(), "start_took", time.Since(began))
}

// upgrade waits for SIGUSR2 and has go on whatever program is at our path, unless it does not
// work: then this one serves on. leave ends the serving, with nothing lost. It returns at the end of
// life.
func (p *program) upgrade(life, told context.Context, usr2 <-chan os.Signal, log *slog.Logger, leave func()) {
	for {
		select {
		case <-life.Done():
			return
		case <-usr2:
		}
		if told.Err() != nil {
			log.Warn("not upgraded: sbcd is stopping")
			continue
		}
		says, err := p.tryProgram(life)
		if err != nil {
			log.Error("not upgraded: this program serves on", "error", err)
			continue
		}
		log.Info("handing over to the program at our path", "path", p.Path, "program", says)
		leave()
		return
	}
}

// tryProgram asks the program at our path for its version, and whether it can run the
// configuration.
func (p *program) tryProgram(ctx context.Context) (version string, err error) {
	if p.Path == "" {
		return "", errors.New("the path of the program is not known: start sbcd by its path")
	}
	for _, args := range [][]string{{"version"}, {"check", "--config", p.config, "--preflight", p.report}} {
		out, err := p.try(ctx, args)
		if err != nil {
			return "", fmt.Errorf("`%s %s`: %w", p.Path, args[0], err)
		}
		if version == "" {
			version = out
		}
	}
	return version, nil
}

// try runs the program at our path, which gets nothing by which it could be taken for a service.
func (p *program) try(ctx context.Context, args []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.Path, args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "NOTIFY_SOCKET=") || strings.HasPrefix(v, "WATCHDOG_")
	})
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	text := oneLine(string(out))
	if err != nil && text != "" {
		return text, fmt.Errorf("%w: %.500s", err, text)
	}
	return text, err
}

// ownPath is the path this program was started by, or "": another program may be there by the
// time it is asked for, which /proc/self/exe would not say.
func ownPath() string {
	path := os.Args[0]
	if !strings.Contains(path, "/") {
		found, err := exec.LookPath(path)
		if err != nil {
			return ""
		}
		path = found
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return ""
	}
	return path
}
