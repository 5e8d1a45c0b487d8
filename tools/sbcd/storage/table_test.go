package storage

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const blockSize = 512

// disk makes a disk of 64 MiB with a partition of 32, by a tool of others.
func newDisk(t *testing.T) (*os.File, string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 64<<20); err != nil {
		t.Fatal(err)
	}
	sgdisk(t, "-n", "1:2048:+32M", "-c", "1:ESP", name)
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, name
}

func sgdisk(t *testing.T, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("sgdisk")
	if err != nil {
		path = "/usr/sbin/sgdisk" // not on everybody's PATH
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("sgdisk %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func TestALargerDiskIsAllUsed(t *testing.T) {
	f, name := newDisk(t)
	if changed, err := extend(f, 64<<20, blockSize); changed || err != nil {
		t.Errorf("a disk as large as its table says: %v, %v", changed, err)
	}
	if err := f.Truncate(100 << 20); err != nil {
		t.Fatal(err)
	}
	if changed, err := extend(f, 100<<20, blockSize); !changed || err != nil {
		t.Errorf("a larger disk: %v, %v", changed, err)
	}
	out := sgdisk(t, "-v", "-p", name)
	if !strings.Contains(out, "No problems found") || !strings.Contains(out, "last usable sector is 204766") || !strings.Contains(out, "ESP") {
		t.Error(out)
	}
	if changed, err := extend(f, 100<<20, blockSize); changed || err != nil {
		t.Errorf("a second time: %v, %v", changed, err)
	}
}

// Whatever the power cut leaves, the old table or the new one is whole.
func TestAPowerCutWhileTheTableGrows(t *testing.T) {
	f, name := newDisk(t)
	before, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before = append(before, make([]byte, 36<<20)...)
	if err := f.Truncate(100 << 20); err != nil {
		t.Fatal(err)
	}
	if _, err := extend(f, 100<<20, blockSize); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	const entries = 32 * blockSize
	end := len(after)
	writes := [][2]int{{end - blockSize - entries, end - blockSize}, {end - blockSize, end}, {blockSize, 2 * blockSize}, {0, blockSize}}
	state := bytes.Clone(before)
	for i, w := range writes {
		copy(state[w[0]:w[1]], after[w[0]:w[1]])
		if _, _, err := readTable(bytes.NewReader(state), blockSize); err != nil {
			t.Errorf("after write %d: %v", i, err)
		}
	}
	if !bytes.Equal(state, after) {
		t.Error("something else was written")
	}
}

func TestTablesThatAreNone(t *testing.T) {
	for name, spoil := range map[string]func([]byte){
		"no GUID partition table":            func(b []byte) { copy(b[blockSize:], "NOTHING!") },
		"the header of the partition table":  func(b []byte) { b[blockSize+gptLast]++ },
		"the entries of the partition table": func(b []byte) { b[2*blockSize]++ },
		"has no GUID partition table":        func(b []byte) { b[blockSize+gptSize] = 4 },
		"the partition table claims 0 bytes": func(b []byte) {
			clear(b[blockSize+gptCount : blockSize+gptEntrySize])
			seal(b[blockSize : 2*blockSize])
		},
		"the partition table claims 549755813760 by": func(b []byte) { copy(b[blockSize+gptCount:], "\xff\xff\xff\xff"); seal(b[blockSize : 2*blockSize]) },
	} {
		f, path := newDisk(t)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		spoil(b)
		if _, err := f.WriteAt(b[:64*blockSize], 0); err != nil {
			t.Fatal(err)
		}
		if _, err := extend(f, 100<<20, blockSize); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got[:64*blockSize], b[:64*blockSize]) {
			t.Errorf("%s: the disk was changed", name)
		}
	}
}
