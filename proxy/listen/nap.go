package listen

import (
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// napTime is how long a busy worker sleeps once its socket is empty, before it looks
	// again. The kernel adds up to 50 us (PR_SET_TIMERSLACK in prctl(2)). What comes in
	// meanwhile costs one wake-up, and its senders none, as with the moderated interrupts of
	// a network card; a packet is late by a tenth of a millisecond, on average by half of it.
	napTime = 100 * time.Microsecond
	// napsInARow are followed by a visit to Go's poller, so that connections served by the
	// same processor wait a millisecond or two at most.
	napsInARow = 8
)

// naps decides whether a worker whose socket is empty sleeps a moment or parks. Sleeping
// pays while packets come so densely that one waits after nearly every nap.
type naps struct {
	fresh int  // packets since the socket was empty last
	hit   bool // the last nap was not in vain
	row   int  // naps since the worker parked
}

// worth reports whether to nap, now that the socket is empty. Otherwise the worker parks.
func (n *naps) worth() bool {
	if n.row > 0 {
		n.hit = n.fresh > 0
	}
	busy := n.hit || n.fresh > 1
	n.fresh = 0
	if !busy || n.row == napsInARow {
		n.row = 0
		return false
	}
	n.row++
	return true
}

// nap lets goroutines that wait for this processor run, then sleeps. It goes past the
// scheduler's bookkeeping: the processor stays with the worker, as it does while that
// one handles a packet, and the runtime's monitor sleeps on (see the package's doc). A
// signal ends it early.
func nap() {
	runtime.Gosched()
	ts := unix.NsecToTimespec(int64(napTime))
	_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0)
}
