package fat_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline/image/disk"
	"trunkline/image/fat"
)

const (
	start  = 1 << 20 // of the partition, bytes
	sector = 512
)

// volume is one with files, and where its parts are.
type volume struct {
	b                      []byte
	table, second, data    int
	bootloader, uki, linux int // first clusters
}

func (v *volume) cluster(n int) int { return v.data + (n-2)*sector }

// lead has a cluster lead to another, in both tables.
func (v *volume) lead(from int, to uint32) {
	for _, t := range []int{v.table, v.second} {
		binary.LittleEndian.PutUint32(v.b[t+4*from:], to)
	}
}

// find gives the place of the entry with a short name in a directory.
func (v *volume) find(t *testing.T, dir int, name string) int {
	t.Helper()
	for at := v.cluster(dir); v.b[at] != 0; at += 32 {
		if strings.HasPrefix(string(v.b[at:at+11]), name) && v.b[at+11] != 0x0f {
			return at
		}
	}
	t.Fatalf("no %s in the directory at cluster %d", name, dir)
	return 0
}

func (v *volume) first(at int) int {
	return int(binary.LittleEndian.Uint16(v.b[at+20:]))<<16 | int(binary.LittleEndian.Uint16(v.b[at+26:]))
}

var contents = map[string][]byte{
	"EFI/BOOT/BOOTX64.EFI":         bytes.Repeat([]byte("loader"), 3000),
	"EFI/Linux/edge-fra1_1.2.efi":  bytes.Repeat([]byte("kernel"), 20001),
	"loader/loader.conf":           nil,
	"loader/keys/auto/PK.auth":     []byte("owner"),
	"loader/keys/auto/db-more.txt": []byte("x"),
}

func written(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "edge.raw")
	if err := disk.Write(path, disk.Layout{Name: "edge-fra1", Version: "1.2", BootLoader: contents["EFI/BOOT/BOOTX64.EFI"], UKI: contents["EFI/Linux/edge-fra1_1.2.efi"],
		Keys: map[string][]byte{"PK.auth": []byte("owner"), "db-more.txt": []byte("x")}}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b[start : len(b)-1<<20]
}

func parts(t *testing.T, b []byte) *volume {
	t.Helper()
	le := binary.LittleEndian
	reserved, per := int(le.Uint16(b[14:])), int(le.Uint32(b[36:]))
	v := &volume{b: bytes.Clone(b), table: reserved * sector, second: (reserved + per) * sector, data: (reserved + 2*per) * sector}
	if b[13] != 1 {
		t.Fatalf("clusters of %d sectors", b[13])
	}
	efi := v.first(v.find(t, 2, "EFI"))
	v.bootloader = v.first(v.find(t, v.first(v.find(t, efi, "BOOT")), "BOOTX64"))
	v.linux = v.first(v.find(t, efi, "LINUX"))
	v.uki = v.first(v.find(t, v.linux, "EDGE"))
	return v
}

func read(b []byte) ([]fat.File, error) {
	v, err := fat.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	return v.Files()
}

func TestFiles(t *testing.T) {
	files, err := read(written(t))
	if err != nil || len(files) != len(contents) {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		want, ok := contents[f.Path]
		if !ok || want != nil && !bytes.Equal(f.Data, want) || len(f.Data) == 0 {
			t.Errorf("%s of %d bytes", f.Path, len(f.Data))
		}
	}
}

// A long name that is not whole gives way to the short one.
func TestTornLongName(t *testing.T) {
	v := parts(t, written(t))
	at := v.find(t, v.linux, "EDGE")
	short := strings.TrimSpace(string(v.b[at : at+8]))
	for name, torn := range map[string]func(){
		"a piece of another checksum": func() { v.b[at-32+13]++ },
		"the first piece deleted": func() {
			v.b[at-32+13]--
			for p := at - 32; ; p -= 32 {
				if v.b[p]&0x40 != 0 {
					v.b[p] = 0xe5
					return
				}
			}
		},
		"another short name": func() { v.b[at]++; short = string(v.b[at]) + short[1:] },
	} {
		torn()
		files, err := read(v.b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		found := false
		for _, f := range files {
			found = found || strings.EqualFold(f.Path, "EFI/Linux/"+short+".EFI")
		}
		if !found {
			t.Errorf("%s: no %s", name, short)
		}
	}
}

// Damage is said with its place.
func TestRefuses(t *testing.T) {
	whole := written(t)
	le := binary.LittleEndian
	for _, c := range []struct {
		name   string
		damage func(*volume)
		want   string
	}{
		{"no signature", func(v *volume) { v.b[510] = 0 }, "boot sector: its signature is missing"},
		{"sectors of 4096", func(v *volume) { le.PutUint16(v.b[11:], 4096) }, "boot sector: sectors of 4096 bytes"},
		{"no clusters", func(v *volume) { v.b[13] = 0 }, "boot sector: clusters of 0 sectors"},
		{"clusters of three", func(v *volume) { v.b[13] = 3 }, "boot sector: clusters of 3 sectors"},
		{"FAT16", func(v *volume) { v.b[17] = 1 }, "not that of a FAT32 volume"},
		{"one table", func(v *volume) { v.b[16] = 1 }, "two equal file allocation tables"},
		{"larger than its partition", func(v *volume) { le.PutUint32(v.b[32:], 1<<31) }, "in a partition of"},
		{"no data", func(v *volume) { le.PutUint32(v.b[36:], 1<<30) }, "boot sector: data from byte"},
		{"huge tables", func(v *volume) { le.PutUint32(v.b[36:], uint32(len(v.b)/sector/2-40)) }, "boot sector: file allocation tables of"},
		{"tables differ", func(v *volume) { v.b[v.second+400]++ }, "the two file allocation tables are not equal"},
		{"no root", func(v *volume) { le.PutUint32(v.b[44:], 0) }, "directory .: cluster 0"},
		{"root far away", func(v *volume) { le.PutUint32(v.b[44:], 0x0fffffff) }, "directory .: cluster 268435455"},
		{"a directory in a circle", func(v *volume) { v.lead(v.linux, uint32(v.linux)) }, "directory EFI/Linux: more than 2097152 bytes, or its clusters form a circle"},
		{"a directory that ends in a free cluster", func(v *volume) { v.lead(v.linux, 0) }, "directory EFI/Linux: cluster 0"},
		{"a file in a circle is cut", func(v *volume) { v.lead(v.uki+3, 0x0fffffff) }, "EFI/Linux/edge-fra1_1.2.efi: its clusters end after 2048 of 120006 bytes"},
		{"a file that goes on in a free cluster", func(v *volume) { v.lead(v.bootloader, 0) }, "EFI/BOOT/BOOTX64.EFI: cluster 0"},
		{"a file that goes on in a bad cluster", func(v *volume) { v.lead(v.bootloader, 0x0ffffff7) }, "EFI/BOOT/BOOTX64.EFI: cluster 268435447"},
		{"a file that goes on outside", func(v *volume) { v.lead(v.bootloader, 9000000) }, "EFI/BOOT/BOOTX64.EFI: cluster 9000000, of which there is none, after 512 of 18000 bytes"},
		{"a file longer than its clusters", func(v *volume) { le.PutUint32(v.b[v.find(t, v.linux, "EDGE")+28:], 1<<20) }, "EFI/Linux/edge-fra1_1.2.efi: its clusters end after"},
		{"a file larger than the volume", func(v *volume) { le.PutUint32(v.b[v.find(t, v.linux, "EDGE")+28:], 1<<31) }, "larger than the volume"},
		{"a directory within itself", func(v *volume) {
			at := v.find(t, v.linux, "EDGE")
			v.b[at+11] = 0x10
			le.PutUint16(v.b[at+20:], uint16(v.linux>>16))
			le.PutUint16(v.b[at+26:], uint16(v.linux))
		}, "directories nested deeper than 8"},
		{"a name with a slash", func(v *volume) {
			at := v.find(t, v.linux, "EDGE")
			v.b[at] = '/'
		}, `directory EFI/Linux: an entry has the name "/DGE`},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := parts(t, whole)
			c.damage(v)
			if files, err := read(v.b); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%d files, error is %v, want %q", len(files), err, c.want)
			}
		})
	}
	v := parts(t, whole)
	for _, n := range []int{0, 511, v.table + 1, v.second + 1, v.data + 1, v.cluster(v.uki) + 700} {
		volume, err := fat.Open(bytes.NewReader(v.b[:n]), int64(len(v.b)))
		if err == nil {
			_, err = volume.Files()
		}
		if err == nil || !strings.Contains(err.Error(), "the file ends within it") {
			t.Errorf("cut off at %d: error is %v", n, err)
		}
	}
}
