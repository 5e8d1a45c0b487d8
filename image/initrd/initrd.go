// Package initrd makes the two archives an appliance boots from: the base initrd
// (init, the modules it loads, the root image), compressed, and the config
// layer's archive, which the kernel unpacks after it into the same rootfs.
//
// What is promised: newc cpio as the kernel's Documentation/driver-api/
// early-userspace/buffer-format.rst describes; the same inputs give the same
// bytes (fixed times and inode numbers, owner root, one zstd frame made by one
// goroutine). Both archives have lengths that are multiples of 4, so one may
// follow the other. What a valid request could get wrong (a path outside of
// etc/, two files with one path) is an error, not an archive.
//
// Where things lie in the archives is what package tools/init/boot expects: /init,
// /modules/list with one file name per line in load order, /root.erofs, and the
// config layer below /config.
package initrd

import (
	"embed"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/cavaliergopher/cpio"
	"github.com/klauspost/compress/zstd"

	"trunkline/image/initrd/modules"
	"trunkline/image/rootfs"
)

// The sources are inputs of the archive; package rootfs says why they are embedded.
//
//go:embed *.go modules/*.go
var sources embed.FS

// Fingerprint identifies the code that makes a base initrd.
func Fingerprint() string { return rootfs.Digest(sources) }

// Names inside the archives, as package tools/init/boot reads them.
const (
	InitName    = "init"
	ModulesDir  = "modules"
	ModulesList = ModulesDir + "/list"
	RootName    = "root.erofs"
	ConfigDir   = "config"
	SysrootDir  = "sysroot"
)

// Align is the boundary every archive ends on; the kernel looks for the next one
// there.
const Align = 4

// Parts is what a base initrd is made of.
type Parts struct {
	Init     []byte            // static executable
	Modules  []*modules.Module // in load order
	Root     io.Reader         // the erofs
	RootSize int64
}

// window of the compressor: as large as pays off, below the 128 MiB the kernel
// takes (lib/decompress_unzstd.c). It is memory while booting.
const window = 16 << 20

// WriteBase writes the compressed base initrd.
func WriteBase(out io.Writer, p Parts) error {
	count := &counter{w: out}
	z, err := zstd.NewWriter(count,
		zstd.WithEncoderConcurrency(1), // more would cut the stream by timing
		zstd.WithEncoderLevel(zstd.SpeedBestCompression),
		zstd.WithWindowSize(window))
	if err != nil {
		return fmt.Errorf("initrd: %w", err)
	}
	a := newArchive(z)
	for _, d := range []string{"dev", ModulesDir, "proc", "sys", SysrootDir} {
		a.dir(d)
	}
	a.file(InitName, 0o755, p.Init)
	var list strings.Builder
	for i, m := range p.Modules {
		name := fmt.Sprintf("%02d-%s", i, path.Base(m.Path))
		a.file(ModulesDir+"/"+name, 0o644, m.Data)
		list.WriteString(name + "\n")
	}
	a.file(ModulesList, 0o644, []byte(list.String()))
	a.stream(RootName, 0o644, p.Root, p.RootSize)
	if err := a.close(); err != nil {
		return fmt.Errorf("initrd: %w", err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("initrd: %w", err)
	}
	// The kernel skips zero bytes between archives.
	if _, err := out.Write(make([]byte, -count.n&(Align-1))); err != nil {
		return fmt.Errorf("initrd: %w", err)
	}
	return nil
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// archive writes cpio entries; the first error sticks.
type archive struct {
	w   *cpio.Writer
	err error
}

func newArchive(w io.Writer) *archive { return &archive{w: cpio.NewWriter(w)} }

func (a *archive) header(h *cpio.Header) {
	if a.err == nil {
		if a.err = a.w.WriteHeader(h); a.err != nil {
			a.err = fmt.Errorf("%s: %w", h.Name, a.err)
		}
	}
}

func (a *archive) dir(name string) {
	a.header(&cpio.Header{Name: name, Mode: cpio.TypeDir | 0o755, Links: 2})
}

func (a *archive) file(name string, mode cpio.FileMode, data []byte) {
	a.stream(name, mode, strings.NewReader(string(data)), int64(len(data)))
}

func (a *archive) link(name, target string) {
	a.header(&cpio.Header{Name: name, Mode: cpio.TypeSymlink | 0o777, Links: 1, Size: int64(len(target))})
	if a.err == nil {
		_, a.err = io.WriteString(a.w, target)
	}
}

func (a *archive) stream(name string, mode cpio.FileMode, r io.Reader, size int64) {
	const maxSize = 1<<32 - 1 // eight hexadecimal digits
	if a.err == nil && size > maxSize {
		a.err = fmt.Errorf("%s: %d bytes do not fit in a newc archive", name, size)
	}
	a.header(&cpio.Header{Name: name, Mode: cpio.TypeReg | mode&cpio.ModePerm, Links: 1, Size: size})
	if a.err != nil {
		return
	}
	n, err := io.Copy(a.w, r)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		a.err = fmt.Errorf("%s: %w", name, err)
	}
}

func (a *archive) close() error {
	if a.err != nil {
		return a.err
	}
	return a.w.Close()
}
