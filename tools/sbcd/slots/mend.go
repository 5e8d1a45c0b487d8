package slots

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"trunkline/appliance/runtime"
	"trunkline/image/entry"
	"trunkline/image/uki"
)

// maxMended bounds what is told of a partition that was mended, bytes.
const maxMended = 400

// Mended is what fsck.vfat had to mend before the partition was mounted, in its words, on one
// line; empty: nothing.
func (e *ESP) Mended() string { return e.mended }

// check has fsck.vfat mend the file system, and returns what was mended. Its exit status 1 says
// that something was.
func check(ctx context.Context, device string) (mended string, err error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "fsck.fat", "-a", "-w", device)
	var out, complaints strings.Builder // of it, and of what it lacks: tables of old alphabets
	cmd.Stdout, cmd.Stderr = &out, &complaints
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return findings(out.String(), device), nil
	}
	if err != nil {
		return "", fmt.Errorf("ESP: checking %s: %w: %s", device, err, strings.Join(strings.Fields(out.String()+" "+complaints.String()), " "))
	}
	return "", nil
}

// findings are the lines of fsck.vfat as one, but for the first, its own version; the last, which
// counts files; and how the boot sector differs from its backup, which is the mark of a file
// system in use.
func findings(out, device string) string {
	var words []string
	boot := false
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "There are differences between boot sector") {
			boot = true
		}
		if !boot && !strings.HasPrefix(line, "fsck.fat ") && !strings.HasPrefix(line, device+":") {
			words = append(words, strings.Fields(line)...)
		}
		if line == "Not automatically fixing this." {
			boot = false
		}
	}
	text := strings.Join(words, " ")
	return strings.ToValidUTF8(text[:min(len(text), maxMended)], "")
}

// tidy puts right what a power cut and fsck.vfat leave, in a file system mounted at root.
func (e *ESP) tidy(root string) error {
	// Clusters that no file had: fsck.vfat makes files of them. A pattern that is written out
	// does not fail.
	recovered, _ := filepath.Glob(filepath.Join(root, "FSCK*.REC"))
	for _, f := range recovered {
		_ = os.Remove(f) // it takes room that Install asks for
	}
	emptied, err := e.dropEmpty()
	if err != nil {
		return err
	}
	renamed, err := e.nameAgain()
	if err != nil {
		return err
	}
	if !emptied && !renamed {
		return nil
	}
	return e.sync()
}

// dropEmpty removes images of this appliance that have nothing in them. Each is one name of two:
// a power cut within a rename can leave both names of a file, and fsck.vfat leaves the file to the
// one it sees first. The boot loader does not start an empty file, but it would count here as an
// image, maybe a good one, in whose favour others are removed.
func (e *ESP) dropEmpty() (changed bool, err error) {
	images, err := e.Images()
	if err != nil {
		return false, err
	}
	for _, i := range images {
		if i.Size > 0 {
			continue
		}
		if err := e.remove(filepath.Join(e.dir, i.File)); err != nil {
			return changed, err
		}
		changed = true
	}
	return changed, nil
}

// alias is a name by which FAT knows a file in old programs. Where it is all there is of a name,
// the sector with the rest of the long one did not arrive.
var alias = regexp.MustCompile(`(?i)^[^~]{1,6}~[0-9]{1,6}\.efi$`)

// nameAgain gives images of this appliance that have an alias alone their names back. Under an
// alias the boot loader starts an image without counting, so that a broken one would stay. Whether
// it had been found good is lost with its name: it is to show so once more, unless there is no
// other image.
func (e *ESP) nameAgain() (changed bool, err error) {
	entries, err := os.ReadDir(e.dir)
	if err != nil {
		return false, fmt.Errorf("ESP: %w", err)
	}
	for _, d := range entries {
		if !alias.MatchString(d.Name()) || !d.Type().IsRegular() {
			continue
		}
		path := filepath.Join(e.dir, d.Name())
		name, version, err := e.identify(path)
		if err != nil || name != e.name || entry.CheckVersion(version) != nil {
			continue // not of this appliance, as far as anybody can tell
		}
		images, err := e.Images()
		if err != nil {
			return changed, err
		}
		if slices.ContainsFunc(images, func(i Image) bool { return i.Version == version }) {
			if err := e.remove(path); err != nil {
				return changed, err
			}
			changed = true
			continue
		}
		next := entry.Entry{Name: name, Version: version, Left: 1, Done: 1}
		if len(images) == 0 {
			next = entry.Good(name, version)
		}
		e.step("name again")
		if err := os.Rename(path, filepath.Join(e.dir, next.File())); err != nil {
			return changed, fmt.Errorf("ESP: %w", err)
		}
		changed = true
	}
	return changed, nil
}

// identify reads of a unified kernel image whose it is, and its version.
func identify(path string) (name, version string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", "", err
	}
	defer f.Close() //nolint:errcheck // read only
	text, err := uki.Extract(f, ".osrel")
	if err != nil {
		return "", "", err
	}
	name, version = runtime.ImageRelease(string(text))
	return name, version, nil
}
