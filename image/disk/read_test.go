package disk

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline/image/fat"
)

// What was written is read back, each file as long as it was.
func TestRead(t *testing.T) {
	for name, esp := range map[string]int64{"smallest clusters": ESPSize(0), "clusters of 4 KiB": 300 * mib} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "edge.raw")
			l := testLayout()
			l.ESPBytes, l.BootLoader = esp, append(l.BootLoader, "and 13 bytes"...)
			if err := Write(path, l); err != nil {
				t.Fatal(err)
			}
			e, err := Read(path)
			if err != nil || e.Size != esp || e.Start != partitionStart {
				t.Fatalf("%+v, %v", e, err)
			}
			files := e.Files
			want := []fat.File{
				{Path: "EFI/BOOT/BOOTX64.EFI", Data: l.BootLoader}, {Path: "EFI/Linux/edge-fra1_1.2.efi", Data: l.UKI}, {Path: "loader/loader.conf"},
			}
			if len(files) != len(want) {
				t.Fatalf("%d files", len(files))
			}
			for i, f := range files {
				if f.Path != want[i].Path || want[i].Data != nil && !bytes.Equal(f.Data, want[i].Data) || len(f.Data) == 0 {
					t.Errorf("%s of %d bytes, want %s of %d", f.Path, len(f.Data), want[i].Path, len(want[i].Data))
				}
			}
			if got := string(files[2].Data); !strings.HasSuffix(got, "\n") {
				t.Errorf("loader.conf reads back as %q", got)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "edge.raw")
	if err := Write(path, testLayout()); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// The boot sector of the ESP is gone.
	if _, err := f.WriteAt(make([]byte, sectorSize), partitionStart); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "EFI system partition") {
		t.Errorf("no file system: error is %v", err)
	}
	// Both partition tables are gone.
	if err := f.Truncate(partitionStart); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, 64*sectorSize), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "GUID partition table") {
		t.Errorf("no table: error is %v", err)
	}
	if _, err := Read(filepath.Join(dir, "gone")); !os.IsNotExist(err) {
		t.Errorf("no file: error is %v", err)
	}
}
