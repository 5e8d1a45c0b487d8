package cmd

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"trunkline/appliance/runtime"
	"trunkline/tools/sbcd/slots"
	"trunkline/tools/sbcd/update"
)

// updateOptions are the flags of update.
type updateOptions struct {
	update.Options
	now       bool
	scheduled bool
	// Places, for tests.
	esp, release, record string
}

func (p *program) updateCommand() *cobra.Command {
	var o updateOptions
	c := &cobra.Command{
		Use:   "update",
		Short: "Look for a newer image, install it, and boot it when the spec says so",
		Long: `Look for a newer image in the directory that the update block of the spec names, install it
beside the one that runs, and restart the machine for it when the spec says so. A restart
drains the proxy first. The new image gets as many boots as the spec says to come up and
answer calls; then the one that runs now returns.

An image is installed when its signature is that of update.signer, it is this appliance's,
and it is newer than the one that runs. One that was tried and did not come up is left until
a newer one is there. A transfer that breaks is begun again by the next look.

The timer of the appliance runs this command. It needs root, and the EFI system partition.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := p.load()
			if err != nil {
				return errors.Unwrap(err)
			}
			return p.update(c.Context(), cfg, o)
		},
	}
	p.configFlag(c)
	f := c.Flags()
	f.BoolVar(&o.Check, "check", false, "only say what there is")
	f.BoolVar(&o.Again, "again", false, "also install a version that was tried and did not come up")
	f.BoolVar(&o.now, "now", false, "restart at once when a version waits, whatever the spec says")
	f.BoolVar(&o.scheduled, "scheduled", false, "as the timer runs it: print only what has changed since the last look")
	f.StringVar(&o.esp, "esp", "", "`DIRECTORY` where the EFI system partition is mounted (default: the one booted from is mounted meanwhile)")
	f.StringVar(&o.release, "release", runtime.ReleasePath, "os-release `FILE` that says which image runs")
	f.StringVar(&o.record, "record", update.RecordPath, "`FILE` that keeps what a look found")
	return c
}

// update is one look, and the restart that may follow.
func (p *program) update(ctx context.Context, cfg *runtime.Appliance, o updateOptions) error {
	if cfg.Update == nil {
		return errors.New("the spec of this appliance has no update block: write one that names where its images come from, and build an image with it")
	}
	u, err := updater(cfg, o)
	if err != nil {
		return err
	}
	if o.Check {
		out, _, trouble := lookOnce(ctx, u, o)
		if trouble != nil {
			return trouble
		}
		_, err := fmt.Fprintln(p.Stdout, update.Record{Result: out.Result, Announced: out.Announced, Reason: out.Reason})
		return err
	}
	unlock, err := lockFile(o.record)
	if err != nil {
		return err
	}
	defer unlock()
	// One that is not understood counts as none: this look replaces it.
	before, _ := update.ReadRecord(o.record)
	out, waiting, trouble := lookOnce(ctx, u, o)
	if ctx.Err() != nil {
		return errors.New("told to stop: nothing was installed")
	}
	now := time.Now()
	r := update.Record{Looked: now, Since: now, Result: out.Result, Announced: out.Announced, Reason: out.Reason, Waiting: waiting}
	if trouble != nil {
		r.Kind, r.Error = update.KindOf(trouble), oneLine(trouble.Error())
	}
	restart := false
	if r.Waiting != "" {
		due, at, err := update.Restart(cfg.Update, now)
		if err != nil {
			return err
		}
		restart = due || o.now
		if !at.IsZero() {
			r.RestartAt = &at
		}
	}
	if before != nil && before.Result == r.Result && before.Announced == r.Announced {
		r.Since = before.Since
	}
	if err := update.WriteRecord(o.record, r); err != nil {
		return fmt.Errorf("what the look found cannot be kept: %w", err)
	}
	if !o.scheduled || r.Changed(before) {
		to := p.Stdout
		if trouble != nil {
			to = p.Stderr
		}
		fmt.Fprintf(to, "trunkline: update: %s\n", r)
	}
	if restart {
		fmt.Fprintf(p.Stdout, "trunkline: update: restarting for version %s\n", r.Waiting)
		reboot := p.Restart
		if reboot == nil {
			reboot = restartMachine
		}
		if err := reboot(ctx); err != nil {
			return fmt.Errorf("version %s waits, and the machine cannot be restarted: %w", r.Waiting, err)
		}
	}
	if trouble != nil {
		return errReported
	}
	return nil
}

// errReported is an error that has been printed.
var errReported = errors.New("no update")

// updater puts together what a look needs.
func updater(cfg *runtime.Appliance, o updateOptions) (*update.Updater, error) {
	text, err := os.ReadFile(o.release)
	if err != nil {
		return nil, fmt.Errorf("which image runs: %w", err)
	}
	name, version := runtime.ImageRelease(string(text))
	switch {
	case name == "":
		return nil, fmt.Errorf("%s names no image and no version (IMAGE_ID, IMAGE_VERSION): this system is no image of an appliance", o.release)
	case name != cfg.Name:
		return nil, fmt.Errorf("the image that runs is of %s, and its configuration of %s: build it again", name, cfg.Name)
	}
	certs, err := readCertificates(cfg.Update.Signer)
	if err == nil && len(certs) != 1 {
		err = fmt.Errorf("%s holds %d certificates, one is wanted", cfg.Update.Signer, len(certs))
	}
	if err != nil {
		return nil, fmt.Errorf("update.signer: %w", err)
	}
	u := &update.Updater{Name: name, Version: version, Signer: certs[0], Tries: cfg.Update.Tries}
	var roots *x509.CertPool
	if cfg.Update.CA != "" {
		authorities, err := readCertificates(cfg.Update.CA)
		if err != nil {
			return nil, fmt.Errorf("update.ca: %w", err)
		}
		roots = x509.NewCertPool()
		for _, c := range authorities {
			roots.AddCert(c)
		}
	}
	u.Source = update.NewSource(cfg.Update.URL, roots)
	return u, nil
}

// lookOnce is one look with the EFI system partition at hand. What waits is told, and booted,
// also when the server has gone meanwhile.
func lookOnce(ctx context.Context, u *update.Updater, o updateOptions) (out update.Outcome, waiting string, err error) {
	release := func() error { return nil }
	if o.esp != "" {
		u.ESP, err = slots.Open(o.esp, u.Name, u.Version)
	} else {
		u.ESP, release, err = slots.Mount(ctx, u.Name, u.Version)
	}
	if err != nil {
		remedy := "look at the disk"
		if errors.Is(err, slots.ErrNoESP) {
			remedy = "put newer images where the machine boots from, and take the update block out of its spec"
		}
		return update.Outcome{Result: update.Failed}, "", &update.Error{Kind: update.Disk, Err: err, Remedy: remedy}
	}
	out, err = u.Look(ctx, o.Options)
	waiting, trouble := u.Next()
	for _, e := range []error{trouble, release()} {
		if err == nil && e != nil {
			out.Result, err = update.Failed, &update.Error{Kind: update.Disk, Err: e, Remedy: "look at the disk"}
		}
	}
	return out, waiting, err
}

func readCertificates(path string) ([]*x509.Certificate, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out []*x509.Certificate
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		out = append(out, c)
	}
	return out, nil
}

// lockFile keeps two looks from installing at once.
func lockFile(record string) (unlock func(), err error) {
	dir := filepath.Dir(record)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "update.lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(errors.New("another look for an update is under way: wait for its end"), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// restartMachine asks the service manager for an orderly restart, in which the proxy
// drains. This is what `systemctl reboot` ends up with, without a message bus.
func restartMachine(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "systemctl", "start", "reboot.target", "--job-mode=replace-irreversibly", "--no-block").CombinedOutput()
	if err != nil && len(out) > 0 {
		return fmt.Errorf("%w: %s", err, oneLine(string(out)))
	}
	return err
}
