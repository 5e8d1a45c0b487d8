package slots

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf16"

	"golang.org/x/sys/unix"
)

// Where things are on an appliance.
const (
	// bootPartition is the UEFI variable in which the boot loader leaves the partition it was
	// started from (systemd.io/BOOT_LOADER_INTERFACE).
	bootPartition = "/sys/firmware/efi/efivars/LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
	byPartition   = "/dev/disk/by-partuuid"
	mountPoint    = "/run/trunkline/esp"
	mountLock     = "/run/trunkline/esp.lock"

	deviceTimeout = 2 * time.Minute
	checkTimeout  = 2 * time.Minute
)

// ErrNoESP says that the machine was not booted from an EFI system partition: over the
// network, from a medium that is no disk, or without a boot loader.
var ErrNoESP = errors.New("the machine was not booted from an EFI system partition")

// Mount checks the partition the machine was booted from (fsck.vfat mends what a power cut
// left), mounts it and opens it. One process at a time has it; others wait. The caller must
// be root, with a mount namespace of its own so that nobody else sees the partition, and
// call release when it is done.
func Mount(ctx context.Context, name, version string) (e *ESP, release func() error, err error) {
	device, err := Device(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(mountPoint, 0o700); err != nil {
		return nil, nil, fmt.Errorf("ESP: %w", err)
	}
	lock, err := acquire(ctx, mountLock)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			_ = lock.Close()
		}
	}()
	mended, err := check(ctx, device)
	if err != nil {
		return nil, nil, err
	}
	const flags = unix.MS_NODEV | unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NOATIME
	if err := unix.Mount(device, mountPoint, "vfat", flags, "fmask=0177,dmask=0077,flush,errors=remount-ro"); err != nil {
		return nil, nil, fmt.Errorf("ESP: mounting %s: %w", device, err)
	}
	release = func() error {
		err := unix.Unmount(mountPoint, unix.UMOUNT_NOFOLLOW)
		if err != nil {
			err = fmt.Errorf("ESP: unmounting: %w", err)
		}
		return errors.Join(err, lock.Close())
	}
	if e, err = Open(mountPoint, name, version); err != nil {
		return nil, nil, errors.Join(err, release())
	}
	e.mended = mended
	if err := e.tidy(mountPoint); err != nil {
		return nil, nil, errors.Join(err, release())
	}
	return e, release, nil
}

// Device is the partition the machine was booted from; ErrNoESP: from none. Its device may come a moment
// after the first services.
func Device(ctx context.Context) (string, error) {
	id, err := variable(bootPartition)
	if errors.Is(err, os.ErrNotExist) {
		return "", ErrNoESP
	}
	if err != nil {
		return "", fmt.Errorf("ESP: %w", err)
	}
	link := filepath.Join(byPartition, strings.ToLower(filepath.Base(id)))
	ctx, cancel := context.WithTimeout(ctx, deviceTimeout)
	defer cancel()
	for {
		device, err := filepath.EvalSymlinks(link)
		if err == nil {
			return device, nil
		}
		select {
		case <-ctx.Done():
			there, _ := filepath.Glob("/sys/class/block/*")
			return "", fmt.Errorf("ESP: the partition %s that the machine was booted from does not appear: is there a driver for its disk? There are %s (%w)", id, names(there), err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// variable reads a UEFI variable that holds text (efivarfs: four bytes of attributes, then
// UTF-16 that ends in a NUL).
func variable(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if len(b) < 4 {
		return "", fmt.Errorf("%s is too short", path)
	}
	var text []uint16
	for b = b[4:]; len(b) >= 2 && b[0]|b[1] != 0; b = b[2:] {
		text = append(text, uint16(b[0])|uint16(b[1])<<8)
	}
	return string(utf16.Decode(text)), nil
}

// acquire takes the lock of a file, or waits for it.
func acquire(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("ESP: %w", err)
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("ESP: %w", err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("ESP: another process has it: %w", ctx.Err()), f.Close())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// names are the last parts of paths.
func names(paths []string) string {
	out := make([]string, len(paths))
	for i, p := range paths {
		out[i] = filepath.Base(p)
	}
	return strings.Join(out, " ")
}
