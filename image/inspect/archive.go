package inspect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/cavaliergopher/cpio"
	"github.com/klauspost/compress/zstd"

	"trunkline/image/initrd"
)

// maxUnpacked bounds what all archives of an initrd unpack to, bytes: more would
// not boot, because it is all memory of the machine.
const maxUnpacked = 2 << 30

// unpack reads the archives of an initrd one after the other, as the kernel does:
// plain cpio or one zstd frame of it, zero bytes between them. Directories are
// left out; of two files with one path the later counts.
func unpack(b []byte) ([]File, error) {
	u := unpacking{at: map[string]int{}, left: maxUnpacked}
	for {
		if b = bytes.TrimLeft(b, "\x00"); len(b) == 0 {
			return u.files, nil
		}
		switch {
		case initrd.Compressed(b):
			n, err := initrd.FrameLength(b)
			if err != nil {
				return nil, fmt.Errorf("compressed archive: %w", err)
			}
			raw, err := u.decompress(b[:n])
			if err != nil {
				return nil, fmt.Errorf("compressed archive: %w", err)
			}
			if _, err := u.archive(raw); err != nil {
				return nil, err
			}
			b = b[n:]
		case initrd.Plain(b):
			n, err := u.archive(b)
			if err != nil {
				return nil, err
			}
			b = b[n:]
		default:
			return nil, fmt.Errorf("an archive begins with %q: only cpio and zstd are known", b[:min(len(b), 6)])
		}
	}
}

// unpacking is an initrd being read.
type unpacking struct {
	files []File
	at    map[string]int // path -> index in files
	left  int64          // bytes that may still be unpacked
}

func (u *unpacking) decompress(frame []byte) ([]byte, error) {
	z, err := zstd.NewReader(bytes.NewReader(frame), zstd.WithDecoderMaxWindow(initrd.MaxWindow))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	raw, err := io.ReadAll(io.LimitReader(z, u.left+1))
	if err != nil {
		return nil, err
	}
	if u.left -= int64(len(raw)); u.left < 0 {
		return nil, fmt.Errorf("unpacks to more than %d MiB", maxUnpacked>>20)
	}
	return raw, nil
}

// archive reads one cpio archive and returns its length.
func (u *unpacking) archive(b []byte) (int, error) {
	in := bytes.NewReader(b)
	r := cpio.NewReader(in)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) && in.Len() < len(b) {
			return len(b) - in.Len(), nil
		}
		if err != nil {
			return 0, fmt.Errorf("archive: %w", err)
		}
		if err := u.entry(h, r, in.Len()); err != nil {
			return 0, fmt.Errorf("archive: %.200q: %w", h.Name, err)
		}
	}
}

// entry takes one file; left is what the archive still has.
func (u *unpacking) entry(h *cpio.Header, r io.Reader, left int) error {
	name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	var f File
	switch {
	case h.Mode&^cpio.ModePerm == cpio.TypeSymlink:
		f = linkOf(name, h.Linkname)
	case h.Mode.IsRegular():
		if h.Size > int64(left) {
			return io.ErrUnexpectedEOF
		}
		data := make([]byte, h.Size)
		if _, err := io.ReadFull(r, data); err != nil {
			return err
		}
		f = fileOf(name, h.FileInfo().Mode(), data)
	default:
		return nil // directories; devices come from devtmpfs
	}
	if i, ok := u.at[name]; ok {
		u.files[i] = f
		return nil
	}
	u.at[name] = len(u.files)
	u.files = append(u.files, f)
	return nil
}
