package slots

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"trunkline/image/entry"
)

// spare is what an installation leaves free beside the image: directory entries, and what
// firmware and boot loader write.
const spare = 1 << 20

// NoRoom is the error of an image that does not fit.
type NoRoom struct {
	Version      string
	Need, Have   int64 // bytes; Have: free once all is removed that may be
	KeptVersions []string
}

func (e *NoRoom) Error() string {
	return fmt.Sprintf("version %s needs %d bytes of the EFI system partition, and there are %d beside the images that stay (%v): "+
		"write the disk anew from the raw image of a build, whose partition has room for three images of today's size", e.Version, e.Need, e.Have, e.KeptVersions)
}

// Present is the error of an image whose version is on the ESP already.
type Present struct{ Image Image }

func (e *Present) Error() string {
	what := "good"
	switch {
	case e.Image.Failed():
		what = "failed: its starts are used up"
	case !e.Image.Good():
		what = fmt.Sprintf("on trial, with %d starts left", e.Image.Left)
	}
	return fmt.Sprintf("version %s is installed already (%s)", e.Image.Version, what)
}

// Install puts an image of size bytes on the ESP, to be started tries times unless it is
// found good. What is neither booted nor the newest good image goes first, and only when
// there is room for the new one afterwards (NoRoom). A version that is there already is an
// error (Present) unless it has failed: that one is replaced.
//
// check looks at the whole file before it gets a name that systemd-boot takes; its error is
// returned as it is. When ctx ends, or from does before size bytes or goes on behind them,
// nothing is installed.
func (e *ESP) Install(ctx context.Context, name, version string, tries int, size int64, from io.Reader, check func(path string) error) (Image, error) {
	switch {
	case name != e.name:
		return Image{}, fmt.Errorf("the image is %s's, and this appliance is %s", name, e.name)
	case tries < 1:
		return Image{}, fmt.Errorf("an image must be tried once at least, not %d times", tries)
	case size < 1:
		return Image{}, errors.New("the image is empty")
	}
	if err := entry.CheckVersion(version); err != nil {
		return Image{}, err
	}
	if err := e.makeRoom(version, size); err != nil {
		return Image{}, err
	}
	next := entry.Entry{Name: name, Version: version, Left: tries}
	part := filepath.Join(e.dir, entry.Good(name, version).File()+partial)
	if err := e.write(ctx, part, size, from); err != nil {
		return Image{}, errors.Join(err, e.remove(part))
	}
	if check != nil {
		if err := check(part); err != nil {
			return Image{}, errors.Join(err, e.remove(part))
		}
	}
	if err := ctx.Err(); err != nil {
		return Image{}, errors.Join(err, e.remove(part))
	}
	e.step("rename")
	if err := os.Rename(part, filepath.Join(e.dir, next.File())); err != nil {
		return Image{}, errors.Join(fmt.Errorf("ESP: %w", err), e.remove(part))
	}
	e.step("sync")
	if err := e.sync(); err != nil {
		return Image{}, err
	}
	return Image{File: next.File(), Name: name, Version: version, Left: tries, Size: size}, nil
}

// makeRoom removes what need not stay, if that makes room for the new version.
func (e *ESP) makeRoom(version string, size int64) error {
	images, err := e.Images()
	if err != nil {
		return err
	}
	for _, i := range images {
		if i.Version == version && (i.Booted || !i.Failed()) {
			return &Present{i}
		}
	}
	old, have, err := e.leftovers()
	if err != nil {
		return err
	}
	free, err := e.Free()
	if err != nil {
		return err
	}
	have += free
	var kept []string
	good := slices.IndexFunc(images, Image.Good) // newest first
	for n, i := range slices.Backward(images) {
		if i.Booted || n == good {
			kept = append(kept, i.Version)
			continue
		}
		old, have = append(old, i.File), have+i.Size
	}
	if have < size+spare {
		return &NoRoom{Version: version, Need: size + spare, Have: have, KeptVersions: kept}
	}
	for _, name := range old {
		if err := e.remove(filepath.Join(e.dir, name)); err != nil {
			return err
		}
	}
	if len(old) == 0 {
		return nil
	}
	return e.sync()
}

// syncEvery bounds what a power cut can leave allocated on the partition and in no file,
// and keeps one large write-back from holding up everything else.
const syncEvery = 4 << 20

// write writes a file whole and makes it durable.
func (e *ESP) write(ctx context.Context, path string, size int64, from io.Reader) error {
	e.step("create")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("ESP: %w", err)
	}
	defer f.Close() //nolint:errcheck // closed below when all went well
	for done := int64(0); done < size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		e.step("write")
		n, err := io.CopyN(f, from, min(syncEvery, size-done))
		done += n
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("the image ends after %d of %d bytes", done, size)
		}
		if err == nil {
			err = f.Sync()
		}
		if err != nil {
			return fmt.Errorf("copying the image to the ESP: %w", err)
		}
	}
	var more [1]byte
	switch n, err := io.ReadFull(from, more[:]); {
	case n > 0:
		return fmt.Errorf("the image goes on behind its %d bytes", size)
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("the image: %w", err)
	}
	e.step("sync the file")
	if err := e.sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("ESP: %w", err)
	}
	return nil
}

func (e *ESP) remove(path string) error {
	e.step("remove")
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("ESP: %w", err)
	}
	return nil
}
