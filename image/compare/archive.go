package compare

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/cavaliergopher/cpio"
	"github.com/erofs/go-erofs"
	"github.com/klauspost/compress/zstd"

	"trunkline/image/initrd"
)

// archives are those of an initrd that begins with a compressed one: one after the
// other with zero bytes between them, as the kernel reads them.
func archives(b []byte) []member {
	if !initrd.Compressed(b) {
		return nil
	}
	var out []member
	for rest := b; ; {
		rest = bytes.TrimLeft(rest, "\x00")
		name := fmt.Sprintf("archive %d", len(out)+1)
		if !initrd.Compressed(rest) {
			if len(rest) > 0 {
				out = append(out, member{name: name, data: held(rest)})
			}
			return out
		}
		n, err := initrd.FrameLength(rest)
		if err != nil {
			return nil
		}
		frame := rest[:n]
		out = append(out, member{name: name + " (zstd), unpacked", data: func() ([]byte, error) { return decompress(frame) }})
		rest = rest[n:]
	}
}

func decompress(frame []byte) ([]byte, error) {
	z, err := zstd.NewReader(bytes.NewReader(frame), zstd.WithDecoderMaxWindow(initrd.MaxWindow))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	return io.ReadAll(z)
}

// cpioFiles are the entries of a cpio archive, in its order.
func cpioFiles(b []byte) []member {
	if !initrd.Plain(b) {
		return nil
	}
	r := cpio.NewReader(bytes.NewReader(b))
	var out []member
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			return nil
		}
		data := []byte(h.Linkname)
		if h.Mode.IsRegular() {
			if data, err = io.ReadAll(r); err != nil {
				return nil
			}
		}
		out = append(out, member{
			name:  h.Name,
			attrs: fmt.Sprintf("mode %06o, owner %d:%d, time %d, inode %d, %d links", int(h.Mode), h.Uid, h.Guid, h.ModTime.Unix(), h.Inode, h.Links),
			data:  held(data),
		})
	}
}

// rootFiles are the files of an erofs, by path.
func rootFiles(b []byte) []member {
	// The magic number of the superblock, little endian (Documentation/filesystems/erofs.rst).
	const superblock = 1024
	if len(b) < superblock+4 || !bytes.Equal(b[superblock:superblock+4], []byte{0xe2, 0xe1, 0xf5, 0xe0}) {
		return nil
	}
	root, err := erofs.Open(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	links, _ := root.(fs.ReadLinkFS)
	var out []member
	err = fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		m := member{name: "/" + p, attrs: fmt.Sprintf("mode %v, time %d", info.Mode(), info.ModTime().Unix()), data: held(nil)}
		if o, ok := info.(interface {
			UID() uint32
			GID() uint32
		}); ok {
			m.attrs += fmt.Sprintf(", owner %d:%d", o.UID(), o.GID())
		}
		switch {
		case d.Type()&fs.ModeSymlink != 0 && links != nil:
			m.data = func() ([]byte, error) {
				l, err := links.ReadLink(p)
				return []byte(l), err
			}
		case d.Type().IsRegular():
			m.data = func() ([]byte, error) { return fs.ReadFile(root, p) }
		}
		out = append(out, m)
		return nil
	})
	if err != nil {
		return nil
	}
	return out
}
