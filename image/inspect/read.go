package inspect

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"trunkline/image/initrd"
	"trunkline/image/inventory"
	"trunkline/image/measure"
	"trunkline/image/uki"
)

// read takes a unified kernel image apart.
func (img *Image) read(raw []byte) error {
	digest := sha256.Sum256(raw)
	img.UKI.Size, img.UKI.SHA256 = int64(len(raw)), hex.EncodeToString(digest[:])
	p, err := uki.Parse(raw)
	if err != nil {
		return err
	}
	img.UKI.Sections, img.UKI.Signatures = p.Sections(), signatures(raw)
	for _, name := range []string{".osrel", ".cmdline", ".initrd", ".linux"} {
		if p.Content(name) == nil {
			return fmt.Errorf("no section %s: this is a program for UEFI, not an image of Trunkline's", name)
		}
	}
	img.Kernel, img.Cmdline = string(p.Content(".uname")), string(p.Content(".cmdline"))
	img.DigestNamed, img.Digest = p.Digest()
	if m := measure.Check(p); m != nil {
		img.Measured = &Measured{Value: hex.EncodeToString(m.Value[:]), Key: m.Key, Problem: m.Problem}
	}
	img.OS = osRelease(string(p.Content(".osrel")))
	root, err := img.readInitrd(p.Content(".initrd"))
	if err != nil {
		return fmt.Errorf("initrd: %w", err)
	}
	if err := img.readRoot(root); err != nil {
		return fmt.Errorf("root image: %w", err)
	}
	if img.Hardware, err = hardware(img.Root, p.Content(".ucode")); err != nil {
		return err
	}
	img.Units = enabledUnits(img.Root, img.Config)
	return nil
}

// readInitrd sorts the files of the initrd by what they are for and returns the
// root image. Where things lie is package initrd's.
func (img *Image) readInitrd(section []byte) (root []byte, err error) {
	files, err := unpack(section)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if rest, ok := strings.CutPrefix(f.Path, initrd.ConfigDir+"/"); ok {
			f.Path = rest
			img.Config = append(img.Config, f)
			continue
		}
		switch f.Path {
		case initrd.RootName:
			root = f.Data
		case initrd.ModulesList:
			for name := range strings.Lines(string(f.Data)) {
				// "03-erofs.ko.xz": the number only keeps the order.
				_, name, _ = strings.Cut(strings.TrimSpace(name), "-")
				name, _, _ = strings.Cut(name, ".")
				img.Modules = append(img.Modules, name)
			}
		}
		img.Initrd = append(img.Initrd, f)
	}
	if root == nil {
		return nil, fmt.Errorf("no %s: this is not an image of Trunkline's", initrd.RootName)
	}
	byPath := func(a, b File) int { return strings.Compare(a.Path, b.Path) }
	slices.SortFunc(img.Config, byPath)
	slices.SortFunc(img.Initrd, byPath)
	return root, nil
}

// readRoot lists the root image and reads its inventory.
func (img *Image) readRoot(erofs []byte) error {
	var err error
	if img.Root, err = walkRoot(erofs, inventory.Path); err != nil {
		return err
	}
	i, ok := slices.BinarySearchFunc(img.Root, inventory.Path, func(f File, p string) int { return strings.Compare(f.Path, p) })
	if !ok {
		return nil
	}
	if img.Inventory, err = inventory.Decode(img.Root[i].Data); err != nil {
		return err
	}
	return img.checkPrograms()
}

// checkPrograms compares the inventory with the programs that are there.
func (img *Image) checkPrograms() error {
	var errs []error
	for _, p := range img.Inventory.Programs {
		files := img.Root
		if !strings.Contains(p.Path, "/") {
			files = img.Initrd
		}
		i := slices.IndexFunc(files, func(f File) bool { return f.Path == p.Path })
		switch {
		case i < 0:
			errs = append(errs, fmt.Errorf("the inventory names %s, which is not there: the image was changed after it was built", p.Path))
		case files[i].SHA256 != p.SHA256:
			errs = append(errs, fmt.Errorf("%s has the digest %s, the inventory says %s: the image was changed after it was built", p.Path, files[i].SHA256, p.SHA256))
		}
	}
	return errors.Join(errs...)
}

// osRelease reads name and version (os-release(5)).
func osRelease(text string) OS {
	var out OS
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.Trim(value, `"'`)
		switch key {
		case "NAME":
			out.Name = value
		case "VERSION_ID":
			out.Version = value
		case "IMAGE_ID":
			out.ImageID = value
		case "IMAGE_VERSION":
			out.ImageVersion = value
		}
	}
	return out
}

// ConfigFile returns a file of the config layer, nil when it has none of that path.
func (img *Image) ConfigFile(name string) []byte {
	name = path.Clean(strings.TrimPrefix(name, "/"))
	for _, f := range img.Config {
		if f.Path == name {
			return bytes.Clone(f.Data)
		}
	}
	return nil
}
