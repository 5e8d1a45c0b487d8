// Package image builds an appliance's image: locked packages become a base layer
// (kernel, initrd with the root file system, UEFI stub, boot loader), the base
// layer and the files of one appliance's config layer become a unified kernel
// image (NAME.efi) and a bootable disk (NAME.raw, and on request NAME.qcow2 and the
// read-only NAME.iso). Beside them lie two bills of material (NAME.spdx.json, NAME.cdx.json) and the provenance (NAME.provenance.json).
//
// What is promised: no root, loop device, chroot, container or host tool; the
// same request gives the same bytes whatever the directory, time, umask, locale
// or number of CPUs. A base layer is kept in a cache directory under the digest
// of its inputs and used again, checked, by every build with the same inputs; a
// damaged one is built anew, and the layers used last stay. The inputs include the
// code: our sources, and the versions of Go and of the modules that shape bytes.
// Outputs and cache entries appear whole, by rename, or not at all; what a killed
// build leaves beside them goes with the next one.
//
// Sizes are bytes, digests lower-case hexadecimal SHA-256.
package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"time"

	"golang.org/x/sys/unix"

	"trunkline/image/debian"
	"trunkline/image/measure"
	"trunkline/image/secureboot"
)

// DefaultConsole is where the kernel writes unless told otherwise: the screen and the
// first serial port, which comes last so that /dev/console is it.
var DefaultConsole = []string{"tty0", "ttyS0,115200"}

// DefaultCmdline is the kernel command line of every image behind its consoles. The
// machine restarts when the kernel panics. No old vsyscall page at a known address, no memory
// shared by objects of different kinds, no debugfs: none of it costs time
// (Documentation/admin-guide/kernel-parameters.txt). What does, zeroing memory when it is
// freed for one, is left as Debian's kernel has it.
const DefaultCmdline = "panic=10 loglevel=4 vsyscall=none slab_nomerge debugfs=off " +
	"systemd.firstboot=off systemd.log_color=no systemd.show_status=yes"

// commandLine is that of a request, but for the digest of the image.
func (r Request) commandLine() string {
	console := r.Console
	if len(console) == 0 {
		console = DefaultConsole
	}
	out := ""
	for _, c := range console {
		out += "console=" + c + " "
	}
	out += DefaultCmdline
	if r.Cmdline != "" {
		out += " " + r.Cmdline
	}
	return out
}

// File is one file of the config layer. Parent directories are implied (0755).
// The owner is always root.
type File struct {
	Path string      // relative, slash separated, clean, below etc/
	Mode fs.FileMode // permission bits; 0: 0644
	Data []byte
	Link string // when set: a symbolic link to Link; Mode and Data unused
}

// Request is one build.
type Request struct {
	Name string // of the appliance; names the outputs
	// Version of the image, which orders updates (entry.CheckVersion); empty:
	// entry.DefaultVersion.
	Version string
	Profile string // "vm", "baremetal"

	// Hardware is what the base layer holds for this machine beside its profile's.
	Hardware Hardware

	Lock  *debian.Lock
	Store *debian.Store
	// Extras are the names of the packages that this appliance asks for beside those of every
	// one; what the lock has for extras of others stays out (debian.Package.For).
	Extras []string
	// Mirror is where packages missing in the store come from; nil or Offline:
	// a missing package is an error.
	Mirror  *url.URL
	Offline bool

	SbcdPath string // static executable, becomes /usr/bin/sbcd
	InitPath string // static executable, becomes /init of the initrd

	Config  []File
	Console []string // of the kernel, the last one is /dev/console; nil: DefaultConsole
	Cmdline string   // appended to DefaultCmdline

	// Signer signs the UKI and the boot loader for Secure Boot; nil: they are not signed.
	Signer *secureboot.Signer
	// Enrol are updates of the firmware's variables that the boot loader enrols in a
	// machine without keys (secureboot.LoadEnrolment); they need a Signer.
	Enrol []secureboot.File

	// PCRKey signs what PCR 11 of a machine's TPM holds once it has started the image, so
	// that credentials sealed with its public key open there; nil: nobody does.
	PCRKey *measure.Key

	// For the bills of material and the provenance beside the image; the image
	// itself depends on neither.
	Trunkline string   // version of this program
	Sources   []Source // files of the spec

	// Formats are those the image is written in; nil: DefaultFormats. EFI always is.
	Formats []Format

	OutDir       string // NAME.efi, NAME.raw and what is said of them are written here; made if missing
	BaseCacheDir string // base layers, one directory each; made if missing

	Progress Progress // may be nil
	// Memory is shared by the builds of a fleet; nil: everything is read anew.
	Memory *Memory
}

// Progress is told how a build goes. Calls come from one goroutine, but those of
// debian.Progress from several at once.
type Progress interface {
	debian.Progress
	// Step begins a step, ending the one before it. In order: base (the cache is
	// looked at); packages, rootfs, modules, erofs and initrd when a base layer
	// has to be built; uki, disk, qcow2 and iso when asked for, evidence.
	Step(name string)
}

// Result says what a build made.
type Result struct {
	UKI  Output `json:"uki"`
	Disk Output `json:"disk"` // raw; without a path: none was asked for
	// Media are the further formats: qcow2, iso.
	Media   []Output `json:"media,omitempty"`
	Version string   `json:"version"` // of the image
	// Digest is the image's name for itself, "sha256:<hex>": the booted appliance
	// says it, and signing does not change it (uki.Seal).
	Digest string `json:"digest"`
	// Evidence are the bills of material, SPDX and CycloneDX, and the provenance.
	Evidence   []Output `json:"evidence"`
	Base       Base     `json:"base"`
	BaseReused bool     `json:"base_reused"`
	BaseDir    string   `json:"base_dir"`
	Steps      []Step   `json:"steps"`
	// Signature is whose signature UKI and boot loader carry; nil: none.
	Signature *Signature `json:"signature,omitempty"`
	// Measured is what PCR 11 holds once the image has started, by whose key it was signed;
	// nil: by none.
	Measured *Measured `json:"measured,omitempty"`
	// Fetched is what the packages step did; zero when the base was reused.
	Fetched debian.Fetched `json:"fetched"`
}

// Output is one file written.
type Output struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Signature names the certificate whose key signed.
type Signature struct {
	Subject     string `json:"subject"`
	Certificate string `json:"certificate"` // SHA-256
}

// Measured is a value of PCR 11, SHA-256 bank, lower-case hexadecimal, and the key that
// signed it, as systemd calls it (measure.Key.Fingerprint).
type Measured struct {
	Value string `json:"value"`
	Key   string `json:"key"`
}

// Step is one step of a build and how long it took.
type Step struct {
	Name string        `json:"name"`
	Took time.Duration `json:"took"`
}

// Build builds the image of one appliance.
func Build(ctx context.Context, r Request) (Result, error) {
	res, err := build(ctx, r)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		err = fmt.Errorf("no room: %w: a build takes up to %d MB in the output directory and in the cache each; "+
			"free that, or name other directories with -o and --cache", err, roomMB)
	}
	return res, err
}

// roomMB is what a first build needs, by far: packages, base layer and the copies
// made of it while it is built; UKI and disk.
const roomMB = 250
