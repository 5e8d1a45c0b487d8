package slots

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"trunkline/image/entry"
)

// Image is one image on the ESP.
type Image struct {
	File          string // its name in /EFI/Linux
	Name, Version string
	// Left is how many starts an image on trial still has, 0: it has failed; -1: it is
	// good, its starts are not counted. Done: how many it has had.
	Left, Done int
	Size       int64
	Booted     bool // this machine runs it
}

// Good says that the image was found good, or came with the disk.
func (i Image) Good() bool { return i.Left < 0 }

// Failed says that the image has used up its starts without being found good.
func (i Image) Failed() bool { return i.Left == 0 }

func (i Image) entry() entry.Entry {
	return entry.Entry{Name: i.Name, Version: i.Version, Left: i.Left, Done: i.Done}
}

// ESP is a mounted EFI system partition.
type ESP struct {
	dir           string // of the images
	name, version string // of the image that runs
	mended        string // by fsck.vfat, before it was mounted

	free     func() (int64, error) // of the file system
	step     func(string)          // told before each change; tests look at the directory then
	identify func(path string) (name, version string, err error)
}

// Open opens the ESP mounted at dir for the appliance of a name, which runs the image of a
// version (IMAGE_ID and IMAGE_VERSION of its os-release).
func Open(dir, name, version string) (*ESP, error) {
	if name == "" {
		return nil, errors.New("the ESP is opened for no appliance")
	}
	e := &ESP{dir: filepath.Join(dir, filepath.FromSlash(entry.Dir)), name: name, version: version, step: func(string) {}, identify: identify}
	e.free = func() (int64, error) { return available(e.dir) }
	if st, err := os.Stat(e.dir); err != nil || !st.IsDir() {
		return nil, fmt.Errorf("%s has no directory %s: it is not the EFI system partition of an appliance", dir, entry.Dir)
	}
	return e, nil
}

// Images lists the images of the appliance in the order systemd-boot prefers them: newest
// first, those that have failed last.
func (e *ESP) Images() ([]Image, error) {
	entries, err := os.ReadDir(e.dir)
	if err != nil {
		return nil, fmt.Errorf("ESP: %w", err)
	}
	var out []Image
	for _, d := range entries {
		n, ok := entry.Parse(d.Name())
		if !ok || n.Name != e.name || !d.Type().IsRegular() {
			continue
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("ESP: %w", err)
		}
		out = append(out, Image{
			File: d.Name(), Name: n.Name, Version: n.Version, Left: n.Left, Done: n.Done, Size: info.Size(), Booted: n.Version == e.version,
		})
	}
	slices.SortFunc(out, func(a, b Image) int { return entry.Compare(a.entry(), b.entry()) })
	return out, nil
}

// Booted returns the image this machine runs; false: it is not on the ESP (the machine was
// booted over the network, or the partition is another disk's).
func (e *ESP) Booted() (Image, bool, error) {
	images, err := e.Images()
	if err != nil {
		return Image{}, false, err
	}
	i := slices.IndexFunc(images, func(i Image) bool { return i.Booted })
	if i < 0 {
		return Image{}, false, nil
	}
	return images[i], true, nil
}

// Free is the room left on the partition.
func (e *ESP) Free() (int64, error) { return e.free() }

func available(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("ESP: %w", err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// Bless makes an image on trial a good one: it loses its counter, and what was kept of an
// earlier failure goes. Blessing a good one changes nothing.
func (e *ESP) Bless(i Image) error {
	if i.Good() {
		return nil
	}
	e.step("bless")
	good := filepath.Join(e.dir, entry.Good(i.Name, i.Version).File())
	if err := os.Rename(filepath.Join(e.dir, i.File), good); err != nil {
		return fmt.Errorf("ESP: %w", err)
	}
	if err := e.forget(); err != nil {
		return err
	}
	return e.sync()
}

// sync makes what was changed durable.
//
// The order counts. Linux renames a file on FAT by writing an entry of no size under the new name,
// and its size and first cluster later, with the rest of what is known of the file. Writing out
// the whole file system has all of that in the block before it goes to the disk; syncing the
// directory first sent the empty entry ahead, and a power cut then lost the file. Syncing it
// afterwards has the disk empty its cache.
func (e *ESP) sync() error {
	d, err := os.Open(e.dir)
	if err != nil {
		return fmt.Errorf("ESP: %w", err)
	}
	defer d.Close() //nolint:errcheck // read only
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return fmt.Errorf("ESP: %w", err)
	}
	if err := d.Sync(); err != nil {
		return fmt.Errorf("ESP: %w", err)
	}
	return nil
}

// partial is the ending of a file that is not an image yet.
const partial = ".part"

// partialAlias is what a power cut can leave of such a name (see alias).
var partialAlias = regexp.MustCompile(`(?i)^[^~]{1,6}~[0-9]{1,6}\.par$`)

// leftovers are the files that an Install that did not end has left.
func (e *ESP) leftovers() ([]string, int64, error) {
	entries, err := os.ReadDir(e.dir)
	if err != nil {
		return nil, 0, fmt.Errorf("ESP: %w", err)
	}
	var names []string
	var size int64
	for _, d := range entries {
		ours := strings.HasSuffix(strings.ToLower(d.Name()), partial) || partialAlias.MatchString(d.Name())
		if !ours || !d.Type().IsRegular() {
			continue
		}
		if info, err := d.Info(); err == nil {
			names, size = append(names, d.Name()), size+info.Size()
		}
	}
	return names, size, nil
}
