// Package audit looks at the appliance from within: what is open, what could be executed,
// and whether the kernel keeps the settings that the image asks for. It reads files of
// /proc, /sys and the root file system and changes nothing.
//
// A check either holds or names each thing that breaks it. What cannot be read breaks it
// too: an audit that looked at nothing says nothing.
package audit

import (
	"fmt"
	"io/fs"
	"strings"

	"trunkline/appliance/runtime"
)

// Check is one thing that was looked at.
type Check struct {
	Name string
	Saw  string   // what holds, in a few words
	Bad  []string // what does not, each with its cause; none: the check holds
}

// String is the line that is printed of it.
func (c Check) String() string {
	if len(c.Bad) == 0 {
		return fmt.Sprintf("%s: ok: %s", c.Name, c.Saw)
	}
	return fmt.Sprintf("%s: FAILED: %s", c.Name, strings.Join(c.Bad, "; "))
}

// Run makes all checks. root is the machine's file system.
func Run(root fs.FS, cfg *runtime.Appliance) []Check {
	checks := []struct {
		name string
		do   func(fs.FS, *runtime.Appliance) (saw string, bad []string, err error)
	}{
		{"sockets", sockets},
		{"kernel settings", settings},
		{"lockdown", lockdown},
		{"measured boot", measured},
		{"mounts", mounts},
		{"programs", programs},
	}
	var out []Check
	for _, c := range checks {
		saw, bad, err := c.do(root, cfg)
		if err != nil {
			bad = append(bad, err.Error())
		}
		out = append(out, Check{Name: c.name, Saw: saw, Bad: bad})
	}
	return out
}

// lines gives the fields of every line of a file but its heading.
func lines(root fs.FS, name string, heading bool) ([][]string, error) {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return nil, err
	}
	var out [][]string
	for line := range strings.Lines(string(b)) {
		if heading {
			heading = false
			continue
		}
		if f := strings.Fields(line); len(f) > 0 {
			out = append(out, f)
		}
	}
	return out, nil
}

// lockdown holds when the kernel is locked down (Documentation/admin-guide/LSM and
// kernel_lockdown(7)): not even root changes the running kernel.
func lockdown(root fs.FS, _ *runtime.Appliance) (string, []string, error) {
	b, err := fs.ReadFile(root, "sys/kernel/security/lockdown")
	if err != nil {
		return "", nil, err
	}
	_, rest, _ := strings.Cut(string(b), "[")
	mode, _, _ := strings.Cut(rest, "]")
	if mode != "integrity" && mode != "confidentiality" {
		return "", []string{fmt.Sprintf("the kernel is not locked down: %s", strings.TrimSpace(string(b)))}, nil
	}
	return mode, nil, nil
}
