// Package kvm says whether hardware virtualisation truly works here.
//
// The device node alone proves nothing: in nested or stripped-down hosts
// /dev/kvm opens and virtual CPUs can be made, yet they fail on instructions any
// firmware starts with, because the host emulates them incompletely. Probe
// therefore runs such instructions in a virtual machine of one page, through the
// ioctls of the kernel's Documentation/virt/kvm/api.rst.
package kvm

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ioctl numbers and layouts for x86-64 (linux/kvm.h).
const (
	getAPIVersion       = 0xAE00
	createVM            = 0xAE01
	getVCPUMmapSize     = 0xAE04
	createVCPU          = 0xAE41
	setUserMemoryRegion = 0x4020AE46
	run                 = 0xAE80
	setRegs             = 0x4090AE82
	getSregs            = 0x8138AE83
	setSregs            = 0x4138AE84

	apiVersion = 12
	exitHLT    = 5

	exitReasonAt = 8 // offset of exit_reason in struct kvm_run
	regsRIPAt    = 16 * 8
	regsRFLAGSAt = 17 * 8
	regsSize     = 18 * 8
	sregsSize    = 312
	// struct kvm_segment cs leads struct kvm_sregs: base u64, limit u32, selector u16.
	csBaseAt, csSelectorAt = 0, 12
)

// memoryRegion is struct kvm_userspace_memory_region.
type memoryRegion struct {
	slot, flags         uint32
	guestAddr, size, va uint64
}

// code initialises the floating point unit, as OVMF's first instructions do,
// runs SSE, and halts: WAIT; FNINIT; PXOR XMM0, XMM0 (after CR4.OSFXSR); HLT.
var code = []byte{
	0x9b, 0xdb, 0xe3,
	0x0f, 0x20, 0xe0, // mov eax, cr4
	0x66, 0x0d, 0x00, 0x06, 0x00, 0x00, // or eax, OSFXSR|OSXMMEXCPT
	0x0f, 0x22, 0xe0, // mov cr4, eax
	0x66, 0x0f, 0xef, 0xc0, // pxor xmm0, xmm0
	0xf4,
}

// timeout bounds these instructions; a host on which it takes longer is no
// host to run guests on.
const timeout = 2 * time.Second

// Probe returns nil when a virtual CPU runs here, else why not.
func Probe() error {
	if runtime.GOARCH != "amd64" {
		return errors.New("KVM: guests are x86-64, this machine is not")
	}
	done := make(chan error, 1)
	go func() { done <- probe() }()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("KVM: %w", err)
		}
		return nil
	case <-time.After(timeout):
		return fmt.Errorf("KVM: a few instructions did not finish within %v", timeout)
	}
}

func probe() error {
	dev, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer dev.Close()
	if v, err := ioctl(dev.Fd(), getAPIVersion, nil); err != nil || v != apiVersion {
		return fmt.Errorf("API version %d, want %d: %w", v, apiVersion, err)
	}
	vm, err := ioctl(dev.Fd(), createVM, nil)
	if err != nil {
		return fmt.Errorf("creating a virtual machine: %w", err)
	}
	defer unix.Close(int(vm))
	mem, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	defer unix.Munmap(mem)
	copy(mem, code)
	region := memoryRegion{guestAddr: 0x1000, size: uint64(len(mem)), va: uint64(uintptr(unsafe.Pointer(&mem[0])))}
	if _, err := ioctl(vm, setUserMemoryRegion, unsafe.Pointer(&region)); err != nil {
		return fmt.Errorf("giving it memory: %w", err)
	}
	cpu, err := ioctl(vm, createVCPU, nil)
	if err != nil {
		return fmt.Errorf("creating a virtual CPU: %w", err)
	}
	defer unix.Close(int(cpu))
	size, err := ioctl(dev.Fd(), getVCPUMmapSize, nil)
	if err != nil {
		return fmt.Errorf("size of the CPU's shared page: %w", err)
	}
	shared, err := unix.Mmap(int(cpu), 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("the CPU's shared page: %w", err)
	}
	defer unix.Munmap(shared)

	var sregs [sregsSize]byte
	if _, err := ioctl(cpu, getSregs, unsafe.Pointer(&sregs)); err != nil {
		return fmt.Errorf("reading segment registers: %w", err)
	}
	*(*uint64)(unsafe.Pointer(&sregs[csBaseAt])) = 0
	*(*uint16)(unsafe.Pointer(&sregs[csSelectorAt])) = 0
	if _, err := ioctl(cpu, setSregs, unsafe.Pointer(&sregs)); err != nil {
		return fmt.Errorf("writing segment registers: %w", err)
	}
	var regs [regsSize / 8]uint64
	regs[regsRIPAt/8], regs[regsRFLAGSAt/8] = 0x1000, 2
	if _, err := ioctl(cpu, setRegs, unsafe.Pointer(&regs)); err != nil {
		return fmt.Errorf("writing registers: %w", err)
	}
	for {
		_, err = ioctl(cpu, run, nil)
		if !errors.Is(err, unix.EINTR) { // the runtime's signals interrupt the CPU
			break
		}
	}
	if err != nil {
		return fmt.Errorf("running a virtual CPU: %w", err)
	}
	if reason := *(*uint32)(unsafe.Pointer(&shared[exitReasonAt])); reason != exitHLT {
		return fmt.Errorf("the virtual CPU stopped with exit reason %d instead of running a few instructions", reason)
	}
	return nil
}

func ioctl(fd, request uintptr, arg unsafe.Pointer) (uintptr, error) {
	r, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, request, uintptr(arg))
	if errno != 0 {
		return 0, errno
	}
	return r, nil
}
