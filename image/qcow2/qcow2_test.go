package qcow2

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// rawDisk makes a sparse disk with bytes at the places given.
func rawDisk(t *testing.T, size int64, data map[int64]string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	for at, text := range data {
		if _, err := f.WriteAt([]byte(text), at); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func written(t *testing.T, raw *os.File) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "disk.qcow2"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(Write(f, raw), f.Close()); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

func tool(t *testing.T, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath(args[0]); err != nil {
		t.Fatalf("%s is not installed: ci/setup test installs it", args[0])
	}
	b, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	return string(b), err
}

var disks = map[string]struct {
	size int64
	data map[int64]string
	max  int64 // bytes the image may have
}{
	"empty":                       {1 << 20, nil, 4 * cluster},
	"smaller than a cluster":      {512, map[int64]string{0: "boot"}, 6 * cluster},
	"ends within a cluster":       {cluster + 1024, map[int64]string{cluster + 1000: "end"}, 6 * cluster},
	"zeros written are no data":   {8 << 20, map[int64]string{0: "x", 3 << 20: strings.Repeat("\x00", 2<<20)}, 6 * cluster},
	"several second level tables": {600 << 20, map[int64]string{0: "a", 512<<20 - 2: "across", 600<<20 - 1: "z"}, 12 * cluster},
}

// What is written is what QEMU reads, and what this package reads.
func TestWrite(t *testing.T) {
	for name, c := range disks {
		t.Run(name, func(t *testing.T) {
			raw := rawDisk(t, c.size, c.data)
			path := written(t, raw)
			if info, err := os.Stat(path); err != nil || info.Size() > c.max {
				t.Errorf("%d bytes, at most %d are wanted (%v)", info.Size(), c.max, err)
			}
			first, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if second, err := os.ReadFile(written(t, raw)); err != nil || !bytes.Equal(first, second) {
				t.Errorf("two images of one disk differ (%v)", err)
			}
			q, err := Open(bytes.NewReader(first))
			if err != nil || q.Size() != c.size || !Is(bytes.NewReader(first)) {
				t.Fatalf("a disk of %d bytes, %v", q.Size(), err)
			}
			same(t, q, raw, c.size)
			if out, err := tool(t, "qemu-img", "check", "-f", "qcow2", path); err != nil || !strings.Contains(out, "No errors were found") {
				t.Errorf("qemu-img check: %v\n%s", err, out)
			}
			if out, err := tool(t, "qemu-img", "compare", "-f", "raw", "-F", "qcow2", raw.Name(), path); err != nil {
				t.Errorf("qemu-img compare: %v\n%s", err, out)
			}
		})
	}
}

// same compares two disks.
func same(t *testing.T, a, b io.ReaderAt, size int64) {
	t.Helper()
	x, y := make([]byte, 1<<20), make([]byte, 1<<20)
	for at := int64(0); at < size; at += int64(len(x)) {
		n := min(int64(len(x)), size-at)
		if _, err := a.ReadAt(x[:n], at); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if _, err := b.ReadAt(y[:n], at); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if !bytes.Equal(x[:n], y[:n]) {
			t.Fatalf("they differ between byte %d and %d", at, at+n)
		}
	}
}

// Images of QEMU's own making, with clusters of another size, are read.
func TestReadsThoseOfQEMU(t *testing.T) {
	raw := rawDisk(t, 5<<20, map[int64]string{70000: "here", 4<<20 + 77: "and there"})
	path := filepath.Join(t.TempDir(), "theirs.qcow2")
	if out, err := tool(t, "qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-o", "cluster_size=4096", raw.Name(), path); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	q, err := Open(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	same(t, q, raw, 5<<20)
}

func TestRefuses(t *testing.T) {
	raw := rawDisk(t, 1<<20, map[int64]string{0: "boot", 5 * cluster: "more"})
	good, err := os.ReadFile(written(t, raw))
	if err != nil {
		t.Fatal(err)
	}
	l2 := int64(be.Uint64(good[be.Uint64(good[hdrL1Offset:]):]) & offsetMask)
	for name, c := range map[string]struct {
		edit func([]byte) []byte
		want string
	}{
		"another file":        {func(b []byte) []byte { b[0] = 0; return b }, "not a qcow2 image"},
		"cut header":          {func(b []byte) []byte { return b[:90] }, "header"},
		"version 2":           {func(b []byte) []byte { b[hdrVersion+3] = 2; return b }, "version 2"},
		"backing file":        {func(b []byte) []byte { b[hdrBacking+7] = 8; return b }, "backing file"},
		"encrypted":           {func(b []byte) []byte { b[hdrCrypt+3] = 1; return b }, "encrypted"},
		"external data":       {func(b []byte) []byte { b[hdrIncompatible+7] = 4; return b }, "features 0x4"},
		"huge clusters":       {func(b []byte) []byte { b[hdrClusterBits+3] = 40; return b }, "clusters of 2^40"},
		"huge disk":           {func(b []byte) []byte { b[hdrSize] = 1; return b }, "a disk of"},
		"short L1":            {func(b []byte) []byte { b[hdrL1Size+3] = 0; return b }, "L1 table of 0"},
		"L1 beyond the end":   {func(b []byte) []byte { b[hdrL1Offset+3] = 1; return b }, "L1 table"},
		"compressed":          {func(b []byte) []byte { b[l2] |= 0x40; return b }, "compressed"},
		"data beyond the end": {func(b []byte) []byte { b[l2+3] = 1; return b }, "unexpected EOF"},
	} {
		b := c.edit(bytes.Clone(good))
		q, err := Open(bytes.NewReader(b))
		if err == nil {
			_, err = q.ReadAt(make([]byte, 1<<20), 0)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, %q is wanted", name, err, c.want)
		}
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "x"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := Write(f, rawDisk(t, 1000, nil)); err == nil || !strings.Contains(err.Error(), "whole sectors") {
		t.Errorf("half a sector: error is %v", err)
	}
}

// Whatever the tables of an image say: an error or bytes, and no more memory than
// its size calls for.
func FuzzRead(f *testing.F) {
	raw, err := os.CreateTemp(f.TempDir(), "")
	if err != nil {
		f.Fatal(err)
	}
	if _, err := raw.WriteAt([]byte("boot"), 2*cluster); err != nil {
		f.Fatal(err)
	}
	if err := raw.Truncate(3 * cluster); err != nil {
		f.Fatal(err)
	}
	out, err := os.CreateTemp(f.TempDir(), "")
	if err != nil {
		f.Fatal(err)
	}
	if err := Write(out, raw); err != nil {
		f.Fatal(err)
	}
	b, err := os.ReadFile(out.Name())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[:6*cluster])
	f.Fuzz(func(_ *testing.T, b []byte) {
		q, err := Open(bytes.NewReader(b))
		if err != nil {
			return
		}
		buf := make([]byte, 3*cluster)
		_, _ = q.ReadAt(buf, 0)
		_, _ = q.ReadAt(buf, q.Size()-1)
	})
}
