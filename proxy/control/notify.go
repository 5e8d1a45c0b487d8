package control

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// Notifier tells the service manager how the process is (sd_notify(3)). Without a
// manager (NOTIFY_SOCKET unset) every call is a no-op, so sbcd runs anywhere.
type Notifier struct{ log *slog.Logger }

// NewNotifier makes a notifier that logs what it cannot deliver.
func NewNotifier(log *slog.Logger) *Notifier { return &Notifier{log: log} }

// Ready says that the process serves.
func (n *Notifier) Ready() error {
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		return fmt.Errorf("tell the service manager READY=1: %w", err)
	}
	return nil
}

// Reloading says that the configuration is being read again; Ready ends it. The manager
// takes the two for one reload by the clock (sd_notify(3), RELOADING=1).
func (n *Notifier) Reloading() {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		n.log.Warn("service manager not told of a reload", "error", err)
		return
	}
	n.send(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, ts.Nano()/1000))
}

// Stopping says that the process has begun to end.
func (n *Notifier) Stopping() { n.send(daemon.SdNotifyStopping) }

// Status sets the line systemctl status shows.
func (n *Notifier) Status(text string) { n.send("STATUS=" + text) }

func (n *Notifier) send(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		n.log.Warn("service manager not told", "state", state, "error", err)
	}
}

// Watchdog pings the manager's watchdog at half its interval for as long as probe
// succeeds, until ctx ends. Without a watchdog it returns at once. A probe that
// fails is logged and not reported as life; the manager acts when the interval is
// over.
func (n *Notifier) Watchdog(ctx context.Context, probe func(context.Context) error) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		n.log.Warn("watchdog setting of the service manager not understood", "error", err)
	}
	if err != nil || interval <= 0 {
		return
	}
	tick := time.NewTicker(interval / 2)
	defer tick.Stop()
	for {
		if err := n.alive(ctx, probe, interval/2); err != nil {
			n.log.Error("self-probe failed, watchdog not fed", "error", err)
		} else {
			n.send(daemon.SdNotifyWatchdog)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (n *Notifier) alive(ctx context.Context, probe func(context.Context) error, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return probe(ctx)
}
