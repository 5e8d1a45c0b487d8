// Package inspect says what is in a built image, read from the image itself:
// sections of the unified kernel image, kernel command line, packages, programs,
// enabled units, files of the root image and of the config layer, and the EFI
// system partition when the image is a disk.
//
// What is promised: nothing that lies beside an image is asked, so what is said
// holds for the file that would boot. Nothing is mounted and no root is needed.
// Files that are no image of ours, damaged ones, and ones that unpack to more than
// a machine could boot are errors that name the part.
//
// Sizes are bytes, digests lower-case hexadecimal SHA-256. Paths are relative and
// slash separated. Formats read: UAPI.5 (unified kernel images), RFC 8878 (zstd),
// the kernel's Documentation/driver-api/early-userspace/buffer-format.rst (cpio),
// Documentation/filesystems/erofs.rst.
package inspect

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"trunkline/image/disk"
	"trunkline/image/entry"
	"trunkline/image/fat"
	"trunkline/image/inventory"
	"trunkline/image/uki"
)

// FormatVersion is the version of the JSON form of an Image: it grows when a
// field changes its meaning.
const FormatVersion = 1

// Image is what an image holds.
type Image struct {
	FormatVersion int    `json:"format_version"`
	Path          string `json:"path"`           // of the file that was read
	Disk          *Disk  `json:"disk,omitempty"` // when that file is a disk
	UKI           UKI    `json:"uki"`
	Kernel        string `json:"kernel"`  // release, as uname -r prints it
	Cmdline       string `json:"cmdline"` // kernel command line
	OS            OS     `json:"os"`
	// Digest is what the image is called, "sha256:<hex>": the booted appliance says
	// it, and signing does not change it. DigestNamed is what its command line says;
	// when the two differ, the image was changed after it was built. Both are empty for
	// images of an older version of Trunkline.
	Digest      string `json:"digest,omitempty"`
	DigestNamed string `json:"digest_named,omitempty"`
	// Measured is what PCR 11 of a machine's TPM holds once it has started the image, and
	// whose signature of it the image carries; nil: it carries none.
	Measured *Measured `json:"measured,omitempty"`

	// Inventory is the image's own record of packages and programs; nil: an older
	// version of Trunkline built it, which left none.
	Inventory *inventory.Inventory `json:"inventory"`
	Units     []Unit               `json:"units"` // enabled, by name
	Hardware  Hardware             `json:"hardware"`
	Modules   []string             `json:"modules"` // kernel modules that init loads, in order
	Initrd    []File               `json:"initrd"`  // beside the root image and the config layer, by path
	Config    []File               `json:"config"`  // config layer, by path
	Root      []File               `json:"root"`    // root image without directories, by path
}

// Disk is a disk.
type Disk struct {
	Format   disk.Format `json:"format"`
	Size     int64       `json:"size"` // of the file
	ESPBytes int64       `json:"esp_bytes"`
	Files    []File      `json:"files"` // of the EFI system partition, by path
	// Images are the unified kernel images on it in the order the boot loader prefers
	// them, which are several once an appliance has been updated. The first one is read.
	Images []string `json:"images"`
	// LoaderSignatures are those of the boot loader (/EFI/BOOT/BOOTX64.EFI).
	LoaderSignatures []Signature `json:"loader_signatures"`
}

// UKI is the unified kernel image as a file.
type UKI struct {
	Name       string        `json:"name"` // file name, on the disk when it lies on one
	Size       int64         `json:"size"`
	SHA256     string        `json:"sha256"`
	Sections   []uki.Section `json:"sections"` // in file order
	Signatures []Signature   `json:"signatures"`
}

// OS is the identity of the operating system (os-release(5)).
type OS struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// ImageID is the appliance the image is of and ImageVersion what orders its updates;
	// empty for images of an older version of Trunkline.
	ImageID      string `json:"image_id,omitempty"`
	ImageVersion string `json:"image_version,omitempty"`
}

// Measured is a signed value of PCR 11, SHA-256 bank.
type Measured struct {
	Value string `json:"value"` // lower-case hexadecimal
	Key   string `json:"key"`   // as systemd calls it: SHA-256 of its PKCS #1 form
	// Problem is why credentials sealed with the key do not open in this image; empty: they do.
	Problem string `json:"problem,omitempty"`
}

// File is one file, or symbolic link.
type File struct {
	Path   string `json:"path"`
	Mode   string `json:"mode,omitempty"` // permission bits in octal, "0644"; empty where the file system has none
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256,omitempty"`
	Link   string `json:"link,omitempty"` // target, of a symbolic link
	Data   []byte `json:"-"`              // of files outside of the root image, and of its inventory
}

// Open reads the image at path: a unified kernel image (NAME.efi), a disk (NAME.raw,
// NAME.qcow2, NAME.iso), or the directory a build wrote them to, of which the first is taken.
func Open(path string) (*Image, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	if info.IsDir() {
		if path, err = inDirectory(path); err != nil {
			return nil, err
		}
		if info, err = os.Stat(path); err != nil {
			return nil, fmt.Errorf("image: %w", err)
		}
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file", path)
	}
	kind, err := KindOf(path)
	if err != nil {
		return nil, err
	}
	img := &Image{FormatVersion: FormatVersion, Path: path}
	var raw []byte
	switch kind {
	case KindUKI:
		if info.Size() > maxUKI {
			return nil, fmt.Errorf("%s has %d bytes, a unified kernel image has %d at most", path, info.Size(), maxUKI)
		}
		if raw, err = os.ReadFile(path); err != nil {
			return nil, fmt.Errorf("image: %w", err)
		}
		img.UKI.Name = filepath.Base(path)
	case KindDisk:
		if raw, err = img.openDisk(path, info.Size()); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("%s is neither a unified kernel image nor a disk: name NAME.efi, NAME.raw, NAME.qcow2, NAME.iso, or the directory that `trunkline build` wrote", path)
	}
	if err := img.read(raw); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return img, nil
}

// maxUKI bounds a unified kernel image; PE offsets end at 4 GiB, and ours are a
// fiftieth of this.
const maxUKI = 3 << 30

// Kinds of files an image comes as.
const (
	KindOther = iota // no image
	KindUKI
	KindDisk
)

// KindOf says by its first bytes what a file is. Only a file that cannot be read
// is an error.
func KindOf(path string) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return KindOther, fmt.Errorf("image: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	head := make([]byte, 2)
	n, _ := f.ReadAt(head, 0) // a short file is no image
	switch {
	case n == len(head) && string(head) == "MZ":
		return KindUKI, nil
	case disk.FormatOf(f) != "":
		return KindDisk, nil
	}
	return KindOther, nil
}

// inDirectory finds the image of a build's output directory.
func inDirectory(dir string) (string, error) {
	for _, ending := range []string{".efi", ".raw", ".qcow2", ".iso"} {
		found, err := filepath.Glob(filepath.Join(dir, "*"+ending))
		if err != nil {
			return "", fmt.Errorf("image: %w", err)
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			return "", fmt.Errorf("%s holds %d images (%s): name one of them", dir, len(found), strings.Join(found, ", "))
		}
	}
	return "", fmt.Errorf("%s holds no image (NAME.efi, NAME.raw, NAME.qcow2 or NAME.iso): `trunkline build` makes one", dir)
}

// openDisk reads the disk's partition and returns the unified kernel image on it.
func (img *Image) openDisk(path string, size int64) ([]byte, error) {
	esp, err := disk.Read(path)
	if err != nil {
		return nil, err
	}
	format, err := formatOf(path)
	if err != nil {
		return nil, err
	}
	img.Disk = &Disk{Format: format, Size: size, ESPBytes: esp.Size, LoaderSignatures: []Signature{}}
	slices.SortFunc(esp.Files, func(a, b fat.File) int { return strings.Compare(a.Path, b.Path) })
	var images []fat.File
	for _, f := range esp.Files {
		file := fileOf(f.Path, 0, f.Data)
		file.Mode = "" // FAT has none
		img.Disk.Files = append(img.Disk.Files, file)
		if strings.EqualFold(f.Path, "EFI/BOOT/BOOTX64.EFI") {
			img.Disk.LoaderSignatures = signatures(f.Data)
		}
		// Where systemd-boot looks for them (UAPI.1, type 2 entries).
		if dir, name := filepath.Split(strings.ToLower(f.Path)); dir == "efi/linux/" && strings.HasSuffix(name, ".efi") {
			images = append(images, f)
		}
	}
	if len(images) == 0 {
		return nil, fmt.Errorf("%s: no unified kernel image on the disk", path)
	}
	slices.SortFunc(images, func(a, b fat.File) int { return preference(a.Path, b.Path) })
	for _, f := range images {
		img.Disk.Images = append(img.Disk.Images, f.Path)
	}
	img.UKI.Name = images[0].Path
	return images[0].Data, nil
}

// preference orders two images of a partition as systemd-boot does, by their names: ours
// before others.
func preference(a, b string) int {
	x, ours := entry.Parse(filepath.Base(a))
	y, also := entry.Parse(filepath.Base(b))
	switch {
	case ours && also:
		return entry.Compare(x, y)
	case ours:
		return -1
	case also:
		return 1
	}
	return strings.Compare(a, b)
}

func formatOf(path string) (disk.Format, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("image: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	return disk.FormatOf(f), nil
}

// fileOf describes a regular file; its data is kept.
func fileOf(path string, mode fs.FileMode, data []byte) File {
	digest := sha256.Sum256(data)
	return File{Path: path, Mode: octal(mode), Size: int64(len(data)), SHA256: hex.EncodeToString(digest[:]), Data: data}
}

func linkOf(path, target string) File { return File{Path: path, Mode: octal(0o777), Link: target} }

func octal(mode fs.FileMode) string { return fmt.Sprintf("%04o", mode.Perm()) }

// Changed says why an image is not the one that was built or signed; nil: nothing
// speaks against it.
func (img *Image) Changed() error {
	if img.Digest != img.DigestNamed {
		return fmt.Errorf("%s was changed after it was built: it names itself %s, but is %s", img.Path, img.DigestNamed, img.Digest)
	}
	if img.Measured != nil && img.Measured.Problem != "" {
		return fmt.Errorf("%s cannot open sealed credentials: %s", img.Path, img.Measured.Problem)
	}
	loader := []Signature(nil)
	if img.Disk != nil {
		loader = img.Disk.LoaderSignatures
	}
	for _, s := range append(slices.Clone(img.UKI.Signatures), loader...) {
		if s.Problem != "" {
			return fmt.Errorf("%s has a signature by %q that does not hold: %s", img.Path, s.Subject, s.Problem)
		}
	}
	return nil
}
