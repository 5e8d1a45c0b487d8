package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trunkline/appliance/runtime"
	"trunkline/tools/sbcd/slots"
)

// judged is a trial over a directory that stands for the partition.
type judged struct {
	*trial
	dir    string
	events []string // what was said and done, in order
	boots  []runtime.Boot
}

func newTrial(t *testing.T, version string, units []map[string]unitState, files ...string) *judged {
	t.Helper()
	j := &judged{dir: t.TempDir()}
	for _, d := range []string{"EFI/Linux", "loader"} {
		if err := os.MkdirAll(filepath.Join(j.dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(j.dir, "EFI/Linux", f), []byte("image"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	note := func(format string, args ...any) { j.events = append(j.events, fmt.Sprintf(format, args...)) }
	j.trial = &trial{
		name: "edge", version: version, within: time.Hour, every: time.Millisecond, counted: true,
		open: func(context.Context) (*slots.ESP, func() error, error) {
			e, err := slots.Open(j.dir, "edge", version)
			return e, func() error { return nil }, err
		},
		units: func(context.Context) (map[string]unitState, error) {
			if len(units) == 0 {
				return nil, errors.New("no answer")
			}
			u := units[0]
			if len(units) > 1 {
				units = units[1:]
			}
			return u, nil
		},
		reboot: func(context.Context) error { note("reboot"); return nil },
		say:    note,
		record: func(b runtime.Boot) error { j.boots = append(j.boots, b); return nil },
		ready:  func() error { note("ready"); return nil },
	}
	return j
}

func (j *judged) files(t *testing.T) string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(j.dir, "EFI/Linux"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, d := range entries {
		out = append(out, d.Name())
	}
	return strings.Join(out, " ")
}

func starting(more map[string]unitState) map[string]unitState {
	out := map[string]unitState{"boot-complete.target": {active: "inactive"}, "sbcd.service": {active: "activating"}}
	for k, v := range more {
		out[k] = v
	}
	return out
}

func TestTrialOfAGoodImage(t *testing.T) {
	j := newTrial(t, "2", []map[string]unitState{
		starting(nil), starting(nil), {"boot-complete.target": {active: "active"}, "sbcd.service": {active: "active"}},
	}, "edge_1.efi", "edge_2+2-1.efi")
	if err := j.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	want := []string{"ready", "version 2 is on trial, with 2 more starts before the machine falls back", "version 2 is found good"}
	if d := cmp.Diff(want, j.events); d != "" {
		t.Error(d)
	}
	if got := j.files(t); got != "edge_1.efi edge_2.efi" {
		t.Error(got)
	}
	boots := []runtime.Boot{{Version: "2", Trial: runtime.TrialRunning, StartsLeft: 2}, {Version: "2", Trial: runtime.TrialPassed}}
	if d := cmp.Diff(boots, j.boots); d != "" {
		t.Error(d)
	}
}

func TestTrialThatFails(t *testing.T) {
	for name, tt := range map[string]struct {
		units  []map[string]unitState
		within time.Duration
		want   string
	}{
		"a refusal": {[]map[string]unitState{starting(nil), starting(map[string]unitState{"sbcd.service": {"failed", "exit-code", "refused: cache carriers: no file"}})},
			time.Hour, "sbcd.service: refused: cache carriers: no file"},
		"a crash":         {[]map[string]unitState{starting(map[string]unitState{"sbcd.service": {"failed", "signal", ""}})}, time.Hour, "sbcd.service failed (signal)"},
		"the self-check":  {[]map[string]unitState{starting(map[string]unitState{"trunkline-selfcheck.service": {"failed", "exit-code", "refused: listener x"}})}, time.Hour, "trunkline-selfcheck.service: refused: listener x"},
		"too slow":        {[]map[string]unitState{starting(nil)}, 10 * time.Millisecond, "no boot-complete within 0 s"},
		"a silent system": {nil, 10 * time.Millisecond, "the service manager does not say how the boot is: no answer"},
	} {
		t.Run(name, func(t *testing.T) {
			j := newTrial(t, "2", tt.units, "edge_1.efi", "edge_2+1-2.efi")
			j.within = tt.within
			if err := j.run(context.Background()); err != nil {
				t.Fatal(err)
			}
			want := []string{"ready", "version 2 is on trial, with 1 more starts before the machine falls back",
				"version 2 failed its trial: " + tt.want + ". The machine restarts", "reboot"}
			if d := cmp.Diff(want, j.events); d != "" {
				t.Error(d)
			}
			// The boot loader counts on, and the image from before finds the reason.
			if err := os.Rename(filepath.Join(j.dir, "EFI/Linux/edge_2+1-2.efi"), filepath.Join(j.dir, "EFI/Linux/edge_2+0-3.efi")); err != nil {
				t.Fatal(err)
			}
			old := newTrial(t, "1", nil)
			old.dir = j.dir
			if err := old.run(context.Background()); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff([]string{"fell back from 2 to 1: " + tt.want, "ready"}, old.events); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff([]runtime.Boot{{Version: "1", FellBackFrom: "2", Reason: tt.want}}, old.boots); d != "" {
				t.Error(d)
			}
		})
	}
}

// An image that was found good stays up, and asks nobody.
func TestNoTrial(t *testing.T) {
	j := newTrial(t, "1", nil, "edge_1.efi")
	j.counted = false
	if err := j.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"ready"}, j.events); d != "" {
		t.Error(d)
	}
	broken := errors.New("no driver")
	j.open = func(context.Context) (*slots.ESP, func() error, error) { return nil, nil, broken }
	if err := j.run(context.Background()); !errors.Is(err, broken) {
		t.Errorf("a partition that is not there: %v", err)
	}
	j.open = func(context.Context) (*slots.ESP, func() error, error) { return nil, nil, slots.ErrNoESP }
	if err := j.run(context.Background()); err != nil {
		t.Errorf("booted over the network: %v", err)
	}
	// On trial such an image could never be found good.
	j.open, j.counted, j.events = func(context.Context) (*slots.ESP, func() error, error) { return nil, nil, broken }, true, nil
	if err := j.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"version 1 failed its trial: no driver. The machine restarts", "reboot"}, j.events); d != "" {
		t.Error(d)
	}
}

func TestParseUnits(t *testing.T) {
	got := parseUnits("Id=sbcd.service\nActiveState=failed\nResult=exit-code\nStatusText=refused: a=b\n\nId=x.target\nActiveState=inactive\n\nResult=success\n")
	want := map[string]unitState{"sbcd.service": {"failed", "exit-code", "refused: a=b"}, "x.target": {active: "inactive"}}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(unitState{})); d != "" {
		t.Error(d)
	}
}
