// Package uki assembles a unified kernel image: the systemd UEFI stub with the
// kernel, the initrd, the kernel command line and the OS identity appended as
// PE sections (UAPI.5 "Unified Kernel Image").
//
// It promises:
//
//   - the same parts give the same bytes: no clock, no host state, the PE
//     time stamp of the stub is kept and the checksum is computed;
//   - every section starts on a 4 KiB boundary in memory and in the file, and
//     the header says so (SectionAlignment = FileAlignment = 4096). Firmware
//     that maps sections with page protection resets on 512-byte ones when
//     Secure Boot is on;
//   - the result is a well-formed PE32+ image without gaps between sections,
//     so it can be signed (Authenticode) as it is;
//   - a stub that cannot work (another architecture, already signed, not a
//     systemd stub, no room for more section headers) is refused with a reason.
//
// Sizes are bytes. Only x86-64 is built.
package uki

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Parts is what goes into one image.
type Parts struct {
	Stub   []byte // systemd's linuxx64.efi.stub, unsigned
	Kernel []byte // a bzImage with the EFI stub (itself a PE image)
	// Microcode is an archive that the stub puts before all others, without compression:
	// the kernel looks for updates of the processors at the start alone (UAPI.5, .ucode).
	// Empty: no such section.
	Microcode []byte
	// Initrd archives are concatenated into one .initrd section, each padded to
	// 4 bytes: the kernel's unpacker looks for the next archive on that boundary.
	Initrd    [][]byte
	Cmdline   string // kernel command line, one line
	OSRelease string // contents of os-release
	Uname     string // kernel release; empty: no .uname section
	// PCRKey is a public key in PEM and PCRSignature how many bytes signatures of PCR values by it
	// take, which SetPCRSignature fills in; empty and 0: no .pcrpkey and no .pcrsig.
	PCRKey       []byte
	PCRSignature int
}

// alignment of sections in memory and in the file.
const pageSize = 4096

// initrdAlign is the boundary the kernel expects the next archive on
// (Documentation/driver-api/early-userspace/buffer-format.rst).
const initrdAlign = 4

// Write assembles p and writes the image to w.
func Write(w io.Writer, p Parts) error {
	img, err := parse(p.Stub)
	if err != nil {
		return fmt.Errorf("uki: stub: %w", err)
	}
	if err := checkStub(img); err != nil {
		return fmt.Errorf("uki: stub: %w", err)
	}
	add, err := p.sections()
	if err != nil {
		return fmt.Errorf("uki: %w", err)
	}
	out, err := layout(img, add)
	if err != nil {
		return fmt.Errorf("uki: %w", err)
	}
	if err := out.write(w); err != nil {
		return fmt.Errorf("uki: writing the image: %w", err)
	}
	return nil
}

// content is a section to append; data pieces follow each other without gap.
type content struct {
	name string
	data [][]byte
}

func (c content) size() uint64 {
	var n uint64
	for _, d := range c.data {
		n += uint64(len(d))
	}
	return n
}

// sections returns the sections of p in the customary order: identity first
// (boot loaders read it), bulk last.
func (p Parts) sections() ([]content, error) {
	switch {
	case len(p.Kernel) == 0:
		return nil, errors.New("no kernel given")
	case len(p.Initrd) == 0:
		return nil, errors.New("no initrd given")
	case p.OSRelease == "":
		return nil, errors.New("no os-release given: boot loaders list an image only with .osrel")
	}
	for _, b := range []byte(p.Cmdline) {
		if b == 0 || b == '\n' {
			return nil, fmt.Errorf("command line %q: holds a newline or NUL; write it as one line", p.Cmdline)
		}
	}
	if k, err := parse(p.Kernel); err != nil {
		return nil, fmt.Errorf("kernel: %w; give a bzImage built with CONFIG_EFI_STUB", err)
	} else if k.machine() != machineAMD64 {
		return nil, fmt.Errorf("kernel is for machine %#x; give an x86-64 one", k.machine())
	}
	var initrd [][]byte
	for _, a := range p.Initrd {
		initrd = append(initrd, a)
		if pad := padding(uint64(len(a)), initrdAlign); pad > 0 {
			initrd = append(initrd, make([]byte, pad))
		}
	}
	out := []content{
		{".osrel", [][]byte{[]byte(p.OSRelease)}},
		{".cmdline", [][]byte{[]byte(p.Cmdline)}},
	}
	if p.Uname != "" {
		out = append(out, content{".uname", [][]byte{[]byte(p.Uname)}})
	}
	if len(p.PCRKey) > 0 && p.PCRSignature > 0 {
		out = append(out, content{".pcrpkey", [][]byte{p.PCRKey}}, content{pcrSignature, [][]byte{make([]byte, p.PCRSignature)}})
	}
	if len(p.Microcode) > 0 {
		out = append(out, content{".ucode", [][]byte{p.Microcode}})
	}
	out = append(out, content{".initrd", initrd}, content{".linux", [][]byte{p.Kernel}})
	if out[1].size() == 0 {
		out = append(out[:1], out[2:]...) // an empty section is not valid
	}
	if out[len(out)-2].size() == 0 {
		return nil, errors.New("the initrd is empty")
	}
	return out, nil
}

// sdmagic is the start of the .sdmagic section of systemd's EFI binaries.
var sdmagic = []byte("#### LoaderInfo: systemd-stub ")

// checkStub says why img cannot serve as a stub.
func checkStub(img *image) error {
	if m := img.machine(); m != machineAMD64 {
		return fmt.Errorf("built for machine %#x; take linuxx64.efi.stub of Debian package systemd-boot-efi", m)
	}
	if va, size := img.dataDirectory(dirSecurity); va != 0 || size != 0 {
		return errors.New("carries a signature, which appending sections would break; take the unsigned stub")
	}
	magic := img.section(".sdmagic")
	if magic == nil || !bytes.HasPrefix(img.contents(magic), sdmagic) {
		return errors.New("no systemd-stub mark in .sdmagic; take linuxx64.efi.stub of Debian package systemd-boot-efi (the boot loader or an addon stub will not do)")
	}
	for _, name := range []string{".linux", ".initrd", ".ucode", ".cmdline", ".osrel", ".uname", ".pcrpkey", pcrSignature} {
		if img.section(name) != nil {
			return fmt.Errorf("already holds a %s section: it is a finished image, not a stub", name)
		}
	}
	return nil
}

// padding is the number of bytes from n to the next multiple of align.
func padding(n, align uint64) uint64 { return (align - n%align) % align }
