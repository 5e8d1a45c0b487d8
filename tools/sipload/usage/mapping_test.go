package usage

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// What was written to of a mapping is in main memory, and what another path maps does not count.
func TestMapping(t *testing.T) {
	fd, err := unix.MemfdCreate("trunkline-usage-test", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	const size, written = 64 << 12, 5 << 12
	if err := unix.Ftruncate(fd, size); err != nil {
		t.Fatal(err)
	}
	b, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(b) }()
	for i := 0; i < written; i += 4096 {
		b[i] = 1
	}
	got, resident, err := Mapping(os.Getpid(), "/memfd:trunkline-usage-test")
	if err != nil || got != size || resident != written {
		t.Errorf("%d bytes, %d in main memory, %v; want %d, %d", got, resident, err, size, written)
	}
	if _, _, err := Mapping(os.Getpid(), "/memfd:trunkline-nobody"); err == nil {
		t.Error("a mapping that is not there has a size")
	}
}
