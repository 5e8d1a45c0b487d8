package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
)

const (
	// calibrationVariable names the coefficients file where --calibration does not.
	calibrationVariable = "TRUNKLINE_CALIBRATION"
	// maxCalibration bounds a coefficients file, bytes.
	maxCalibration = 1 << 20
)

// calibrationHelp is the part of a command's help about coefficients.
const calibrationHelp = `

With --calibration the figures come from coefficients of your own: see "trunkline
help calibration".`

// calibration is the set of coefficients a run sizes with.
type calibration struct {
	file string // what --calibration says; empty: nothing

	coefficients *sizing.Coefficients // nil: not looked at yet
	record       *plan.Calibration    // nil: this version's own
}

// calibrationFlag adds --calibration to a command that sizes.
func (a *app) calibrationFlag(c *cobra.Command) {
	c.Flags().VarP(&fileFlag{&a.calibration.file}, "calibration", "", "`FILE` of coefficients to size with (default: $"+calibrationVariable+", else those of this version)")
}

// sizeWith returns the coefficients of this run, and how a plan records them. What is
// wrong with the file is shown as a spec's mistakes are.
func (a *app) sizeWith() (*sizing.Coefficients, *plan.Calibration, error) {
	if a.calibration.coefficients != nil {
		return a.calibration.coefficients, a.calibration.record, nil
	}
	name, how := a.calibration.file, "with --calibration"
	if name == "" {
		name, how = a.Getenv(calibrationVariable), "in "+calibrationVariable
	}
	if name == "" {
		a.calibration.coefficients = sizing.DefaultCoefficients()
		return a.calibration.coefficients, nil, nil
	}
	b, err := readBounded(name, maxCalibration)
	if err != nil {
		return nil, nil, fmt.Errorf("calibration: %w: name a file of coefficient blocks %s", err, how)
	}
	c, diags := sizing.ParseCoefficients(b, name)
	if diags.HasErrors() {
		files := map[string]*hcl.File{name: {Bytes: b}}
		if err := spec.WriteDiagnostics(a.Stderr, files, diags, uint(width(a.Stderr)), a.color(a.Stderr)); err != nil {
			return nil, nil, err
		}
		fmt.Fprintf(a.Stderr, "%s: %s.\n", name, tally(diags))
		a.alsoWrong(diags, files)
		return nil, nil, errShown
	}
	sum := sha256.Sum256(b)
	a.calibration.coefficients = c
	a.calibration.record = &plan.Calibration{Name: filepath.Base(name), Digest: "sha256:" + hex.EncodeToString(sum[:])}
	return c, a.calibration.record, nil
}

// readBounded reads a regular file of at most limit bytes.
func readBounded(name string, limit int64) ([]byte, error) {
	info, err := os.Stat(name) // before opening: opening a FIFO would wait for a writer
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s is larger than %s", name, sizing.Bytes(float64(limit)))
	}
	return b, err
}

// calibrated says in words what a plan was sized with.
func calibrated(c *plan.Calibration) string {
	if c == nil {
		return "the coefficients of its version of Trunkline"
	}
	return fmt.Sprintf("the calibration %s (%s)", c.Name, c.Digest)
}

// sameCalibration reports whether two plans were sized with the same file, whatever
// it is called; two without one are alike too.
func sameCalibration(x, y *plan.Plan) bool {
	if x.Calibration == nil || y.Calibration == nil {
		return x.Calibration == y.Calibration
	}
	return x.Calibration.Digest == y.Calibration.Digest
}

// recalibrate is what to do to size as the plan in file name was.
func recalibrate(name string, saved *plan.Plan) string {
	if saved.Calibration == nil {
		return fmt.Sprintf("leave out --calibration, and unset %s, or plan again", calibrationVariable)
	}
	return fmt.Sprintf("give that very file with --calibration, or plan again to replace %s", name)
}

// fileFlag is a flag that names a file.
type fileFlag struct{ name *string }

var _ pflag.Value = &fileFlag{}

func (f *fileFlag) String() string {
	if f.name == nil {
		return ""
	}
	return *f.name
}

func (*fileFlag) Type() string { return "FILE" }

func (f *fileFlag) Set(name string) error {
	if name == "" {
		return errors.New("name a file")
	}
	*f.name = name
	return nil
}
