package shm

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	formatVersion = 1

	page       = 4096
	headerSize = page

	// reserved is the address space set aside for an arena, so that regions can be added
	// behind each other. It takes no memory.
	reserved = 1 << 38

	maxRegions = 48
	maxName    = 24

	// Keys is how many secrets an arena keeps for its process and those after it.
	Keys = 4
)

var magic = [8]byte{'T', 'L', 'A', 'R', 'E', 'N', 'A', '1'}

// States of an arena. One that was never put into service may hold half-made tables.
const (
	stateMade    = 1
	stateServing = 2
)

// header is the first page.
type header struct {
	magic   [8]byte
	version uint32
	state   atomic.Uint32
	binding [32]byte
	epoch   int64 // CLOCK_MONOTONIC when it was made, ns
	size    uint64
	adopted uint64
	keys    [Keys][16]byte
	regions uint32
	_       uint32
	table   [maxRegions]region
}

// region is one table of rows.
type region struct {
	name   [maxName]byte
	offset uint64
	rows   uint64
	row    uint64 // bytes
	shape  uint64 // what shapeOf says of the row type
}

// Options are what an arena is made or adopted with.
type Options struct {
	// Binding stands for all that the meaning of rows depends on beside their types (a
	// digest of the configuration whose indexes they hold). Another one is not adopted.
	Binding [32]byte
	// HugePages is the size of the pages that hold it, bytes: 2 MiB or 1 GiB, which the
	// kernel must have set aside (hugetlbpage.rst); 0: ordinary ones.
	HugePages uint64
}

// Arena is memory that outlives the process. Its methods other than Clock and Key are for
// one goroutine, the one that starts the program.
type Arena struct {
	file    *os.File
	base    unsafe.Pointer // of the address space
	h       *header
	mapped  uint64 // bytes of the file that are mapped
	pages   uint64 // bytes of a page
	adopted bool
	took    int // regions taken so far
	offset  time.Duration
	start   time.Time
}

// Create makes an empty arena with fresh keys. Its error says what the kernel refused, and
// for huge pages what to do.
func Create(o Options) (*Arena, error) {
	flags := unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	a := &Arena{pages: page}
	switch o.HugePages {
	case 0:
	case 2 << 20:
		flags |= unix.MFD_HUGETLB | unix.MFD_HUGE_2MB
	case 1 << 30:
		flags |= unix.MFD_HUGETLB | unix.MFD_HUGE_1GB
	default:
		return nil, fmt.Errorf("arena: pages of %d bytes do not exist: use 2 MiB or 1 GiB", o.HugePages)
	}
	if o.HugePages != 0 {
		a.pages = o.HugePages
	}
	fd, err := unix.MemfdCreate("trunkline", flags)
	if err != nil {
		return nil, fmt.Errorf("arena: memfd_create: %w", err)
	}
	a.file = os.NewFile(uintptr(fd), "memfd:trunkline")
	if err := a.begin(o); err != nil {
		_ = a.Close()
		return nil, err
	}
	return a, nil
}

func (a *Arena) begin(o Options) error {
	if err := a.reserve(); err != nil {
		return err
	}
	if err := a.grow(headerSize); err != nil {
		return err
	}
	h := a.h
	h.magic, h.version, h.binding, h.epoch, h.size = magic, formatVersion, o.Binding, monotonic(), headerSize
	for i := range h.keys {
		if _, err := rand.Read(h.keys[i][:]); err != nil {
			return fmt.Errorf("arena: random key: %w", err)
		}
	}
	h.state.Store(stateMade)
	a.clockFrom(h.epoch)
	return nil
}

// errRefused begins every reason why an arena is not adopted.
var errRefused = errors.New("the state of the process before is not taken over")

// Adopt takes over the arena that another process made, and the file with it. The error says
// why it cannot be; then the file is closed and what is in it is lost with its last copy.
func Adopt(f *os.File, o Options) (*Arena, error) {
	a := &Arena{file: f, pages: page, adopted: true}
	if err := a.open(o); err != nil {
		_ = a.Close()
		return nil, fmt.Errorf("%w: %w", errRefused, err)
	}
	return a, nil
}

func (a *Arena) open(o Options) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(a.file.Fd()), &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	if a.pages = uint64(st.Blksize); a.pages < page || o.HugePages != 0 && a.pages != o.HugePages || o.HugePages == 0 && a.pages != page {
		return fmt.Errorf("it is in pages of %d bytes", st.Blksize)
	}
	if st.Size < headerSize || uint64(st.Size) > reserved {
		return fmt.Errorf("it has %d bytes", st.Size)
	}
	if err := a.reserve(); err != nil {
		return err
	}
	if err := a.remap(uint64(st.Size)); err != nil {
		return err
	}
	h := a.h
	switch {
	case h.magic != magic:
		return errors.New("it is no arena")
	case h.version != formatVersion:
		return fmt.Errorf("its format is %d, this program's is %d", h.version, formatVersion)
	case h.state.Load() != stateServing:
		return errors.New("its process had not come to serve")
	case h.binding != o.Binding:
		return errors.New("its process ran another configuration")
	case h.size > uint64(st.Size) || h.regions > maxRegions:
		return errors.New("its header contradicts itself")
	}
	now := monotonic()
	if h.epoch > now {
		return errors.New("it is of another boot")
	}
	h.adopted++
	// While its tables are put in order, nobody else could make sense of it.
	h.state.Store(stateMade)
	a.clockFrom(h.epoch)
	return nil
}

// Serve puts the arena into service: from here on another process can adopt it. All regions
// have been taken and are in order. It can grow no more.
func (a *Arena) Serve() error {
	if a == nil {
		return nil
	}
	if a.adopted && a.took != int(a.h.regions) {
		return fmt.Errorf("arena: it has %d regions, %d were taken", a.h.regions, a.took)
	}
	if !a.adopted {
		if _, err := unix.FcntlInt(a.file.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_GROW|unix.F_SEAL_SHRINK); err != nil {
			return fmt.Errorf("arena: seal its size: %w", err)
		}
	}
	a.h.state.Store(stateServing)
	return nil
}

// Adopted reports whether a process before this one made the arena.
func (a *Arena) Adopted() bool { return a != nil && a.adopted }

// Generation is how many processes had the arena before this one.
func (a *Arena) Generation() uint64 {
	if a == nil {
		return 0
	}
	return a.h.adopted
}

// File is the memfd, for whoever keeps it while no process runs.
func (a *Arena) File() *os.File {
	if a == nil {
		return nil
	}
	return a.file
}

// Key is one of the secrets of the arena, below Keys; of a nil arena a fresh one each time.
func (a *Arena) Key(i int) ([16]byte, error) {
	if a == nil {
		var k [16]byte
		_, err := rand.Read(k[:])
		return k, err
	}
	return a.h.keys[i], nil
}

// Clock is the time since the arena was made, the same for all processes that have it.
func (a *Arena) Clock() time.Duration { return a.offset + time.Since(a.start) }

func (a *Arena) clockFrom(epoch int64) {
	a.start = time.Now()
	a.offset = time.Duration(monotonic() - epoch)
}

// Close unmaps the arena. Its rows must not be touched any more.
func (a *Arena) Close() error {
	if a == nil {
		return nil
	}
	err := a.unreserve()
	return errors.Join(err, a.file.Close())
}

func monotonic() int64 {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0
	}
	return ts.Nano()
}
