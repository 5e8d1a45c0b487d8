package disk

import (
	"os"

	"github.com/diskfs/go-diskfs/backend"
)

// gathered joins writes that follow each other: go-diskfs writes one cluster at a time,
// and a volume of clusters of one sector is tens of thousands of them. flush must end the
// work.
type gathered struct {
	f       *os.File
	pending []byte
	at      int64 // where pending begins in f
}

var _ backend.WritableFile = (*gathered)(nil)

func gather(f *os.File) *gathered { return &gathered{f: f, pending: make([]byte, 0, mib)} }

// WriteAt keeps small writes until one comes that does not follow them. An error may be
// that of an earlier one.
func (g *gathered) WriteAt(b []byte, off int64) (int, error) {
	if off != g.at+int64(len(g.pending)) || len(g.pending)+len(b) > cap(g.pending) {
		if err := g.flush(); err != nil {
			return 0, err
		}
		if len(b) > cap(g.pending) {
			return g.f.WriteAt(b, off)
		}
		g.at = off
	}
	g.pending = append(g.pending, b...)
	return len(b), nil
}

func (g *gathered) flush() error {
	if len(g.pending) == 0 {
		return nil
	}
	_, err := g.f.WriteAt(g.pending, g.at)
	g.pending = g.pending[:0]
	return err
}

func (g *gathered) ReadAt(b []byte, off int64) (int, error) {
	if err := g.flush(); err != nil {
		return 0, err
	}
	return g.f.ReadAt(b, off)
}

func (g *gathered) Stat() (os.FileInfo, error)                   { return g.f.Stat() }
func (g *gathered) Read(b []byte) (int, error)                   { return g.f.Read(b) }
func (g *gathered) Seek(offset int64, whence int) (int64, error) { return g.f.Seek(offset, whence) }
func (g *gathered) Close() error                                 { return g.flush() }
