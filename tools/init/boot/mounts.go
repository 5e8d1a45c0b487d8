package boot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

func mount(source, target, fstype string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, fstype, flags, data); err != nil {
		return fmt.Errorf("mounting %s (%s) on %s: %w", source, fstype, target, err)
	}
	return nil
}

func kernelMounts() error {
	const restrict = unix.MS_NOSUID | unix.MS_NOEXEC
	for _, m := range []struct {
		dir, fstype string
		flags       uintptr
		data        string
	}{
		{"/dev", "devtmpfs", restrict, "mode=0755"},
		{"/proc", "proc", restrict | unix.MS_NODEV, ""},
		{"/sys", "sysfs", restrict | unix.MS_NODEV, ""},
	} {
		if err := os.MkdirAll(m.dir, 0o755); err != nil {
			return err
		}
		if err := mount(m.fstype, m.dir, m.fstype, m.flags, m.data); err != nil {
			return err
		}
	}
	return nil
}

func mountRoot() error {
	dev, err := attachLoop(rootImage)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(sysroot, 0o755); err != nil {
		return err
	}
	return mount(dev, sysroot, "erofs", unix.MS_RDONLY|unix.MS_NODEV, "")
}

// attachLoop makes image the backing file of a free loop device, read-only. A
// mount straight from the file is refused by erofs on a rootfs ("block device
// required").
func attachLoop(image string) (string, error) {
	ctl, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer ctl.Close() //nolint:errcheck // a control device
	n, err := unix.IoctlRetInt(int(ctl.Fd()), unix.LOOP_CTL_GET_FREE)
	if err != nil {
		return "", fmt.Errorf("getting a free loop device: %w", err)
	}
	name := fmt.Sprintf("/dev/loop%d", n)
	dev, err := os.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return "", err
	}
	defer dev.Close() //nolint:errcheck // the mount holds the device
	file, err := os.Open(image)
	if err != nil {
		return "", err
	}
	defer file.Close() //nolint:errcheck // the loop device holds the file
	cfg := unix.LoopConfig{Fd: uint32(file.Fd()), Size: 4096}
	cfg.Info.Flags = unix.LO_FLAGS_READ_ONLY
	copy(cfg.Info.File_name[:], image)
	if err := unix.IoctlLoopConfigure(int(dev.Fd()), &cfg); err != nil {
		return "", fmt.Errorf("attaching %s to %s: %w", image, name, err)
	}
	return name, nil
}

// mountConfig lays the config layer over /etc. A base layer without one boots as
// it is.
func mountConfig() error {
	if _, err := os.Stat(configEtc); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	return mount("config", sysroot+"/etc", "overlay", unix.MS_RDONLY|unix.MS_NODEV|unix.MS_NOSUID|unix.MS_NOEXEC,
		"lowerdir="+configEtc+":"+sysroot+"/etc")
}

// writable is one place of the running system that can be written to.
type writable struct {
	dir, options string
	flags        uintptr
}

// writables are made here although systemd would make /run and /dev/shm too: its
// own let programs run from them. Sizes bound what a fault may eat of the calls'
// memory.
func writables() []writable {
	const flags = unix.MS_NODEV | unix.MS_NOSUID | unix.MS_NOEXEC
	return []writable{
		{"/dev/shm", "mode=1777,size=10%", flags},
		{sysroot + "/run", "mode=0755,size=20%", flags},
		{sysroot + "/var", "mode=0755,size=25%", flags},
	}
}

// mountWritables gives room for what lives until the next boot; systemd-tmpfiles
// fills it.
func mountWritables() error {
	for _, w := range writables() {
		if err := os.MkdirAll(w.dir, 0o755); err != nil {
			return err
		}
		if err := mount("tmpfs", w.dir, "tmpfs", w.flags, w.options); err != nil {
			return err
		}
	}
	return nil
}

// switchRoot moves the kernel's file systems below the new root and the new root
// over the old one. What init no longer needs goes first: the rootfs is memory.
func switchRoot() error {
	for _, f := range []string{"/init", modulesList} {
		_ = os.Remove(f)
	}
	for _, d := range []string{"/dev", "/proc", "/sys"} {
		if err := mount(d, sysroot+d, "", unix.MS_MOVE, ""); err != nil {
			return err
		}
	}
	if err := unix.Chdir(sysroot); err != nil {
		return err
	}
	if err := mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return err
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("chroot: %w", err)
	}
	return unix.Chdir("/")
}
