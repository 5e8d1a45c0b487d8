package cli

import (
	"encoding/json"
	"fmt"
	"os"

	"trunkline/image/inspect"
	"trunkline/image/inspect/diff"
	"trunkline/tools/report/inspection"
)

// isImage reports whether an operand of diff is an image as a file.
func isImage(name string) bool {
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	kind, err := inspect.KindOf(name)
	return err == nil && kind != inspect.KindOther
}

// runImageDiff compares what two images hold.
func (a *app) runImageDiff(before, after string, o diffOptions) error {
	if o.format == formatMarkdown {
		return fmt.Errorf("what differs between images is shown as text or JSON: leave out --format %s", o.format)
	}
	for _, name := range []string{before, after} {
		if !isImage(name) {
			return fmt.Errorf("%s is no image, and an image is compared with an image alone: name NAME.efi, NAME.raw, NAME.qcow2 or NAME.iso on both sides, or on neither", name)
		}
	}
	x, err := inspect.Open(before)
	if err != nil {
		return err
	}
	y, err := inspect.Open(after)
	if err != nil {
		return err
	}
	d := diff.Compare(x, y)
	if o.format == formatJSON {
		enc := json.NewEncoder(a.Stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(d)
	} else {
		err = inspection.Changes(a.Stdout, d, inspection.Options{Width: width(a.Stdout), Full: o.full, Color: a.color(a.Stdout)})
	}
	if err == nil && o.detailed && d.Changed {
		return exitStatus(exitChanges)
	}
	return err
}
