package shm

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// reserve sets address space aside.
func (a *Arena) reserve() error {
	// Huge pages are mapped at multiples of their size: leave room to align.
	p, err := unix.MmapPtr(-1, 0, nil, reserved+uintptr(a.pages), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return fmt.Errorf("arena: address space: %w", err)
	}
	a.base = p
	return nil
}

func (a *Arena) unreserve() error {
	if a.base == nil {
		return nil
	}
	err := unix.MunmapPtr(a.base, reserved+uintptr(a.pages))
	a.base, a.h = nil, nil
	return os.NewSyscallError("munmap", err)
}

// first is where the file begins in the address space.
func (a *Arena) first() unsafe.Pointer {
	mask := uintptr(a.pages) - 1
	return unsafe.Add(a.base, (mask+1-uintptr(a.base)&mask)&mask)
}

// grow makes the file long enough for size bytes, and maps it.
func (a *Arena) grow(size uint64) error {
	size = roundUp(size, a.pages)
	if size <= a.mapped {
		return nil
	}
	if size > reserved {
		return fmt.Errorf("arena: %d bytes, at most %d work", size, uint64(reserved))
	}
	if err := unix.Ftruncate(int(a.file.Fd()), int64(size)); err != nil {
		return fmt.Errorf("arena: %d bytes: %w", size, err)
	}
	return a.remap(size)
}

// remap maps what of the file is not mapped yet.
func (a *Arena) remap(size uint64) error {
	size = roundUp(size, a.pages)
	at := unsafe.Add(a.first(), a.mapped)
	_, err := unix.MmapPtr(int(a.file.Fd()), int64(a.mapped), at, uintptr(size-a.mapped), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_FIXED)
	if err != nil {
		if a.pages > page && errors.Is(err, unix.ENOMEM) {
			return fmt.Errorf("arena: %d bytes in huge pages: the kernel has not set so many aside: raise vm.nr_hugepages to %d, or take state.hugepages out of the spec", size, size/a.pages)
		}
		return fmt.Errorf("arena: map %d bytes: %w", size, err)
	}
	a.mapped = size
	a.h = (*header)(a.first())
	return nil
}

func roundUp(n, step uint64) uint64 { return (n + step - 1) / step * step }
