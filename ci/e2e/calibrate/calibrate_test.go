package calibrate

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A quick calibration measures every figure, and a plan takes them: the same spec is sized by what
// was measured, says so, and needs what the measured cost of a call makes of its rate.
func TestCalibration(t *testing.T) {
	bin := os.Getenv("TRUNKLINE_BIN")
	if bin == "" {
		t.Skip("TRUNKLINE_BIN is not set: run `make e2e`, which builds the programs and sets it")
	}
	trunkline := filepath.Join(bin, "trunkline")
	file := filepath.Join(t.TempDir(), "machine.hcl")
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, trunkline, "calibrate", "--quick", "--noisy", "-o", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// On a busy machine the search for the highest rate may have no clean step: then it says so.
	for _, name := range []string{"cpu_per_call", "process_bytes", "message_bytes_stored", "dialog_bytes", "stall"} {
		if !strings.Contains(string(text), `coefficient "`+name+`"`) {
			t.Errorf("%s was not measured:\n%s", name, text)
		}
	}
	if !strings.Contains(string(text), `coefficient "socket_packets"`) && !strings.Contains(string(text), "# Missing: socket_packets") {
		t.Errorf("nothing is said of socket_packets:\n%s", text)
	}

	out, err = exec.CommandContext(ctx, trunkline, "plan", "--json", "--calibration", file, "../../../appliance/examples/edge-fra1").Output()
	if err != nil {
		t.Fatalf("plan: %v\n%s", err, out)
	}
	var plan struct {
		Calibration struct{ Name, Digest string }
	}
	if err := json.Unmarshal(out, &plan); err != nil {
		t.Fatal(err)
	}
	if plan.Calibration.Name != "machine.hcl" || !strings.HasPrefix(plan.Calibration.Digest, "sha256:") {
		t.Errorf("the plan was sized with %+v", plan.Calibration)
	}
	if !strings.Contains(string(out), "measured: sbcd, profile proxy") {
		t.Error("the plan does not say where its cost of a call comes from")
	}
}

// What cannot be is said at once, and nothing is written.
func TestRefusals(t *testing.T) {
	bin := os.Getenv("TRUNKLINE_BIN")
	if bin == "" {
		t.Skip("TRUNKLINE_BIN is not set: run `make e2e`, which builds the programs and sets it")
	}
	dir := t.TempDir()
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "name it with -o FILE"},
		{[]string{"-o", filepath.Join(dir, "nowhere", "x.hcl")}, "no such file or directory"},
		{[]string{"-o", filepath.Join(dir, "x.hcl"), "--profile", "router"}, "write proxy, sbc"},
		{[]string{"-o", filepath.Join(dir, "x.hcl"), "--allowance", "0.5"}, "write 1 or more"},
		{[]string{"-o", filepath.Join(dir, "x.hcl"), "--proxy-cpu", "1"}, "each needs one of its own"},
		{[]string{"-o", filepath.Join(dir, "x.hcl"), "--proxy-cpu", "4096"}, "there is no CPU 4096"},
	} {
		out, err := exec.Command(filepath.Join(bin, "trunkline"), append([]string{"calibrate"}, c.args...)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), c.want) {
			t.Errorf("calibrate %v: %v, want %q:\n%s", c.args, err, c.want, out)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
