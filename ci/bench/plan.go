package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"text/tabwriter"
	"time"

	"trunkline/tools/sipload/rig"
	"trunkline/tools/sipload/usage"
)

// planned is what a plan made with a calibration of this very machine says of a load, beside
// what sbcd took under it.
type planned struct {
	Rate          int     `json:"rate"`
	Cores         float64 `json:"planned_cores"`
	CoresUsed     float64 `json:"cores"`
	Process       float64 `json:"planned_process_bytes"` // beside its state
	ProcessUsed   float64 `json:"process_bytes"`
	Arena         float64 `json:"planned_arena_bytes"`
	ArenaUsed     float64 `json:"arena_bytes"`
	Problems      []string
	CalibratedFor time.Duration `json:"calibration_ns"`
}

// How far a calibrated plan may be off.
const (
	cpuOff    = 0.20
	memoryOff = 0.05
)

// calibrated calibrates, plans, and measures what was planned.
func (b *bench) calibrated(ctx context.Context) (*planned, error) {
	file := filepath.Join(b.work, "machine.hcl")
	begin := time.Now()
	cmd := exec.CommandContext(ctx, b.program("trunkline"), "calibrate", "-o", file, "--profile", "sbc", "--allowance", "1", "--noisy",
		"--proxy-cpu", b.proxyCore, "--load-cpu", b.loadCore)
	cmd.Stderr = os.Stderr
	if out, err := cmd.Output(); err != nil {
		return nil, fmt.Errorf("trunkline calibrate: %w\n%s", err, out)
	}
	p := &planned{Rate: standingRate, CalibratedFor: time.Since(begin)}
	if err := b.planWith(file, p); err != nil {
		return nil, err
	}
	b.calibration = file
	defer func() { b.calibration = "" }()
	proxy, err := b.start(ctx, sbcdStanding)
	if err != nil {
		return nil, err
	}
	defer proxy.stop()
	r, err := b.rig().Window(ctx, 2*time.Minute, proxy.Process, "--rate", strconv.Itoa(p.Rate), "--duration", "20s", "--warmup", "15s", "--hold", "5s")
	if err != nil {
		return nil, err
	}
	size, state, err := usage.Mapping(proxy.Pid(), "/memfd:trunkline")
	if err != nil {
		return nil, err
	}
	w := r.CPU.Watched
	p.CoresUsed, p.ProcessUsed, p.ArenaUsed = w.Cores, float64(w.Resident-state), float64(size)
	p.Problems = append(append([]string{}, r.Problems...), rig.Disturbances(r)...)
	return p, nil
}

// planWith reads from a plan made with a calibration what it says of the load.
func (b *bench) planWith(file string, p *planned) error {
	out, err := exec.Command(b.program("trunkline"), "plan", b.sbc, "--json", "--calibration", file, "--var", fmt.Sprintf("workers=%d", b.workers), "--var", fmt.Sprintf("cps=%d", p.Rate)).Output()
	if err != nil {
		return fmt.Errorf("trunkline plan: %w", err)
	}
	type figure struct {
		Value  float64 `json:"value"`
		Inputs []struct {
			Name  string  `json:"name"`
			Value float64 `json:"value"`
		} `json:"inputs"`
	}
	var plan struct {
		Budget struct {
			Cores  figure `json:"cores_needed"`
			Arena  figure `json:"arena"`
			Memory []struct {
				Bytes struct {
					ID string `json:"id"`
					figure
				} `json:"bytes"`
			} `json:"memory"`
		} `json:"budget"`
	}
	if err := json.Unmarshal(out, &plan); err != nil {
		return err
	}
	input := func(f figure, name string) float64 {
		for _, in := range f.Inputs {
			if in.Name == name {
				return in.Value
			}
		}
		return 0
	}
	// A core is planned to be busy for a part of the time.
	p.Cores = plan.Budget.Cores.Value * input(plan.Budget.Cores, "target_utilisation")
	p.Arena = plan.Budget.Arena.Value
	for _, m := range plan.Budget.Memory {
		if m.Bytes.ID == "memory.process" {
			p.Process = input(m.Bytes.figure, "process_bytes")
		}
	}
	if p.Cores == 0 || p.Process == 0 {
		return fmt.Errorf("the plan does not say what its CPU and the memory of sbcd are made of")
	}
	return nil
}

// missed says what of a calibrated plan was too far off.
func (p *planned) missed() []string {
	if p == nil {
		return nil
	}
	var out []string
	for _, x := range []struct {
		what                   string
		planned, measured, off float64
	}{
		{"CPU", p.Cores, p.CoresUsed, cpuOff},
		{"memory", p.Process + p.Arena, p.ProcessUsed + p.ArenaUsed, memoryOff},
	} {
		if q := x.measured/x.planned - 1; q > x.off || q < -x.off {
			out = append(out, fmt.Sprintf("%s is %+.0f %% off the calibrated plan", x.what, 100*q))
		}
	}
	return out
}

func (p *planned) print(w io.Writer) {
	if p == nil {
		return
	}
	fmt.Fprintf(w, "\na plan with a calibration of this machine (%.0f s), beside what sbcd took at %d calls/s %v\n", p.CalibratedFor.Seconds(), p.Rate, p.Problems)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "\tplanned\tmeasured\toff")
	for _, x := range []struct {
		what, format      string
		planned, measured float64
	}{
		{"CPU", "%.3f cores", p.Cores, p.CoresUsed},
		{"state of calls", "%.1f MiB", p.Arena / (1 << 20), p.ArenaUsed / (1 << 20)},
		{"sbcd beside it", "%.1f MiB", p.Process / (1 << 20), p.ProcessUsed / (1 << 20)},
		{"memory", "%.1f MiB", (p.Process + p.Arena) / (1 << 20), (p.ProcessUsed + p.ArenaUsed) / (1 << 20)},
	} {
		fmt.Fprintf(tw, "%s\t"+x.format+"\t"+x.format+"\t%+.1f %%\n", x.what, x.planned, x.measured, 100*(x.measured/x.planned-1))
	}
	_ = tw.Flush()
}
