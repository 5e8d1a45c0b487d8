package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"github.com/spf13/cobra"

	"trunkline/appliance/sizing"
	"trunkline/tools/calibrate"
)

func (a *app) calibrate() *cobra.Command {
	full := calibrate.Full()
	o := full
	var out, profile string
	var quick bool
	c := &cobra.Command{
		Use:   "calibrate -o FILE",
		Short: "Measure what this machine takes for a call, for plan --calibration",
		Long: `Run sbcd and a load over loopback on this machine, measure what a call costs in CPU time
and memory, what one socket takes without loss, and how long nobody answers after a
kill, and write these as coefficients that plan takes with --calibration. It takes
about four minutes, and two CPUs that have nothing else to do: a run that other
processes disturb is made again, and a figure that never came out clean is left out
and named, with --noisy it is taken all the same.

Over loopback a call meets no card, no interrupts and no packet filter, and its
messages are short. For that each cost is multiplied by --allowance, 2 unless told
otherwise, and a capacity is divided by it. The range of a coefficient is as measured.

sbcd and sipload are looked for beside trunkline and in PATH.`,
		Args: noArgs,
		PreRunE: func(c *cobra.Command, _ []string) error {
			if out == "" {
				return seeHelp(c, errors.New("the file to write is missing: name it with -o FILE"))
			}
			if o.Profile = calibrate.Profile(profile); !slices.Contains(calibrate.Profiles(), o.Profile) {
				return seeHelp(c, fmt.Errorf("there is no profile %q: write %s", profile, profileNames()))
			}
			if o.Allowance < 1 {
				return seeHelp(c, fmt.Errorf("an allowance of %g would make calls cheaper than measured: write 1 or more", o.Allowance))
			}
			if o.ProxyCPU == o.LoadCPU {
				return seeHelp(c, fmt.Errorf("--proxy-cpu and --load-cpu are both %d: each needs one of its own", o.ProxyCPU))
			}
			for _, cpu := range []int{o.ProxyCPU, o.LoadCPU} {
				if cpu < 0 || cpu >= runtime.NumCPU() {
					return seeHelp(c, fmt.Errorf("there is no CPU %d here: they are 0 to %d", cpu, runtime.NumCPU()-1))
				}
			}
			return nil
		},
		RunE: a.does(func(ctx context.Context, _ []string) error {
			if quick {
				q := calibrate.Quick()
				o.Rate, o.Settle, o.Window, o.Rounds, o.Calls, o.Ramp, o.Kills, o.Again = q.Rate, q.Settle, q.Window, q.Rounds, q.Calls, q.Ramp, q.Kills, q.Again
			}
			return a.runCalibrate(ctx, o, out)
		}),
	}
	c.Flags().StringVarP(&out, "out", "o", "", "`FILE` to write (required)")
	c.Flags().StringVar(&profile, "profile", string(full.Profile), "`PROFILE` whose cost is written as cpu_per_call: "+profileNames())
	c.Flags().Float64Var(&o.Allowance, "allowance", full.Allowance, "`FACTOR` for what a run over loopback lacks")
	c.Flags().IntVar(&o.ProxyCPU, "proxy-cpu", full.ProxyCPU, "`CPU` that sbcd runs on")
	c.Flags().IntVar(&o.LoadCPU, "load-cpu", full.LoadCPU, "`CPU` that the load runs on")
	c.Flags().BoolVar(&o.Noisy, "noisy", false, "take figures that other processes disturbed, too")
	c.Flags().BoolVar(&quick, "quick", false, "a look of less than a minute, of less worth")
	return c
}

func profileNames() string {
	var names []string
	for _, p := range calibrate.Profiles() {
		names = append(names, string(p))
	}
	return strings.Join(names, ", ")
}

func (a *app) runCalibrate(ctx context.Context, o calibrate.Options, out string) error {
	// Minutes later is late to hear of it.
	if info, err := os.Stat(filepath.Dir(out)); err != nil {
		return fmt.Errorf("%s cannot be written: %w: make that directory, or name another with -o", out, err)
	} else if !info.IsDir() {
		return fmt.Errorf("%s cannot be written: %s is no directory", out, filepath.Dir(out))
	}
	var err error
	if o.Sbcd, err = a.program("sbcd"); err != nil {
		return err
	}
	if o.Sipload, err = a.program("sipload"); err != nil {
		return err
	}
	if o.Dir, err = os.MkdirTemp("", "trunkline-calibrate-"); err != nil {
		return err
	}
	defer os.RemoveAll(o.Dir)
	o.Progress = func(what string) { fmt.Fprintln(a.Stderr, what) }
	r, err := calibrate.Run(ctx, o)
	if err != nil {
		return err
	}
	if err := writeFile(out, r.File(thisMachine(), time.Now().UTC().Format("2006-01"))); err != nil {
		return err
	}
	for _, f := range r.Figures {
		c, _ := sizing.DefaultCoefficients().Get(f.Name)
		fmt.Fprintf(a.Stdout, "%-21s %-12.4g %-9s this version's own: %.4g\n", f.Name, f.Value, c.Unit, c.Value)
	}
	for _, p := range calibrate.Profiles() {
		if v, ok := r.CPU[p]; ok {
			fmt.Fprintf(a.Stdout, "CPU per call of profile %s, as measured: %.0f us\n", p, v*1e6)
		}
	}
	for _, m := range r.Missing {
		fmt.Fprintf(a.Stderr, "%s %s\n", a.paint(a.Stderr, "Missing:", "1;33"), m)
	}
	if len(r.Figures) == 0 {
		return errors.New("nothing could be measured: have nothing else run on this machine, or take what there is with --noisy")
	}
	_, err = fmt.Fprintf(a.Stdout, "%s: for trunkline plan --calibration %s\n", out, out)
	return err
}

// program finds one of our programs beside this one, or in PATH.
func (a *app) program(name string) (string, error) {
	if a.Executable != "" {
		beside := filepath.Join(filepath.Dir(a.Executable), name)
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() {
			return beside, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is neither beside trunkline nor in PATH: run make build, or install it", name)
	}
	return filepath.Abs(path)
}

// thisMachine is what figures of it say of it: its processors, not its name.
func thisMachine() string {
	what := fmt.Sprintf("%d CPUs", runtime.NumCPU())
	if fs, err := procfs.NewDefaultFS(); err == nil {
		if cpus, err := fs.CPUInfo(); err == nil && len(cpus) > 0 && cpus[0].ModelName != "" {
			what += " (" + cpus[0].ModelName + ")"
		}
	}
	return what
}
