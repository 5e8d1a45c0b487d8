package sparse

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
)

// Digests are those of the whole file, wherever its holes lie, and what is written is
// within the ranges.
func TestSumAndRanges(t *testing.T) {
	const mib = 1 << 20
	for name, c := range map[string]struct {
		size int64
		data []int64 // where a byte lies
	}{
		"empty":             {0, nil},
		"one hole":          {3*mib + 17, nil},
		"no hole":           {1, []int64{0}},
		"hole at the start": {2 * mib, []int64{2*mib - 1}},
		"hole at the end":   {2 * mib, []int64{0}},
		"holes between":     {9*mib + 5, []int64{0, 3*mib + 1, 3*mib + 2, 9*mib + 4}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			f, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			want := make([]byte, c.size)
			if err := f.Truncate(c.size); err != nil {
				t.Fatal(err)
			}
			for _, at := range c.data {
				want[at] = 0x5a
				if _, err := f.WriteAt([]byte{0x5a}, at); err != nil {
					t.Fatal(err)
				}
			}
			sum := sha256.Sum256(want)
			size, digest, err := Sum(path)
			if err != nil || size != c.size || digest != hex.EncodeToString(sum[:]) {
				t.Errorf("%d bytes, %s, %v; want %d, %x", size, digest, err, c.size, sum)
			}
			ranges, err := Ranges(f, c.size)
			if err != nil {
				t.Fatal(err)
			}
			end := int64(0)
			for _, r := range ranges {
				if r.Start < end || r.End <= r.Start || r.End > c.size {
					t.Errorf("ranges %v of %d bytes", ranges, c.size)
				}
				end = r.End
			}
			for _, at := range c.data {
				within := false
				for _, r := range ranges {
					within = within || r.Start <= at && at < r.End
				}
				if !within {
					t.Errorf("byte %d is in none of %v", at, ranges)
				}
			}
		})
	}
	if _, _, err := Sum(filepath.Join(t.TempDir(), "gone")); !os.IsNotExist(err) {
		t.Errorf("no file: %v", err)
	}
}
