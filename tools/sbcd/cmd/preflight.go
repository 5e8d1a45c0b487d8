package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"trunkline/appliance/runtime"
	"trunkline/proxy/preflight"
)

const (
	// preflightReport is where `sbcd preflight` leaves what it found for `sbcd run`.
	preflightReport = "/run/trunkline/preflight.json"
	// mismatchCredential overrides hardware.mismatch on one machine: whoever runs the
	// machine may know that it is to be smaller.
	mismatchCredential = "trunkline.mismatch"
	// lookAgain is between two looks for cards and disks that are not there yet.
	lookAgain = 250 * time.Millisecond
)

func (p *program) preflightCommand() *cobra.Command {
	var root, out string
	var wait time.Duration
	c := &cobra.Command{
		Use:   "preflight",
		Short: "Compare the machine with the plan's before the proxy starts",
		Long: `Compare the machine with the one the plan is for: cores, memory, cards, disks. More is
fine. What there is less of is told, one line each, and then hardware.mismatch of the spec
decides: "refuse" ends with a refusal, and the proxy does not start; "resize" lets it start
with the workers and the state that fit; "warn" lets it start as planned. The credential
` + mismatchCredential + ` (SMBIOS, or the EFI system partition) decides instead on one machine.

A link that is slower than stated is told and refuses nothing: it may change at any time.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := p.load()
			if err != nil {
				return err
			}
			mismatch, err := p.mismatch(cfg)
			if err != nil {
				return refuse(err)
			}
			m, found, err := look(c.Context(), os.DirFS(root), cfg.Hardware, wait)
			if err != nil {
				return refuse(err)
			}
			r, refused := preflight.Decide(cfg, mismatch, m, found)
			if err := r.Write(out); err != nil {
				return refuse(err)
			}
			for _, line := range preflightLines(r) {
				if _, err := fmt.Fprintf(p.Stdout, "trunkline: preflight: %s\n", line); err != nil {
					return err
				}
			}
			return refuse(refused)
		},
	}
	p.configFlag(c)
	c.Flags().StringVar(&root, "root", "/", "directory whose proc, sys and dev are read")
	c.Flags().StringVar(&out, "report", preflightReport, "file to leave the result in")
	c.Flags().DurationVar(&wait, "wait", 15*time.Second, "how long cards and disks may take to be there")
	return c
}

// mismatch is what is to be done on a smaller machine.
func (p *program) mismatch(cfg *runtime.Appliance) (string, error) {
	known := []string{runtime.MismatchRefuse, runtime.MismatchResize, runtime.MismatchWarn}
	dir := p.Getenv("CREDENTIALS_DIRECTORY")
	if dir != "" {
		b, err := os.ReadFile(filepath.Join(dir, mismatchCredential))
		if said := strings.TrimSpace(string(b)); err == nil {
			if !slices.Contains(known, said) {
				return "", fmt.Errorf("credential %s says %.40q: write %s", mismatchCredential, said, strings.Join(known, ", "))
			}
			return said, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("credential %s: %w", mismatchCredential, err)
		}
	}
	if cfg.Hardware.Mismatch == "" {
		return runtime.MismatchRefuse, nil
	}
	return cfg.Hardware.Mismatch, nil
}

// look compares until nothing is missing that may still come, or wait has passed.
func look(ctx context.Context, root fs.FS, want runtime.Hardware, wait time.Duration) (m preflight.Machine, found []preflight.Difference, err error) {
	end := time.Now().Add(wait)
	for {
		if m, err = preflight.Inspect(root); err != nil {
			return m, nil, err
		}
		found = preflight.Check(root, want, m)
		later := slices.ContainsFunc(found, func(d preflight.Difference) bool { return !d.Scales() && !d.Tells() })
		if !later || !time.Now().Before(end) {
			return m, found, nil
		}
		select {
		case <-ctx.Done():
			return m, nil, ctx.Err()
		case <-time.After(lookAgain):
		}
	}
}

func preflightLines(r preflight.Report) []string {
	var out []string
	for _, d := range r.Differences {
		out = append(out, d.String())
	}
	there := fmt.Sprintf("%d hardware threads, %d MiB of memory, %d cards, %d disks", r.Machine.Threads, r.Machine.Memory>>20, len(r.Machine.Cards), len(r.Machine.Disks))
	switch r.Outcome {
	case preflight.OutcomePlanned:
		out = append(out, "as planned: "+there)
	case preflight.OutcomeResized:
		out = append(out, "resized: "+r.Resized+"; "+there)
	case preflight.OutcomeWarned:
		out = append(out, "goes on as planned: "+there)
	}
	if r.Overridden != "" {
		out[len(out)-1] += fmt.Sprintf(" (credential %s; the spec says %q)", mismatchCredential, r.Overridden)
	}
	return out
}

// fitted is the configuration for the machine there is, and the preflight that found out
// what that is; nil: none ran.
func (p *program) fitted() (*runtime.Appliance, *preflight.Report, error) {
	cfg, err := p.load()
	if err != nil {
		return nil, nil, err
	}
	r, err := preflight.Read(p.report)
	if err != nil {
		return nil, nil, refuse(err)
	}
	cfg, err = r.Apply(cfg)
	return cfg, r, refuse(err)
}
