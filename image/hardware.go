package image

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"trunkline/image/initrd"
	"trunkline/image/initrd/modules"
	"trunkline/image/rootfs"
)

// Hardware is what the base layer holds for a machine beside what its profile has for
// all. Zero: nothing.
type Hardware struct {
	Drivers   []Driver
	Microcode []string // makers of processors (initrd.MicrocodeMakers) whose updates the kernel loads first
}

// Driver is a driver of the machine.
type Driver struct {
	Name    string   // as the spec has it
	Modules []string // kernel modules, by name; what they need comes with them
	// Firmware are path.Match patterns of files below /usr/lib/firmware that the driver
	// cannot do without. What its modules say they may ask for is kept as far as the
	// packages have it; a pattern that none of that matches brings files of its own, and
	// must.
	Firmware []string
}

// Kept is a file of the root image that is there for the machine.
type Kept struct {
	Name  string `json:"name"` // of a module, or path below /usr/lib/firmware
	Bytes int64  `json:"bytes"`
}

// firmwareDir is where the kernel looks for firmware.
const firmwareDir = "usr/lib/firmware"

// identity is the same for requests of the same files, in whatever order, and empty
// for none.
func (h Hardware) identity() string {
	var out []string
	for _, d := range h.Drivers {
		for _, m := range d.Modules {
			out = append(out, "module "+m)
		}
		for _, f := range d.Firmware {
			out = append(out, "firmware "+f)
		}
	}
	for _, m := range h.Microcode {
		out = append(out, "microcode "+m)
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ", ")
}

// modules are the names of all drivers' modules.
func (h Hardware) modules() []string {
	var out []string
	for _, d := range h.Drivers {
		out = append(out, d.Modules...)
	}
	return out
}

// explain names the driver whose module the kernel does not have.
func (h Hardware) explain(err error) error {
	var unknown *modules.UnknownModule
	if !errors.As(err, &unknown) {
		return err
	}
	for _, d := range h.Drivers {
		for _, m := range d.Modules {
			if strings.ReplaceAll(m, "-", "_") == unknown.Name {
				return fmt.Errorf("driver %q: %w: another version of the kernel is in the lock file than this version of Trunkline knows; run `trunkline lock` again, or name another driver", d.Name, err)
			}
		}
	}
	return err
}

// selectFirmware leaves only the firmware in the tree that the modules may ask for and
// that the drivers need, and returns it. Links stay with what they lead to.
func (h Hardware) selectFirmware(tree *rootfs.Tree, sel []*modules.Module) ([]Kept, error) {
	keep := map[string]rootfs.Node{}
	for _, m := range sel {
		for _, pattern := range m.Firmware {
			firmware(tree, pattern, keep)
		}
	}
	for _, d := range h.Drivers {
		for _, pattern := range d.Firmware {
			if !has(keep, pattern) && firmware(tree, pattern, keep) == 0 {
				return nil, fmt.Errorf("driver %q cannot work without firmware %s, which no package of the lock file has: run `trunkline lock` again", d.Name, pattern)
			}
		}
	}
	tree.Remove(firmwareDir)
	var out []Kept
	for _, p := range slices.Sorted(maps.Keys(keep)) {
		if err := tree.Put(p, keep[p]); err != nil {
			return nil, err
		}
		if n := keep[p]; n.Kind == rootfs.Regular {
			out = append(out, Kept{strings.TrimPrefix(p, firmwareDir+"/"), int64(len(n.Data))})
		}
	}
	return out, nil
}

// has reports whether a file below firmwareDir that matches is kept.
func has(keep map[string]rootfs.Node, pattern string) bool {
	for p := range keep {
		for _, ending := range []string{"", ".xz", ".zst"} {
			if ok, _ := path.Match(path.Join(firmwareDir, pattern)+ending, p); ok {
				return true
			}
		}
	}
	return false
}

// firmware adds the files that match to keep and returns their number. The kernel
// takes compressed ones too (CONFIG_FW_LOADER_COMPRESS).
func firmware(tree *rootfs.Tree, pattern string, keep map[string]rootfs.Node) (hits int) {
	for _, ending := range []string{"", ".xz", ".zst"} {
		for _, p := range tree.Glob(path.Join(firmwareDir, pattern) + ending) {
			n, to := tree.Get(p), tree.Resolve(p)
			if to == "" || tree.Get(to).Kind != rootfs.Regular {
				continue
			}
			keep[p], keep[to] = *n, *tree.Get(to)
			hits++
		}
	}
	return hits
}

// microcode takes the processors' updates out of the tree, as the archive that the
// kernel looks for before anything else; nothing when none are wanted.
func (h Hardware) microcode(tree *rootfs.Tree) ([]byte, error) {
	parts := map[string][]byte{}
	for _, maker := range h.Microcode {
		pattern := initrd.MicrocodeFiles(maker)
		var all []byte
		for _, p := range tree.Glob(path.Join(firmwareDir, pattern)) {
			if n := tree.Get(p); n.Kind == rootfs.Regular {
				all = append(all, n.Data...)
			}
		}
		if len(all) == 0 {
			return nil, fmt.Errorf("no package of the lock file has microcode for processors of %s (%s): run `trunkline lock` again", maker, pattern)
		}
		parts[maker] = all
	}
	if len(parts) == 0 {
		return nil, nil
	}
	return initrd.Microcode(parts)
}
