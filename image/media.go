package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"trunkline/image/disk"
	"trunkline/image/sparse"
)

// Format is a form that an image is written in, and the ending of its name.
type Format string

// Formats. All hold the same unified kernel image, which is EFI.
const (
	EFI   Format = "efi"
	Raw   Format = "raw"   // a disk
	QCOW2 Format = "qcow2" // the same disk for hypervisors
	ISO   Format = "iso"   // for virtual media: read only
)

var formats = []Format{EFI, Raw, QCOW2, ISO}

// DefaultFormats are those of a build that names none.
func DefaultFormats() []Format { return []Format{EFI, Raw} }

// ParseFormats reads names of formats. EFI is always among those returned, once.
func ParseFormats(names []string) ([]Format, error) {
	out := []Format{EFI}
	for _, n := range names {
		f := Format(strings.TrimSpace(n))
		if !slices.Contains(formats, f) {
			return nil, fmt.Errorf("format %q: images are written as efi, raw, qcow2 and iso", n)
		}
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out, nil
}

func (b *builder) wants(f Format) bool {
	if b.Formats == nil {
		return slices.Contains(DefaultFormats(), f)
	}
	return f == EFI || slices.Contains(b.Formats, f)
}

func (b *builder) outputPath(f Format) string {
	return filepath.Join(b.OutDir, b.Name+"."+string(f))
}

// outputNames are the files that a build of this appliance may write.
func outputNames(name string) []string {
	out := []string{name + SPDXEnding, name + CycloneDXEnding, name + ProvenanceEnding}
	for _, f := range formats {
		out = append(out, name+"."+string(f))
	}
	return out
}

// media writes the disk in every format asked for. What an earlier build left in
// another format goes: the files of a directory are of one image.
func (b *builder) media(ctx context.Context, l disk.Layout) error {
	for _, f := range formats {
		if b.wants(f) {
			continue
		}
		if err := os.Remove(b.outputPath(f)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing what an earlier build left: %w", err)
		}
	}
	if b.wants(Raw) || b.wants(QCOW2) {
		b.step("disk")
		raw := b.outputPath(Raw)
		if !b.wants(Raw) {
			// Under a temporary name, which the next build removes if this one cannot.
			raw = filepath.Join(b.OutDir, temporary(b.Name+".raw"))
			defer os.Remove(raw) //nolint:errcheck // see above
		}
		if err := disk.Write(raw, l); err != nil {
			return err
		}
		if b.wants(Raw) {
			var err error
			if b.result.Disk, err = b.output(raw); err != nil {
				return err
			}
		}
		if err := b.medium(ctx, QCOW2, func(path string) error { return disk.WriteQCOW2(path, raw) }); err != nil {
			return err
		}
	}
	return b.medium(ctx, ISO, func(path string) error { return disk.WriteISO(path, l) })
}

// medium writes one more format, if it is asked for.
func (b *builder) medium(ctx context.Context, f Format, write func(path string) error) error {
	if !b.wants(f) {
		return nil
	}
	b.step(string(f))
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := write(b.outputPath(f)); err != nil {
		return err
	}
	o, err := b.output(b.outputPath(f))
	b.result.Media = append(b.result.Media, o)
	return err
}

// output describes a file that was written.
func (b *builder) output(path string) (Output, error) {
	size, digest, err := sparse.SumBy(path, b.Memory.hasher().Sum)
	return Output{Path: path, Size: size, SHA256: digest}, err
}

// Outputs are the images written, in every format: the UKI first.
func (r Result) Outputs() []Output {
	out := []Output{r.UKI}
	if r.Disk.Path != "" {
		out = append(out, r.Disk)
	}
	return append(out, r.Media...)
}
