package publish

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/cavaliergopher/cpio"

	"trunkline/appliance/runtime"
	"trunkline/image/initrd"
	"trunkline/image/uki"
)

// content is the digest of all of an image that does not follow from its version: kernel,
// command line, base layer and configuration, but neither the identity in .osrel and
// os-release nor the digest and the signature.
func content(raw []byte) (string, error) {
	p, err := uki.Parse(raw)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, s := range p.Sections() {
		b := p.Content(s.Name)
		switch s.Name {
		case ".osrel":
		case ".initrd":
			if err := hashInitrd(h, b); err != nil {
				return "", fmt.Errorf("initrd: %w", err)
			}
		case ".cmdline":
			part(h, s.Name, uki.WithoutDigest(b))
		default:
			part(h, s.Name, b)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// part takes a named piece in, so that no two lists of pieces look alike.
func part(h hash.Hash, name string, data []byte) {
	var size [8]byte
	for _, b := range [][]byte{[]byte(name), data} {
		binary.LittleEndian.PutUint64(size[:], uint64(len(b)))
		h.Write(size[:])
		h.Write(b)
	}
}

// hashInitrd takes the archives of an initrd in: the base layer as it is compressed, the
// config layer file by file.
func hashInitrd(h hash.Hash, b []byte) error {
	for {
		b = bytes.TrimLeft(b, "\x00")
		switch {
		case len(b) == 0:
			return nil
		case initrd.Compressed(b):
			n, err := initrd.FrameLength(b)
			if err != nil {
				return err
			}
			part(h, "frame", b[:n])
			b = b[n:]
		case initrd.Plain(b):
			return hashFiles(h, b) // the last one
		default:
			part(h, "bytes", b)
			return nil
		}
	}
}

func hashFiles(h hash.Hash, b []byte) error {
	const release = initrd.ConfigDir + runtime.ReleasePath
	r := cpio.NewReader(bytes.NewReader(b))
	for {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if strings.TrimPrefix(f.Name, "./") == release {
			continue
		}
		part(h, fmt.Sprintf("%s %o %s", f.Name, f.Mode, f.Linkname), data)
	}
}
