package image

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"trunkline/image/debian"
	"trunkline/image/disk"
	"trunkline/image/entry"
	"trunkline/image/initrd"
	"trunkline/image/initrd/modules"
	"trunkline/image/inventory"
	"trunkline/image/rootfs"
	"trunkline/image/uki"
)

// builder is one build under way.
type builder struct {
	Request
	sbcd, init executable
	packages   []debian.Package // of the lock's, those of this image
	result     Result
	began      time.Time // of the last step
}

func build(ctx context.Context, r Request) (Result, error) {
	b := &builder{Request: r}
	if b.Version == "" {
		b.Version = entry.DefaultVersion
	}
	b.result.Version = b.Version
	if err := b.check(); err != nil {
		return Result{}, err
	}
	var err error
	if b.sbcd, err = r.Memory.program("sbcd", r.SbcdPath); err != nil {
		return Result{}, err
	}
	if b.init, err = r.Memory.program("init", r.InitPath); err != nil {
		return Result{}, err
	}
	lock, err := r.Lock.Digest()
	if err != nil {
		return Result{}, err
	}
	// Cheap mistakes first: a bad config layer must not wait for a base layer.
	config, err := configArchive(append(slices.Clone(r.Config), b.release()))
	if err != nil {
		return Result{}, err
	}
	code, err := codeIdentity()
	if err != nil {
		return Result{}, err
	}
	b.packages = r.Lock.PackagesFor(r.Extras)
	base, reused, err := b.ensureBase(ctx, inputs{profile: r.Profile, hardware: r.Hardware.identity(), lock: lock, extras: r.Lock.Apart(r.Extras), sbcd: b.sbcd.digest, init: b.init.digest, code: code})
	if err != nil {
		return Result{}, err
	}
	b.result.Base, b.result.BaseDir, b.result.BaseReused = base.Base, base.dir, reused
	if err := b.assemble(ctx, base, config, lock); err != nil {
		return Result{}, err
	}
	b.endStep()
	return b.result, nil
}

// executable is a program of the image and its digest.
type executable struct {
	data   []byte
	digest string
}

// program reads an executable of the image. One that needs a dynamic loader would
// fail only at boot: init has no libraries around it, and sbcd must not depend on
// the packages' ones.
func program(what, name string) (executable, error) {
	f, err := elf.Open(name)
	if err != nil {
		return executable{}, fmt.Errorf("%s: %w (the programs are built together: `make build`)", what, err)
	}
	defer f.Close() //nolint:errcheck // read only
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return executable{}, fmt.Errorf("%s: %s is linked dynamically: build it with CGO_ENABLED=0", what, name)
		}
	}
	if f.Machine != elf.EM_X86_64 || f.Type != elf.ET_EXEC {
		return executable{}, fmt.Errorf("%s: %s is no static executable for x86-64 (%v, %v)", what, name, f.Machine, f.Type)
	}
	data, err := os.ReadFile(name)
	return executable{data, sum(data)}, err
}

// validName keeps a name usable as host name and as FAT file name.
var validName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func (b *builder) check() error {
	switch {
	case !validName.MatchString(b.Name):
		return fmt.Errorf("image: name %q: letters a-z, digits and '-' are allowed, 63 at most", b.Name)
	case b.Lock == nil:
		return errors.New("image: no lock file given: make one with `trunkline lock`")
	case b.Store == nil:
		return errors.New("image: no package store given")
	case b.OutDir == "" || b.BaseCacheDir == "":
		return errors.New("image: no output or cache directory given")
	case strings.ContainsFunc(b.Cmdline, func(r rune) bool { return r < ' ' || r > '~' }):
		return fmt.Errorf("image: kernel command line %q: only printable ASCII on one line is allowed", b.Cmdline)
	}
	if err := entry.CheckVersion(b.Version); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	for _, c := range b.Console {
		if c == "" || strings.ContainsFunc(c, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return fmt.Errorf("image: console %q: one word of printable ASCII is wanted, as in \"ttyS1,115200\"", c)
		}
	}
	if err := b.checkEnrolment(); err != nil {
		return err
	}
	p, err := debian.ProfileByName(b.Profile)
	if err != nil {
		return err
	}
	return b.Lock.Check(p)
}

func (b *builder) step(name string) {
	b.endStep()
	b.result.Steps = append(b.result.Steps, Step{Name: name})
	if b.Progress != nil {
		b.Progress.Step(name)
	}
}

func (b *builder) endStep() {
	now := time.Now()
	if n := len(b.result.Steps); n > 0 {
		b.result.Steps[n-1].Took = now.Sub(b.began)
	}
	b.began = now
}

// deb is a package of the store as rootfs reads it.
type deb struct {
	p     debian.Package
	store *debian.Store
}

func (d deb) Name() string { return d.p.Name }
func (d deb) Size() int64  { return d.p.Size }

func (d deb) Data(fn func(*tar.Header, io.Reader) error) error {
	f, err := d.store.Open(d.p)
	if err != nil {
		return err
	}
	return errors.Join(f.Data(fn), f.Close())
}

// buildBase builds the base layer into the cache. The caller holds its lock.
func (b *builder) buildBase(ctx context.Context, in inputs) (*layer, error) {
	b.step("packages")
	var progress debian.Progress
	if b.Progress != nil {
		progress = b.Progress
	}
	var err error
	b.result.Fetched, err = b.Store.Fetch(ctx, b.Mirror, b.packages, debian.FetchOptions{Offline: b.Offline, Progress: progress})
	if err != nil {
		return nil, err
	}

	b.step("rootfs")
	pkgs := make([]rootfs.Package, len(b.packages))
	for i, p := range b.packages {
		pkgs[i] = deb{p, b.Store}
	}
	tree, boot, err := rootfs.Collect(ctx, pkgs, b.sbcd.data)
	if err != nil {
		return nil, err
	}

	b.step("modules")
	microcode, err := b.Hardware.microcode(tree)
	if err != nil {
		return nil, err
	}
	load, kept, err := selectModules(tree, boot.Release, b.Profile, b.Hardware)
	if err != nil {
		return nil, err
	}
	firmware, err := b.Hardware.selectFirmware(tree, kept)
	if err != nil {
		return nil, err
	}
	record, err := b.takeInventory(tree, in.lock)
	if err != nil {
		return nil, err
	}
	if err := tree.File(inventory.Path, 0o644, record); err != nil {
		return nil, err
	}
	tmp, err := newBaseDir(b.BaseCacheDir)
	if err != nil {
		return nil, fmt.Errorf("base layer: %w", err)
	}
	defer os.RemoveAll(tmp) //nolint:errcheck // gone already when all went well

	b.step("erofs")
	root, size, err := writeRoot(tree, tmp)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // read back below, then removed

	b.step("initrd")
	img, err := b.writeInitrd(ctx, tmp, initrd.Parts{Init: b.init.data, Modules: load, Root: contextReader{ctx, root}, RootSize: size})
	if err != nil {
		return nil, err
	}
	if err := os.Remove(root.Name()); err != nil {
		return nil, err
	}

	l := &layer{files: map[string][]byte{
		baseKernel: boot.Kernel, baseInitrd: img, baseStub: boot.Stub, baseLoader: boot.Loader, baseInventory: record, baseMicrocode: microcode,
	}}
	nodes, treeBytes := tree.Stats()
	l.Base = Base{
		FormatVersion: BaseFormatVersion, Digest: in.digest(), Profile: in.profile, Lock: in.lock, Sbcd: in.sbcd, Init: in.init,
		Kernel: boot.Release, OSRelease: rootfs.OSRelease(),
		Packages: len(pkgs), TreeFiles: nodes, TreeBytes: treeBytes, Modules: len(kept),
		Hardware: b.Hardware.identity(), Firmware: firmware, MicrocodeBytes: int64(len(microcode)),
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return l, storeBase(tmp, b.BaseCacheDir, l)
}

// selectModules leaves only the profile's and the machine's modules in the tree, with
// their indexes, and returns those init loads and those kept.
func selectModules(tree *rootfs.Tree, release, profile string, h Hardware) (load, kept []*modules.Module, err error) {
	dir := "usr/lib/modules/" + release
	files := map[string][]byte{}
	for _, p := range tree.Under(dir) {
		if n := tree.Get(p); n.Kind == rootfs.Regular {
			files[strings.TrimPrefix(p, dir+"/")] = n.Data
		}
	}
	lib, err := modules.NewLibrary(files)
	if err != nil {
		return nil, nil, err
	}
	patterns, err := initrd.RootModules(profile)
	if err != nil {
		return nil, nil, err
	}
	sel, err := lib.Select(patterns, h.modules()...)
	if err != nil {
		return nil, nil, h.explain(err)
	}
	index, err := lib.Indexes(sel)
	if err != nil {
		return nil, nil, err
	}
	tree.Remove(dir)
	for _, m := range sel {
		index[m.Path] = m.Data
	}
	for name, data := range index {
		if err := tree.File(dir+"/"+name, 0o644, data); err != nil {
			return nil, nil, err
		}
	}
	load, err = lib.LoadOrder(initrd.BootModules)
	return load, sel, err
}

// writeRoot writes the erofs into a file of dir and opens it for reading.
func writeRoot(tree *rootfs.Tree, dir string) (*os.File, int64, error) {
	f, err := os.Create(filepath.Join(dir, initrd.RootName))
	if err != nil {
		return nil, 0, err
	}
	err = tree.WriteErofs(f, dir)
	if err == nil {
		var size int64
		if size, err = f.Seek(0, io.SeekEnd); err == nil {
			if _, err = f.Seek(0, io.SeekStart); err == nil {
				return f, size, nil
			}
		}
	}
	return nil, 0, errors.Join(err, f.Close())
}

func (b *builder) writeInitrd(ctx context.Context, dir string, p initrd.Parts) ([]byte, error) {
	var buf bytes.Buffer
	if err := initrd.WriteBase(&buf, p); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	return buf.Bytes(), writeSynced(filepath.Join(dir, baseInitrd), buf.Bytes())
}

func configArchive(files []File) ([]byte, error) {
	conv := make([]initrd.File, len(files))
	for i, f := range files {
		conv[i] = initrd.File(f)
	}
	return initrd.ConfigArchive(conv)
}

// assemble writes NAME.efi, the disk in every format and what is said of them.
func (b *builder) assemble(ctx context.Context, base *layer, config []byte, lock string) error {
	b.step("uki")
	if err := os.MkdirAll(b.OutDir, 0o755); err != nil {
		return err
	}
	release, err := ownOutput(ctx, b.OutDir, outputNames(b.Name)...)
	if err != nil {
		return fmt.Errorf("output: %w", err)
	}
	defer release()
	cmdline := b.commandLine() + " " + uki.DigestPlaceholder()
	// Roughly the size of the image, so that it is not moved while it grows.
	img := b.Memory.buffer(len(base.files[baseStub]) + len(base.files[baseKernel]) + len(base.files[baseMicrocode]) +
		len(base.files[baseInitrd]) + len(config) + 1<<20)
	defer b.Memory.free(img)
	pcrKey, pcrSignature := b.room()
	err = uki.Write(img, uki.Parts{
		PCRKey: pcrKey, PCRSignature: pcrSignature,
		Stub: base.files[baseStub], Kernel: base.files[baseKernel],
		Microcode: base.files[baseMicrocode],
		Initrd:    [][]byte{base.files[baseInitrd], config},
		Cmdline:   cmdline, OSRelease: b.osRelease(), Uname: base.Kernel,
	})
	if err != nil {
		return err
	}
	if b.result.Digest, err = uki.Seal(img.Bytes(), b.Memory.hasher().Sum); err != nil {
		return err
	}
	if err := b.signMeasured(img.Bytes()); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	unified, loader, err := b.sign(img.Bytes(), base.files[baseLoader])
	if err != nil {
		return err
	}
	// The disk waits for one file to be on stable storage while it writes another, and
	// either is hashed meanwhile.
	var beside sync.WaitGroup
	var written, summed error
	var digest [sha256.Size]byte
	beside.Go(func() { written = writeWhole(b.outputPath(EFI), unified) })
	beside.Go(func() { digest, summed = b.Memory.hasher().Sum(bytes.NewReader(unified)) })
	err = b.media(ctx, disk.Layout{Name: b.Name, Version: b.Version, UKI: unified, Digest: b.result.Digest, BootLoader: loader, Keys: b.enrolment()})
	beside.Wait()
	if written != nil {
		return fmt.Errorf("writing the UKI: %w", written)
	}
	if err = errors.Join(err, summed); err != nil {
		return err
	}
	b.result.UKI = Output{Path: b.outputPath(EFI), Size: int64(len(unified)), SHA256: hex.EncodeToString(digest[:])}
	return b.evidence(ctx, base, lock)
}
