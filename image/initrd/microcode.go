package initrd

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cavaliergopher/cpio"
)

// microcodeOf says for each maker of processors which files of the packages hold its
// updates, and under which name the kernel looks for them all in one (kernel:
// Documentation/arch/x86/microcode.rst).
var microcodeOf = map[string]struct{ files, name string }{
	"amd":   {"amd-ucode/microcode_amd*.bin", "AuthenticAMD.bin"},
	"intel": {"intel-ucode/*", "GenuineIntel.bin"},
}

// MicrocodeMakers are the makers of processors there are updates of, sorted.
func MicrocodeMakers() []string { return slices.Sorted(maps.Keys(microcodeOf)) }

// MicrocodeFiles is the pattern of a maker's files below /usr/lib/firmware; empty for
// a maker that is not known.
func MicrocodeFiles(maker string) string { return microcodeOf[maker].files }

// microcodeAlign is what Intel's processors want an update to lie on in memory (SDM
// volume 3, "Microcode Update Loader"); the stub puts the archive on a page.
const microcodeAlign = 16

// Microcode is the archive with the updates of processors, by maker: not compressed,
// since the kernel reads it before it can unpack anything, and the first of all.
func Microcode(updates map[string][]byte) ([]byte, error) {
	var b bytes.Buffer
	a := newArchive(&b)
	for _, dir := range []string{"kernel", "kernel/x86", "kernel/x86/microcode"} {
		a.dir(dir)
	}
	for _, maker := range slices.Sorted(maps.Keys(updates)) {
		of, ok := microcodeOf[maker]
		if !ok {
			return nil, fmt.Errorf("microcode: no maker of processors is called %q; these are: %s", maker, strings.Join(MicrocodeMakers(), ", "))
		}
		name := "kernel/x86/microcode/" + of.name
		// Zeros after the name, which count as part of it and which the kernel skips,
		// move the data. The header takes 110 bytes, and the name ends in a zero.
		const header = 110
		for (b.Len()+header+len(name)+1)%microcodeAlign != 0 {
			name += "\x00"
		}
		data := updates[maker]
		a.header(&cpio.Header{Name: name, Mode: cpio.TypeReg | 0o644, Links: 1, Size: int64(len(data))})
		if a.err == nil {
			_, a.err = a.w.Write(data)
		}
		if a.err == nil {
			a.err = a.w.Flush()
		}
	}
	if err := a.close(); err != nil {
		return nil, fmt.Errorf("microcode: %w", err)
	}
	return append(b.Bytes(), make([]byte, -b.Len()&(Align-1))...), nil
}
