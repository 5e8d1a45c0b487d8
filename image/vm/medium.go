package vm

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// medium is what a machine boots from, told by the contents of the file.
type medium int

const (
	rawDisk   medium = iota
	qcow2Disk        // a disk too
	cdrom            // an ISO 9660 volume in a drive
	network          // a unified kernel image, which firmware fetches by PXE and TFTP
	behindNIC        // what somebody else offers on the network of a NIC
)

// mediumOf looks at the first bytes of a file.
func mediumOf(path string) (medium, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("disk: %w", err)
	}
	defer f.Close()      //nolint:errcheck // read only
	const volume = 32769 // of the identifier of an ISO 9660 volume (ECMA-119 8.1.2)
	for _, kind := range []struct {
		at    int64
		magic string
		is    medium
	}{{0, "QFI\xfb", qcow2Disk}, {0, "MZ", network}, {volume, "CD001", cdrom}} {
		got := make([]byte, len(kind.magic))
		if _, err := f.ReadAt(got, kind.at); err != nil && err != io.EOF {
			return 0, fmt.Errorf("disk: %w", err)
		}
		if bytes.Equal(got, []byte(kind.magic)) {
			return kind.is, nil
		}
	}
	return rawDisk, nil
}

// bootArgs are QEMU's options for what the machine boots from.
func (c *Config) bootArgs(kind medium) ([]string, error) {
	if c.USB && kind != rawDisk && kind != cdrom {
		return nil, fmt.Errorf("disk: %s is no file to copy to a USB stick", c.Disk)
	}
	if c.WriteLog != "" && (c.USB || kind != rawDisk || !c.Writable) {
		return nil, fmt.Errorf("disk: the log of writes is one of a raw disk, not on USB, that is written to: %s is not, or not to be", c.Disk)
	}
	switch {
	case kind == behindNIC:
		return nil, nil
	case c.USB:
		return []string{
			"-drive", "if=none,id=disk,format=raw,snapshot=on,file=" + escape(c.Disk),
			"-device", "qemu-xhci", "-device", "usb-storage,drive=disk,bootindex=0",
		}, nil
	case kind == cdrom:
		return []string{
			"-drive", "if=none,id=disk,format=raw,media=cdrom,readonly=on,file=" + escape(c.Disk),
			"-device", "ide-cd,drive=disk,bootindex=0",
		}, nil
	case kind == network:
		// Closed but for what QEMU itself serves: DHCP, and the directory over TFTP.
		dir, err := filepath.Abs(filepath.Dir(c.Disk))
		if err != nil {
			return nil, fmt.Errorf("disk: %w", err)
		}
		if name := filepath.Base(c.Disk); strings.ContainsAny(name, ",") {
			return nil, fmt.Errorf("disk: the name %s, with a comma, cannot be asked for over the network", name)
		}
		return []string{
			"-netdev", "user,id=boot,restrict=on,ipv6=off,net=" + bootNet + ",tftp=" + escape(dir) + ",bootfile=" + filepath.Base(c.Disk),
			"-device", "virtio-net-pci,romfile=,netdev=boot,bootindex=0,mac=" + bootMAC,
		}, nil
	}
	if c.WriteLog != "" {
		return c.loggedDisk()
	}
	format := "raw"
	if kind == qcow2Disk {
		format = "qcow2"
	}
	dev, err := c.Bus.device("disk")
	if err != nil {
		return nil, err
	}
	return []string{
		"-drive", "if=none,id=disk,format=" + format + ",snapshot=" + onOff(!c.Writable) + ",file=" + escape(c.Disk),
		"-device", dev + ",bootindex=0",
	}, nil
}

// The network that a unified kernel image is fetched over: addresses for documentation
// (RFC 5737), which no appliance has, and a NIC of its own that no spec names.
const (
	bootNet = "192.0.2.0/24"
	bootMAC = "52:54:00:74:6b:fe"
)
