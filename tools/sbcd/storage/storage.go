// Package storage is the state partition of an appliance: made behind the EFI system
// partition when the machine boots for the first time with room on its disk, grown with the
// disk, checked and mounted at each boot.
//
// What is promised: only the disk that the machine was booted from is touched, and of it only
// what no partition has, and the partition labelled trunkline-state; one that is there is
// never formatted. Without such a disk, or without room on it, the appliance runs without
// (NoRoom), and what is written to the directory is gone with the next restart.
//
// The table is told of a disk that has become larger by code of ours (table.go), which
// systemd-repart takes at its word. Table and file system are made by systemd-repart(8) and mke2fs(8), checked by e2fsck(8), and
// grown by systemd-growfs(8).
package storage

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// Directory is where it is mounted.
	Directory = "/var/lib/trunkline"
	// Label of the partition; usr/lib/trunkline/repart.d in the image has it too.
	Label = "trunkline-state"

	definitions = "/usr/lib/trunkline/repart.d"
	growfs      = "/usr/lib/systemd/systemd-growfs"
	toolTimeout = 5 * time.Minute
	appears     = 30 * time.Second // until a new partition is seen
	pause       = 100 * time.Millisecond
)

// NoRoom says that there is no state partition, and why.
type NoRoom struct{ Disk, Why string }

func (e *NoRoom) Error() string {
	return fmt.Sprintf("no state partition on %s (%s): what is kept in %s is gone with the next restart. Make the disk larger by 64 MiB or more and restart", e.Disk, e.Why, Directory)
}

// State is a mounted state partition.
type State struct {
	Size   int64  // bytes of its file system
	Mended string // what e2fsck had to mend, in its words, on one line; empty: nothing
}

// Open makes the partition on the disk that boot, a partition of it, lies on, where there is
// none; grows it where there is room behind it; checks and mounts it. It needs root.
func Open(ctx context.Context, boot string) (State, error) {
	disk, err := parent("/sys/class/block", filepath.Base(boot))
	if err != nil {
		return State{}, err
	}
	var repartErr error
	if repartErr = extendDisk("/dev/" + disk); repartErr == nil {
		_, repartErr = tool(ctx, nil, "systemd-repart", "--dry-run=no", "--definitions="+definitions, "--seed=random", "--no-pager", "/dev/"+disk)
	}
	// udev reads the table again when it has been written, and takes the partitions away for a
	// moment: not while somebody holds this lock (systemd.io/BLOCK_DEVICE_LOCKING).
	lock, err := hold(ctx, "/dev/"+disk)
	if err != nil {
		return State{}, err
	}
	defer lock.Close() //nolint:errcheck // gives the lock back
	// systemd-repart tells the kernel where a new partition lies and not what it is called
	// (BLKPG); that the kernel learns from the table. While the disk is in use it refuses.
	if part, err := labelled("/sys/class/block", disk); err == nil && part == "" && repartErr == nil {
		_ = unix.IoctlSetInt(int(lock.Fd()), unix.BLKRRPART, 0)
	}
	part, err := await(ctx, "/sys/class/block", disk, repartErr == nil)
	if err != nil {
		return State{}, err
	}
	if part == "" {
		why := "it could not be made"
		if repartErr != nil {
			why = repartErr.Error()
		}
		return State{}, &NoRoom{"/dev/" + disk, why}
	}
	// One that is there is used, whether it could be made larger or not.
	device := "/dev/" + part
	mended, err := check(ctx, device)
	if err != nil {
		return State{}, err
	}
	if err := os.MkdirAll(Directory, 0o755); err != nil {
		return State{}, err
	}
	if err := unix.Mount(device, Directory, "ext4", unix.MS_NODEV|unix.MS_NOSUID|unix.MS_NOEXEC|unix.MS_NOATIME, "errors=remount-ro"); err != nil {
		return State{}, fmt.Errorf("mounting %s: %w", device, err)
	}
	if _, err := tool(ctx, nil, growfs, Directory); err != nil {
		return State{}, fmt.Errorf("the state partition stays as large as it was: %w", err)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(Directory, &st); err != nil {
		return State{}, err
	}
	return State{int64(st.Blocks) * st.Bsize, mended}, nil
}

// maxMended bounds what is told of a partition that was mended, bytes.
const maxMended = 400

// check has e2fsck mend the file system as far as it does by itself, and returns what was mended.
// Its exit status 1 says that something was.
func check(ctx context.Context, device string) (mended string, err error) {
	var says strings.Builder
	code, err := tool(ctx, &says, "e2fsck", "-p", device)
	switch {
	case err == nil:
		return "", nil
	case code != 1:
		return "", fmt.Errorf("the state partition %s is damaged, and e2fsck does not mend it by itself: %w", device, err)
	}
	text := strings.Join(strings.Fields(says.String()), " ")
	return strings.ToValidUTF8(text[:min(len(text), maxMended)], ""), nil
}

// tool runs a program, whose output goes to out if there is one; its error has what the program
// said last.
func tool(ctx context.Context, out io.Writer, name string, args ...string) (code int, err error) {
	ctx, cancel := context.WithTimeout(ctx, toolTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var says strings.Builder
	cmd.Stdout, cmd.Stderr = out, &says
	err = cmd.Run()
	if err == nil {
		return 0, nil
	}
	lines := strings.Split(strings.TrimSpace(says.String()), "\n")
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	}
	if last := strings.TrimSuffix(lines[len(lines)-1], "."); last != "" {
		return code, fmt.Errorf("%s: %s", filepath.Base(name), last)
	}
	return code, fmt.Errorf("%s: %w", filepath.Base(name), err)
}

// parent is the disk that a partition lies on, as the kernel calls both (sysfs shows a
// partition as a directory of its disk).
func parent(class, partition string) (string, error) {
	dir, err := filepath.EvalSymlinks(filepath.Join(class, partition))
	if err != nil {
		return "", fmt.Errorf("state partition: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "partition")); err != nil {
		return "", fmt.Errorf("state partition: %s is no partition of a disk", partition)
	}
	return filepath.Base(filepath.Dir(dir)), nil
}

// hold takes the lock of a disk.
func hold(ctx context.Context, disk string) (*os.File, error) {
	f, err := os.Open(disk)
	if err != nil {
		return nil, fmt.Errorf("state partition: %w", err)
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) || ctx.Err() != nil {
			return nil, errors.Join(fmt.Errorf("state partition: locking %s: %w", disk, err), f.Close())
		}
		time.Sleep(pause)
	}
}

// await finds the state partition of a disk. Where it was made a moment ago, it waits for the
// kernel to show it.
func await(ctx context.Context, class, disk string, made bool) (string, error) {
	end := time.Now().Add(appears)
	for {
		part, err := labelled(class, disk)
		if err != nil || part != "" || !made || ctx.Err() != nil || time.Now().After(end) {
			return part, err
		}
		time.Sleep(pause)
	}
}

// labelled finds the state partition among those of a disk; empty: there is none.
func labelled(class, disk string) (string, error) {
	dir, err := filepath.EvalSymlinks(filepath.Join(class, disk))
	if err != nil {
		return "", fmt.Errorf("state partition: %w", err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*", "partition"))
	if err != nil {
		return "", err
	}
	for _, f := range found {
		name, err := partitionLabel(filepath.Join(filepath.Dir(f), "uevent"))
		if err != nil {
			return "", fmt.Errorf("state partition: %w", err)
		}
		if name == Label {
			return filepath.Base(filepath.Dir(f)), nil
		}
	}
	return "", nil
}

// partitionLabel reads the name that the partition table gives a partition.
func partitionLabel(uevent string) (string, error) {
	f, err := os.Open(uevent)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // read only
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "PARTNAME="); ok {
			return name, nil
		}
	}
	return "", lines.Err()
}
