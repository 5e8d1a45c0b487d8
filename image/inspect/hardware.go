package inspect

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Hardware is what the image has for the machine it runs on: what was kept of the kernel's
// modules, and of firmware and microcode.
type Hardware struct {
	KernelModules int      `json:"kernel_modules"` // all of them, those of networks and file systems too
	Drivers       []Driver `json:"drivers"`        // modules below the kernel's drivers directory, by class and name
	Firmware      []File   `json:"firmware"`       // by path, below Linux's firmware directory
	Microcode     []File   `json:"microcode"`      // by name; updates of the processors
}

// Driver is one module that drives a device.
type Driver struct {
	Name  string `json:"name"`  // "e1000e"
	Class string `json:"class"` // the directory of the kernel's drivers it is from: "net/ethernet/intel/e1000e"
	Size  int64  `json:"size"`
}

// Where a Debian root image has them; the microcode's place is the kernel's
// (Documentation/arch/x86/microcode.rst).
const (
	modulesDir   = "usr/lib/modules/"
	firmwareDir  = "usr/lib/firmware/"
	microcodeDir = "kernel/x86/microcode/"
)

// hardware looks for it in the files of the root image and in the section .ucode.
func hardware(root []File, ucode []byte) (Hardware, error) {
	h := Hardware{Drivers: []Driver{}, Firmware: []File{}, Microcode: []File{}}
	for _, f := range root {
		if rest, ok := strings.CutPrefix(f.Path, firmwareDir); ok {
			f.Path = rest
			h.Firmware = append(h.Firmware, f)
			continue
		}
		rest, ok := strings.CutPrefix(f.Path, modulesDir)
		name, _, module := strings.Cut(path.Base(rest), ".ko")
		if !ok || !module {
			continue
		}
		h.KernelModules++
		if _, class, ok := strings.Cut(path.Dir(rest), "/kernel/drivers/"); ok {
			h.Drivers = append(h.Drivers, Driver{name, class, f.Size})
		}
	}
	slices.SortFunc(h.Drivers, func(a, b Driver) int {
		return strings.Compare(a.Class+"\x00"+a.Name, b.Class+"\x00"+b.Name)
	})
	files, err := unpack(ucode)
	if err != nil {
		return h, fmt.Errorf("microcode: %w", err)
	}
	for _, f := range files {
		// Zeros behind the name put the contents where the processor wants them.
		f.Path = strings.TrimRight(strings.TrimPrefix(f.Path, microcodeDir), "\x00")
		h.Microcode = append(h.Microcode, f)
	}
	slices.SortFunc(h.Microcode, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return h, nil
}
