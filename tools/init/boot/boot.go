// Package boot is the init of the initrd: it mounts the root image read-only, lays
// the appliance's config layer over its /etc, and executes systemd in it.
//
// What is promised: it either ends in systemd or says why not, with the line
//
//	trunkline: init failed: STEP: cause
//
// on the console and in the kernel log, waits [rebootAfter] and restarts the
// machine; it never hangs and never offers a shell. Nothing of the root image is
// writable afterwards: /etc is an overlay without upper layer; /run, /var and
// /dev/shm are bounded tmpfs from which nothing can be executed.
//
// With Secure Boot on, the kernel is locked down (integrity); one line on the console
// says whether both are so.
//
// Credentials that the stub found on the ESP are handed to systemd, as they are, and with
// them the signatures by which a TPM opens sealed ones.
//
// The initrd must hold what package image/initrd writes: /modules/list,
// /root.erofs, optionally /config/etc. The rules of the switch are the kernel's
// Documentation/filesystems/ramfs-rootfs-initramfs.rst: a rootfs cannot be
// pivoted away from, so the new root is moved over it.
package boot

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	modulesList = "/modules/list"
	rootImage   = "/root.erofs"
	configEtc   = "/config/etc"
	sysroot     = "/sysroot"
	systemd     = "/usr/lib/systemd/systemd"

	rebootAfter = 10 * time.Second
)

// step is one thing init does; its name is what a failure names.
type step struct {
	name string
	do   func() error
}

// Main runs as process 1. It does not return.
func Main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "trunkline: init is the first program of an appliance's initrd: it runs as process 1 only")
		os.Exit(1)
	}
	defer func() {
		if r := recover(); r != nil {
			fail("init", fmt.Errorf("%v", r))
		}
	}()
	for _, s := range []step{
		{"mounting /proc, /sys, /dev", kernelMounts},
		{"locking down the kernel", lockDown},
		{"loading modules", loadModules},
		{"mounting the root image", mountRoot},
		{"laying the config layer over /etc", mountConfig},
		{"mounting /run, /var, /dev/shm", mountWritables},
		{"passing on the credentials of the ESP", passCredentials},
		{"passing on what was signed for the TPM", passSignatures},
		{"switching to the root image", switchRoot},
		{"starting systemd", execSystemd},
	} {
		if err := s.do(); err != nil {
			fail(s.name, err)
		}
	}
}

// fail tells what went wrong everywhere it may be seen, and restarts.
func fail(step string, err error) {
	line := fmt.Sprintf("trunkline: init failed: %s: %v", step, err)
	say("/dev/kmsg", "<2>"+line+"\n")
	say("/dev/console", "\r\n"+line+"\r\n")
	time.Sleep(rebootAfter)
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
	// A kernel that cannot restart: leaving makes it panic, and panic= decides.
	os.Exit(1)
}

func say(dev, line string) {
	f, err := os.OpenFile(dev, os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return
	}
	defer f.Close() //nolint:errcheck // a character device
	_, _ = f.WriteString(line)
}

func execSystemd() error {
	env := []string{"HOME=/root", "PATH=/usr/bin:/usr/sbin", "TERM=linux"}
	return fmt.Errorf("%s: %w", systemd, unix.Exec(systemd, []string{systemd}, env))
}

// moduleFiles reads the list of modules, in load order.
func moduleFiles(list string) ([]string, error) {
	b, err := os.ReadFile(list)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, name := range strings.Fields(string(b)) {
		if name != filepath.Base(name) {
			return nil, fmt.Errorf("%s: %q is not a file name", list, name)
		}
		out = append(out, filepath.Join(filepath.Dir(list), name))
	}
	return out, nil
}

func loadModules() error {
	files, err := moduleFiles(modulesList)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := loadModule(f); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(f), err)
		}
		_ = os.Remove(f) // the rootfs is memory
	}
	return nil
}

func loadModule(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read only
	flags := 0
	if !strings.HasSuffix(name, ".ko") {
		flags = unix.MODULE_INIT_COMPRESSED_FILE // the kernel unpacks it
	}
	err = unix.FinitModule(int(f.Fd()), "", flags)
	if err == unix.EEXIST { // built in, or loaded by another module's request
		return nil
	}
	return err
}
