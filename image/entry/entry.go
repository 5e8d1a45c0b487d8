// Package entry knows the names that images have on an EFI system partition and the
// order in which systemd-boot takes them.
//
// What is promised: a name is parsed and written the same way by those who build images,
// read them, and install them on an appliance; versions are ordered as systemd-boot orders
// them, so that what counts as newer here is what the machine starts.
//
// Rules: UAPI.1 (Boot Loader Specification, type 2 entries and boot counting), UAPI.10
// (Version Format Specification), systemd.automatic-boot-assessment(7).
package entry

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Dir is where the images lie on the partition.
const Dir = "EFI/Linux"

// DefaultVersion is that of an image nobody gave a version: older than any other, and
// not for publishing.
const DefaultVersion = "0"

// maxVersion bounds a version, bytes; with the longest name and counters it stays well
// within the 255 characters of a FAT name.
const maxVersion = 64

var validVersion = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)

// CheckVersion says what is wrong with the version of an image.
func CheckVersion(v string) error {
	if len(v) > maxVersion || !validVersion.MatchString(v) {
		return fmt.Errorf("version %q: write digits, small letters, '.' and '-', beginning and ending with a digit or letter, %d characters at most: 20260131.120000, or 1.4.2", v, maxVersion)
	}
	return nil
}

// Entry is an image by its file name: NAME_VERSION.efi, or NAME_VERSION+LEFT-DONE.efi
// while its starts are counted.
type Entry struct {
	Name, Version string
	// Left is how many starts an image on trial still has; -1: it is not counted, which
	// means good.
	Left int
	Done int // starts it has had
}

// Good is an entry whose starts are not counted.
func Good(name, version string) Entry { return Entry{Name: name, Version: version, Left: -1} }

// Counted says whether the image is on trial, or has failed it.
func (e Entry) Counted() bool { return e.Left >= 0 }

// Failed says that the image has used up its starts and was not found good.
func (e Entry) Failed() bool { return e.Left == 0 }

// File is the name of the file.
func (e Entry) File() string {
	counter := ""
	if e.Left >= 0 {
		counter = "+" + strconv.Itoa(e.Left)
		if e.Done > 0 {
			counter += "-" + strconv.Itoa(e.Done)
		}
	}
	return e.Name + "_" + e.Version + counter + ".efi"
}

var fileName = regexp.MustCompile(`^([a-z0-9-]+)_([a-z0-9.-]+)(?:\+([0-9]{1,9})(?:-([0-9]{1,9}))?)?\.efi$`)

// Parse reads the name of a file; false: it is not one of ours.
func Parse(file string) (Entry, bool) {
	// FAT keeps the case of letters and does not mind it.
	m := fileName.FindStringSubmatch(strings.ToLower(file))
	if m == nil || CheckVersion(m[2]) != nil {
		return Entry{}, false
	}
	e := Good(m[1], m[2])
	if m[3] != "" {
		e.Left, _ = strconv.Atoi(m[3])
		e.Done, _ = strconv.Atoi("0" + m[4])
	}
	return e, true
}

// Compare orders two images of one appliance as systemd-boot does: negative when a comes
// first. Those that have used up their starts come last, newer versions before older ones.
func Compare(a, b Entry) int {
	if a.Failed() != b.Failed() {
		if a.Failed() {
			return 1
		}
		return -1
	}
	return cmp.Or(strings.Compare(a.Name, b.Name), CompareVersions(b.Version, a.Version), strings.Compare(b.File(), a.File()))
}
