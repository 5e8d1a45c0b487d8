package disk

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline/image/entry"
)

// What an appliance does to its directories does not change how long they are: their part of the
// file allocation table stays as the build wrote it.
func TestDirectoriesDoNotGrow(t *testing.T) {
	for name, esp := range map[string]int64{"smallest clusters": ESPSize(0), "clusters of 4 KiB": 300 * mib} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "edge.raw")
			l := testLayout()
			l.ESPBytes = esp
			if err := Write(path, l); err != nil {
				t.Fatal(err)
			}
			before := chains(t, path)
			for dir, chain := range before {
				if n := int64(len(chain)) * clusterBytes(t, path); n < directoryRoom {
					t.Errorf("/%s has room for %d bytes of entries", dir, n)
				}
			}
			files, fat := t.TempDir(), path+"@@1M"
			one := filepath.Join(files, "one")
			if err := os.WriteFile(one, bytes.Repeat([]byte("x"), 5000), 0o600); err != nil {
				t.Fatal(err)
			}
			// Three images with the longest names, and one that is on its way; each counted down.
			longest := strings.Repeat("n", 63)
			for i := range 3 {
				e := entry.Entry{Name: longest, Version: fmt.Sprint(strings.Repeat("9", 63), i), Left: 3}
				tool(t, "mcopy", "-i", fat, one, "::/"+entry.Dir+"/"+e.File()+".part")
				tool(t, "mren", "-i", fat, "::/"+entry.Dir+"/"+e.File()+".part", e.File())
				for e.Left > 0 {
					from := e.File()
					e.Left, e.Done = e.Left-1, e.Done+1
					tool(t, "mren", "-i", fat, "::/"+entry.Dir+"/"+from, e.File())
				}
			}
			for i := range 9 { // what fsck.vfat finds
				tool(t, "mcopy", "-i", fat, one, fmt.Sprintf("::/FSCK%04d.REC", i))
			}
			tool(t, "mcopy", "-i", fat, one, "::/loader/trunkline-failure.json")
			tool(t, "mcopy", "-i", fat, one, "::/loader/trunkline-failure.json.part")
			for dir, chain := range chains(t, path) {
				if fmt.Sprint(chain) != fmt.Sprint(before[dir]) {
					t.Errorf("/%s had the clusters %d, and has %d", dir, before[dir], chain)
				}
			}
		})
	}
}

// chains are the clusters of the directories that an appliance writes to.
func chains(t *testing.T, path string) map[string][]uint32 {
	t.Helper()
	v := opened(t, path)
	out := map[string][]uint32{}
	for _, dir := range changing {
		first, err := v.find(dir)
		if err != nil {
			t.Fatal(err)
		}
		if out[dir], err = v.chain(first); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func clusterBytes(t *testing.T, path string) int64 { return opened(t, path).cluster }

func opened(t *testing.T, path string) *volume {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	v, err := openVolume(f, partitionStart)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestMakeRoomRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "edge.raw")
	if err := Write(path, testLayout()); err != nil {
		t.Fatal(err)
	}
	v := opened(t, path)
	if _, err := v.find("EFI/MISSING"); err == nil || !strings.Contains(err.Error(), "there is no MISSING") {
		t.Errorf("a directory that is not there: %v", err)
	}
	v.set(rootCluster, rootCluster)
	if _, err := v.chain(rootCluster); err == nil {
		t.Error("a chain that ends in itself is followed")
	}
	v.set(rootCluster, 0)
	if err := v.extend("", directoryRoom); err == nil {
		t.Error("a chain that is broken is extended")
	}
}
