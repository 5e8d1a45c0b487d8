package disk

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// Joined writes leave the bytes that single ones leave, in whatever order they come, and
// a read sees what was written before it.
func TestGather(t *testing.T) {
	const size = 8 * mib
	r := rand.New(rand.NewPCG(3, 4))
	f, err := os.Create(filepath.Join(t.TempDir(), "disk"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	g, want := gather(f), make([]byte, size)
	at := int64(0)
	for i := range 20000 {
		n := int64(sectorSize)
		switch {
		case i%5000 == 4999:
			n = 2*mib + 3 // more than is kept
		case i%97 == 0:
			n = 1 + r.Int64N(3*sectorSize)
		}
		if i%50 == 0 || at+n > size { // else it follows the write before
			at = r.Int64N(size - n)
		}
		b := bytes.Repeat([]byte{byte(r.Uint32())}, int(n))
		copy(want[at:], b)
		if wrote, err := g.WriteAt(b, at); err != nil || wrote != len(b) {
			t.Fatalf("%d bytes at %d: %d, %v", n, at, wrote, err)
		}
		clear(b) // the caller's again
		if i%1000 == 0 {
			got := make([]byte, n)
			if _, err := g.ReadAt(got, at); err != nil || !bytes.Equal(got, want[at:at+n]) {
				t.Fatalf("%d bytes at %d read back as others, %v", n, at, err)
			}
		}
		at += n
	}
	if err := g.flush(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(f.Name())
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the file is another one, %v", err)
	}
}

// An error of writing is told by the flush at the latest.
func TestGatherFails(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name) // read only
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g := gather(f)
	if _, err := g.WriteAt([]byte{1}, 0); err != nil {
		t.Fatalf("a write that is kept: %v", err)
	}
	if err := g.flush(); err == nil {
		t.Error("no error of a file that cannot be written")
	}
}
