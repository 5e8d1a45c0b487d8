// Package vm runs an appliance's image in QEMU under UEFI: its disk, its ISO, or its unified
// kernel image over the network.
//
// It promises:
//
//   - the disk file is not written, unless asked for: the guest writes to a snapshot that ends
//     with it, and so do the firmware's variables;
//   - no QEMU outlives its context, its VM or this process (parent death
//     signal), and nothing is left in temporary directories;
//   - KVM is used only where a virtual CPU truly runs (package kvm), else
//     software emulation without cmpxchg16b, which QEMU miscomputes;
//   - waiting for something on the console ends early, with the console's tail,
//     when the guest panics, refuses to start or ends.
//
// Networks are given per NIC: Tap for an interface of a network namespace, or a
// port of package wire for an isolated user-mode network.
package vm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"trunkline/image/vm/kvm"
)

// Config is one virtual machine.
type Config struct {
	// Disk is what the machine boots from: a raw or a qcow2 disk, an ISO, which is put into
	// a CD-ROM drive, or a unified kernel image, which the firmware fetches over a network of
	// its own (PXE, TFTP). Which of them it is, its contents say. Empty: a NIC says Boot.
	Disk      string
	USB       bool // the raw disk or the ISO is on a USB stick
	MemoryMiB int  // 0: 1024, the least the image boots with
	CPUs      int  // 0: 2
	NICs      []NIC
	Console   io.Writer // receives the serial console as it comes; nil: kept only
	Firmware  Firmware  // zero: FindFirmware, or FindSecureFirmware
	Accel     Accel     // empty: KVM where it works, else TCG
	QEMU      string    // binary; empty: qemu-system-x86_64 from PATH
	// Credentials are system credentials of the guest by name, as SMBIOS strings
	// (systemd.exec(5), systemd(1)); QEMU's command line does not show them.
	Credentials map[string][]byte
	// Bus is what Disk hangs off; empty: virtio. Blanks are disks beside it.
	Bus    Bus
	Blanks []Blank
	// AsPlanned: the machine counts as the one the appliance is planned for. Otherwise the
	// appliance is told, by a credential, to take calls with what there is.
	AsPlanned bool
	// SecureBoot runs firmware that starts signed images alone once keys are enrolled in
	// it, and guards its variables from the guest by system management mode. It has no
	// keys when the machine starts: the disk must bring them, and Restarts be set.
	SecureBoot bool
	// Restarts lets the guest restart the machine, as a boot loader that has enrolled
	// keys does; otherwise a restart ends it.
	Restarts bool
	// Writable lets the guest write to the disk file itself, for a disk that outlives the
	// machine: give it a copy of its own. Otherwise what it writes is gone with it.
	Writable bool
	// TPM is the socket of a TPM 2.0 in software (swtpm(8), --ctrl type=unixio); empty: the
	// machine has none.
	TPM string
	// WriteLog is a file that is told every write and every flush of the guest's (package
	// writelog), in order; what it holds is kept, and gone on with. It needs a raw disk that is
	// Writable. Empty: none.
	WriteLog string
	// Clock is what the machine's clock shows when it starts; zero: the time it is.
	Clock time.Time
	// Netns is a network namespace (a path like /run/netns/NAME) the QEMU process
	// runs in; empty: the caller's. Needs root.
	Netns string

	medium medium // of Disk
}

// NIC is one network interface.
type NIC struct {
	MAC     string // empty: derived from the position, 52:54:00:74:6b:NN
	Model   string // of QEMU (NICModel); empty: virtio-net-pci
	Backend Backend
	// Boot has the firmware boot from what is behind the NIC, by PXE or UEFI HTTP boot as a
	// server there offers; Config.Disk is empty then.
	Boot bool
}

// Backend is what a NIC is plugged into.
type Backend interface {
	// Netdev returns the value of QEMU's -netdev option for this id. pass hands a
	// file to QEMU and returns its descriptor number there.
	Netdev(id string, pass func(*os.File) int) (string, error)
	// Started is called once QEMU holds the files passed.
	Started()
}

// Tap is a tap interface that exists in the namespace QEMU runs in.
type Tap struct{ Name string }

// Netdev implements Backend.
func (t Tap) Netdev(id string, _ func(*os.File) int) (string, error) {
	if t.Name == "" || strings.ContainsAny(t.Name, ",/ ") {
		return "", fmt.Errorf("tap interface name %q", t.Name)
	}
	return "tap,id=" + id + ",ifname=" + t.Name + ",script=no,downscript=no", nil
}

// Started implements Backend.
func (Tap) Started() {}

// Accel is how the guest's instructions run.
type Accel string

// Accelerators.
const (
	KVM Accel = "kvm"
	TCG Accel = "tcg" // software
)

// ChooseAccel returns KVM where it works, else TCG and why.
func ChooseAccel() (Accel, error) {
	if err := kvm.Probe(); err != nil {
		return TCG, err
	}
	return KVM, nil
}

// DefaultMAC is the address of NIC i when none is given.
func DefaultMAC(i int) string { return fmt.Sprintf("52:54:00:74:6b:%02x", i&0xff) }

// ErrNoQEMU says that QEMU or its firmware is missing.
var ErrNoQEMU = errors.New("missing program")

// stopGrace is how long Stop waits for the guest to power itself off when its
// context sets no deadline. Ending it the hard way harms nothing: the disk is a
// snapshot.
const stopGrace = 5 * time.Second

// Start boots the machine. It ends with ctx, with Stop, or by itself.
func Start(ctx context.Context, cfg Config) (*VM, error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("vm: %w", err)
	}
	m, err := launch(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("vm: %w", err)
	}
	return m, nil
}

// complete fills what was left open and checks what QEMU would fail on obscurely.
func (c *Config) complete() error {
	if c.Disk == "" && slices.ContainsFunc(c.NICs, func(n NIC) bool { return n.Boot }) {
		c.medium = behindNIC
	} else if err := c.completeDisk(); err != nil {
		return err
	}
	if c.QEMU == "" {
		path, err := exec.LookPath("qemu-system-x86_64")
		if err != nil {
			return fmt.Errorf("%w: qemu-system-x86_64; install it (Debian, Ubuntu: qemu-system-x86; Fedora: qemu-system-x86-core)", ErrNoQEMU)
		}
		c.QEMU = path
	}
	if c.Firmware == (Firmware{}) {
		find := FindFirmware
		if c.SecureBoot {
			find = FindSecureFirmware
		}
		f, err := find()
		if err != nil {
			return err
		}
		c.Firmware = f
	}
	if c.MemoryMiB == 0 {
		c.MemoryMiB = 1024
	}
	if c.CPUs == 0 {
		c.CPUs = 2
	}
	if c.Accel == "" {
		c.Accel, _ = ChooseAccel()
	}
	for i := range c.NICs {
		if c.NICs[i].MAC == "" {
			c.NICs[i].MAC = DefaultMAC(i)
		}
		if mac, err := net.ParseMAC(c.NICs[i].MAC); err != nil || len(mac) != 6 {
			return fmt.Errorf("NIC %d: MAC %q is not six bytes in hexadecimal", i, c.NICs[i].MAC)
		}
		if c.NICs[i].Backend == nil {
			return fmt.Errorf("NIC %d: no network backend", i)
		}
	}
	return nil
}

func (c *Config) completeDisk() error {
	if st, err := os.Stat(c.Disk); err != nil {
		return fmt.Errorf("disk: %w", err)
	} else if !st.Mode().IsRegular() {
		return fmt.Errorf("disk %s is not a file", c.Disk)
	}
	kind, err := mediumOf(c.Disk)
	if err != nil {
		return err
	}
	c.medium = kind
	return nil
}

// args is QEMU's command line. pass hands over a file.
func (c *Config) args(pass func(*os.File) int, qmp *os.File, credentials []*os.File) ([]string, error) {
	accel, cpu := "kvm", "host"
	if c.Accel == TCG {
		// QEMU 7.2 miscomputes cmpxchg16b: a 6.12 kernel then panics in its
		// allocator now and then. With a thread for each processor, one of them now and then
		// runs an instruction that another is patching (text_poke in the kernel), and it panics.
		accel, cpu = "tcg,thread=single", "max,-cx16"
	}
	machine := "q35"
	if c.SecureBoot {
		machine += ",smm=on"
	}
	a := []string{
		"-name", "trunkline", "-nodefaults", "-no-user-config", "-display", "none",
		"-machine", machine, "-accel", accel, "-cpu", cpu,
		"-m", fmt.Sprint(c.MemoryMiB), "-smp", fmt.Sprint(c.CPUs),
		"-drive", "if=pflash,unit=0,format=raw,readonly=on,file=" + escape(c.Firmware.Code),
		"-drive", "if=pflash,unit=1,format=raw,snapshot=on,file=" + escape(c.Firmware.Vars),
		"-serial", "stdio",
		"-chardev", fmt.Sprintf("socket,id=qmp,fd=%d", pass(qmp)), "-mon", "chardev=qmp,mode=control",
	}
	from, err := c.bootArgs(c.medium)
	if err != nil {
		return nil, err
	}
	blanks, err := c.blanks()
	if err != nil {
		return nil, err
	}
	a = append(append(a, from...), blanks...)
	if c.virtual() {
		a = append(a, "-device", "virtio-rng-pci")
	}
	if !c.Restarts {
		a = append(a, "-no-reboot")
	}
	if !c.Clock.IsZero() {
		a = append(a, "-rtc", "base="+c.Clock.UTC().Format("2006-01-02T15:04:05"))
	}
	if c.SecureBoot {
		// The guest writes variables through the firmware alone; and no state that sleeping
		// would keep lies where the guest can change it (OVMF README, SMM support).
		a = append(a, "-global", "driver=cfi.pflash01,property=secure,value=on", "-global", "ICH9-LPC.disable_s3=1")
	}
	if c.TPM != "" {
		a = append(a, "-chardev", "socket,id=tpm,path="+escape(c.TPM), "-tpmdev", "emulator,id=tpm0,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm0")
	}
	for _, f := range credentials {
		a = append(a, "-smbios", fmt.Sprintf("type=11,path=/proc/self/fd/%d", pass(f)))
	}
	for i, n := range c.NICs {
		id := fmt.Sprintf("n%d", i)
		dev, err := n.Backend.Netdev(id, pass)
		if err != nil {
			return nil, fmt.Errorf("NIC %d: %w", i, err)
		}
		model := n.Model
		if model == "" {
			model = "virtio-net-pci"
		}
		boot := ""
		if n.Boot {
			boot = ",bootindex=0"
		}
		// No boot ROM: the firmware would try the network before giving up on the disk.
		a = append(a, "-netdev", dev, "-device", model+",romfile=,netdev="+id+",mac="+n.MAC+boot)
	}
	return a, nil
}

// escape doubles commas, which separate QEMU's options.
func escape(path string) string { return strings.ReplaceAll(path, ",", ",,") }

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
