package debian

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// Bounds on what a .deb may unpack to.
const (
	maxControlSize = 64 << 20
	maxDataSize    = 8 << 30
	maxTarEntries  = 1 << 20
	maxDict        = 256 << 20 // decompression window, bytes
)

//go:embed ar.go control.go deb.go
var readerSources embed.FS

// ReaderSources are the sources that read .deb files: what is made of packages
// depends on them as on the packages.
func ReaderSources() embed.FS { return readerSources }

// Deb is an open .deb file. Its methods may be called in any order and more than
// once; each reads the file anew.
type Deb struct {
	name          string // for errors
	control, data arMember
	closer        io.Closer
}

// OpenDeb reads the outer structure of a .deb (deb(5), format 2.0) of that size.
// Name is used in errors.
func OpenDeb(name string, r io.ReaderAt, size int64) (*Deb, error) {
	members, err := readAr(r, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	d := &Deb{name: name}
	for i, m := range members {
		switch {
		case i == 0:
			b := make([]byte, min(m.size, 16))
			if _, err := m.reader().Read(b); err != nil || m.name != "debian-binary" || !bytes.HasPrefix(b, []byte("2.")) {
				return nil, fmt.Errorf("%s: not a .deb of format 2", name)
			}
		case strings.HasPrefix(m.name, "_"): // members to be ignored
		case d.control.r == nil:
			if !strings.HasPrefix(m.name, "control.tar") {
				return nil, fmt.Errorf("%s: member %q where control.tar must be", name, m.name)
			}
			d.control = m
		case d.data.r == nil:
			if !strings.HasPrefix(m.name, "data.tar") {
				return nil, fmt.Errorf("%s: member %q where data.tar must be", name, m.name)
			}
			d.data = m
		}
	}
	if d.data.r == nil {
		return nil, fmt.Errorf("%s: control.tar or data.tar is missing", name)
	}
	return d, nil
}

// Close closes the file behind d.
func (d *Deb) Close() error {
	if d.closer == nil {
		return nil
	}
	return d.closer.Close()
}

// Control returns the package's control fields.
func (d *Deb) Control() (Stanza, error) {
	var s Stanza
	found := false
	err := d.ControlFiles(func(h *tar.Header, r io.Reader) error {
		if strings.TrimPrefix(h.Name, "./") != "control" || found {
			return nil
		}
		found = true
		var err error
		s, err = NewStanzaReader(r).Next()
		return err
	})
	if err == nil && !found {
		err = fmt.Errorf("%s: control.tar has no control file", d.name)
	}
	return s, err
}

// ControlFiles calls fn for every entry of control.tar, in order. An error of fn
// ends the walk and is returned, wrapped.
func (d *Deb) ControlFiles(fn func(*tar.Header, io.Reader) error) error {
	return d.walk(d.control, maxControlSize, fn)
}

// Data calls fn for every entry of data.tar, in order; names are as archived
// ("./usr/bin/x"). An error of fn ends the walk and is returned, wrapped.
func (d *Deb) Data(fn func(*tar.Header, io.Reader) error) error {
	return d.walk(d.data, maxDataSize, fn)
}

func (d *Deb) walk(m arMember, limit int64, fn func(*tar.Header, io.Reader) error) error {
	r, closeReader, err := decompress(m)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", d.name, m.name, err)
	}
	defer closeReader()
	tr := tar.NewReader(&limitReader{r: r, left: limit})
	for n := 0; ; n++ {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && n == maxTarEntries {
			err = fmt.Errorf("more than %d entries", maxTarEntries)
		}
		if err == nil {
			err = fn(h, tr)
		}
		if err != nil {
			return fmt.Errorf("%s: %s: %w", d.name, m.name, err)
		}
	}
}

// decompress opens a member by the ending of its name.
func decompress(m arMember) (io.Reader, func(), error) {
	nothing := func() {}
	_, ending, _ := strings.Cut(m.name, ".tar")
	switch ending {
	case "":
		return m.reader(), nothing, nil
	case ".gz":
		r, err := gzip.NewReader(m.reader())
		return r, nothing, err
	case ".xz":
		r, err := xz.NewReader(m.reader())
		return r, nothing, err
	case ".zst":
		r, err := zstd.NewReader(m.reader(), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxDict))
		if err != nil {
			return nil, nothing, err
		}
		return r, r.Close, nil
	}
	return nil, nothing, fmt.Errorf("compression %q is not known (none, .gz, .xz, .zst are)", ending)
}

// limitReader fails, rather than ends, when more than left bytes come.
type limitReader struct {
	r    io.Reader
	left int64
}

func (l *limitReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	l.left -= int64(n)
	if l.left < 0 {
		return n, errors.New("unpacks to more than is allowed")
	}
	return n, err
}
