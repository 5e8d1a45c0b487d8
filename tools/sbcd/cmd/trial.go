package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"trunkline/appliance/runtime"
	"trunkline/proxy/control"
	"trunkline/tools/sbcd/slots"
)

// watched are the units that a boot is not complete without.
var watched = []string{"boot-complete.target", "sbcd.service", "trunkline-selfcheck.service", "trunkline-firewall.service", "trunkline-preflight.service", "systemd-networkd.service"}

// countPath is the UEFI variable that systemd-boot sets when it counts the start of an image
// (systemd.io/AUTOMATIC_BOOT_ASSESSMENT).
const countPath = "/sys/firmware/efi/efivars/LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

// trial is a boot being judged. What it does to the machine is behind functions, so that
// tests can look at the order.
type trial struct {
	name, version string
	within        time.Duration // after which a boot that is not complete has failed
	every         time.Duration // between two looks
	counted       bool          // the boot loader counts this start

	open   func(context.Context) (*slots.ESP, func() error, error)
	units  func(context.Context) (map[string]unitState, error)
	reboot func(context.Context) error
	say    func(format string, args ...any)
	record func(runtime.Boot) error
	ready  func() error
}

func (p *program) trialCommand() *cobra.Command {
	within := 17 * time.Minute
	c := &cobra.Command{
		Use:   "trial",
		Short: "Judge a new image: find it good once its boot is complete, or restart",
		Long: `Look which image was booted. One on trial is found good once boot-complete.target is reached;
when a unit of the appliance fails before, or that takes too long, the reason is kept on
the EFI system partition and the machine restarts: the boot loader takes the image that
was good before once all starts of the new one are used up. An image that was found good
once stays up whatever happens.

After the machine fell back, one line says from what and why. It needs root.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			b, err := os.ReadFile(runtime.ReleasePath)
			if err != nil {
				return refuse(err)
			}
			name, version := runtime.ImageRelease(string(b))
			if name == "" {
				return refuse(fmt.Errorf("%s names no image of an appliance: this command is for a booted one", runtime.ReleasePath))
			}
			note := control.NewNotifier(p.logger())
			_, uncounted := os.Stat(countPath)
			t := &trial{
				name: name, version: version, within: within, every: time.Second, counted: uncounted == nil,
				open:  func(ctx context.Context) (*slots.ESP, func() error, error) { return slots.Mount(ctx, name, version) },
				units: showUnits, reboot: restart,
				say:    func(format string, args ...any) { fmt.Fprintf(p.Stdout, "trunkline: "+format+"\n", args...) },
				record: func(b runtime.Boot) error { return runtime.WriteBoot(runtime.BootPath, b) },
				ready:  note.Ready,
			}
			return refuse(t.run(c.Context()))
		},
	}
	c.Flags().DurationVar(&within, "within", within, "how long a boot on trial may take")
	return c
}

// run looks at the boot and, when it is one on trial, judges it.
func (t *trial) run(ctx context.Context) error {
	b, err := t.look(ctx)
	if errors.Is(err, slots.ErrNoESP) {
		return t.ready()
	}
	if err != nil && t.counted {
		// It could never be found good.
		t.say("version %s failed its trial: %v. The machine restarts", t.version, err)
		return t.reboot(ctx)
	}
	if err != nil {
		return err
	}
	if b.FellBackFrom != "" {
		t.say("fell back from %s to %s: %s", b.FellBackFrom, t.version, b.Reason)
	}
	if err := errors.Join(t.record(b), t.ready()); err != nil {
		return err
	}
	if b.Trial == "" {
		return nil
	}
	t.say("version %s is on trial, with %d more starts before the machine falls back", t.version, b.StartsLeft)
	reason := t.judge(ctx)
	if ctx.Err() != nil {
		return nil // switched off meanwhile: the start is used up, and nothing more is known
	}
	if reason == "" {
		return t.bless(ctx, b)
	}
	t.say("version %s failed its trial: %s. The machine restarts", t.version, reason)
	// Without a reason kept the machine falls back all the same.
	if err := t.fail(ctx, reason); err != nil {
		t.say("the reason could not be kept: %v", err)
	}
	return t.reboot(ctx)
}

// look reads what the partition says of this boot.
func (t *trial) look(ctx context.Context) (runtime.Boot, error) {
	out := runtime.Boot{Version: t.version}
	err := t.with(ctx, func(e *slots.ESP) error {
		if m := e.Mended(); m != "" {
			t.say("the EFI system partition was mended: %s", m)
		}
		booted, ok, err := e.Booted()
		if err != nil {
			return err
		}
		if ok && !booted.Good() {
			out.Trial, out.StartsLeft = runtime.TrialRunning, booted.Left
			return nil
		}
		f, fell, err := e.Failure()
		if fell {
			out.FellBackFrom, out.Reason = f.Version, f.Reason
		}
		return err
	})
	return out, err
}

// judge waits for the boot to be complete; otherwise it returns the reason why it is not.
func (t *trial) judge(ctx context.Context) (reason string) {
	end := time.NewTimer(t.within)
	defer end.Stop()
	tick := time.NewTicker(t.every)
	defer tick.Stop()
	for {
		units, err := t.units(ctx)
		if err == nil {
			if units["boot-complete.target"].active == "active" {
				return ""
			}
			for _, name := range watched {
				if u := units[name]; u.active == "failed" {
					return u.reason(name)
				}
			}
		}
		select {
		case <-ctx.Done():
			return ""
		case <-end.C:
			if err != nil {
				return fmt.Sprintf("the service manager does not say how the boot is: %v", err)
			}
			return fmt.Sprintf("no boot-complete within %.0f s", t.within.Seconds())
		case <-tick.C:
		}
	}
}

func (t *trial) bless(ctx context.Context, b runtime.Boot) error {
	err := t.with(ctx, func(e *slots.ESP) error {
		booted, ok, err := e.Booted()
		if err != nil || !ok {
			return err
		}
		return e.Bless(booted)
	})
	if err != nil {
		return fmt.Errorf("version %s took calls, but cannot be marked as good: %w", t.version, err)
	}
	t.say("version %s is found good", t.version)
	b.Trial, b.StartsLeft = runtime.TrialPassed, 0
	return t.record(b)
}

func (t *trial) fail(ctx context.Context, reason string) error {
	return t.with(ctx, func(e *slots.ESP) error { return e.Fail(slots.Failure{Version: t.version, Reason: reason}) })
}

// with does something with the partition, which is mounted for that alone.
func (t *trial) with(ctx context.Context, do func(*slots.ESP) error) error {
	e, release, err := t.open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(do(e), release())
}

// unitState is how a unit is (systemctl(1), show).
type unitState struct{ active, result, status string }

// reason is why a unit has failed, in the words of its program if it left any.
func (u unitState) reason(name string) string {
	if u.status != "" {
		return name + ": " + u.status
	}
	return fmt.Sprintf("%s failed (%s)", name, u.result)
}

// showUnits asks the service manager.
func showUnits(ctx context.Context) (map[string]unitState, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	args := append([]string{"show", "--property=Id,ActiveState,Result,StatusText"}, watched...)
	out, err := exec.CommandContext(ctx, "systemctl", args...).Output()
	if err != nil {
		return nil, fmt.Errorf("systemctl show: %w", err)
	}
	return parseUnits(string(out)), nil
}

// parseUnits reads what systemctl show prints: a block of KEY=VALUE for each unit.
func parseUnits(text string) map[string]unitState {
	out := map[string]unitState{}
	for block := range strings.SplitSeq(text, "\n\n") {
		var u unitState
		id := ""
		for line := range strings.Lines(block) {
			key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			switch key {
			case "Id":
				id = value
			case "ActiveState":
				u.active = value
			case "Result":
				u.result = value
			case "StatusText":
				u.status = value
			}
		}
		if id != "" {
			out[id] = u
		}
	}
	return out
}

// restart restarts the machine as systemd does it when all else has failed: file systems are
// unmounted, services are not waited for.
func restart(ctx context.Context) error {
	if err := exec.CommandContext(ctx, "systemctl", "--force", "reboot").Run(); err != nil {
		return fmt.Errorf("systemctl reboot: %w", err)
	}
	return nil
}
