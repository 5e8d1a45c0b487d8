// Package usage reads from /proc what processes consumed: CPU time, memory,
// faults, context switches, and the datagrams their sockets lost (proc(5)).
//
// A Process is a process with all its descendants and threads. CPU time has the
// resolution of the kernel's clock tick, usually 10 ms. Differences of two
// readings are what happened in between, as long as no descendant ended meanwhile.
package usage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// userHz is USER_HZ, the unit of CPU time in /proc: 100 on every architecture
// Linux has today, whatever the kernel was built with.
const userHz = 100

// Reading is what a process had consumed at one moment.
type Reading struct {
	At                    time.Time
	User, System          float64 // CPU seconds
	Resident              int64   // bytes
	MinorFaults           uint64
	MajorFaults           uint64
	Voluntary, Preempted  uint64 // context switches
	Processes, NumThreads int
}

// CPU is user and system time, seconds.
func (r Reading) CPU() float64 { return r.User + r.System }

// Process reads the figures of a process and its descendants.
func Process(pid int) (Reading, error) {
	r := Reading{At: time.Now()}
	pids, err := tree(pid)
	if err != nil {
		return r, err
	}
	for _, pid := range pids {
		if err := r.add(pid); err != nil && !gone(err) {
			return r, err
		}
	}
	return r, nil
}

func gone(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

func (r *Reading) add(pid int) error {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return err
	}
	st, err := p.Stat()
	if err != nil {
		return err
	}
	r.User += float64(st.UTime) / userHz
	r.System += float64(st.STime) / userHz
	r.Resident += int64(st.ResidentMemory())
	r.MinorFaults += uint64(st.MinFlt)
	r.MajorFaults += uint64(st.MajFlt)
	r.NumThreads += st.NumThreads
	r.Processes++
	threads, err := procfs.AllThreads(pid)
	if err != nil {
		return err
	}
	for _, t := range threads {
		s, err := t.NewStatus()
		if gone(err) {
			continue
		} else if err != nil {
			return err
		}
		r.Voluntary += s.VoluntaryCtxtSwitches
		r.Preempted += s.NonVoluntaryCtxtSwitches
	}
	return nil
}

// tree is a process and its descendants.
func tree(pid int) ([]int, error) {
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err != nil {
		return nil, fmt.Errorf("process %d: %w: it does not run (any more)", pid, err)
	}
	pids := []int{pid}
	for i := 0; i < len(pids); i++ {
		lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pids[i]))
		if err != nil {
			return nil, err
		}
		for _, list := range lists {
			b, err := os.ReadFile(list)
			if err != nil {
				continue // the thread has ended
			}
			for _, f := range strings.Fields(string(b)) {
				if child, err := strconv.Atoi(f); err == nil {
					pids = append(pids, child)
				}
			}
		}
	}
	return pids, nil
}

// Self reads the CPU time of this process, to the microsecond (getrusage(2)), and
// its largest resident size so far.
func Self() (Reading, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return Reading{}, fmt.Errorf("getrusage: %w", err)
	}
	seconds := func(t unix.Timeval) float64 { return float64(t.Nano()) / 1e9 }
	return Reading{
		At: time.Now(), User: seconds(u.Utime), System: seconds(u.Stime), Resident: u.Maxrss * 1024, Processes: 1,
		MinorFaults: uint64(u.Minflt), MajorFaults: uint64(u.Majflt), Voluntary: uint64(u.Nvcsw), Preempted: uint64(u.Nivcsw),
	}, nil
}

// Machine is the CPU time of the whole machine, seconds.
type Machine struct{ Busy, Steal float64 }

// ReadMachine reads the figures of the machine.
func ReadMachine() (Machine, error) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return Machine{}, err
	}
	st, err := fs.Stat()
	if err != nil {
		return Machine{}, err
	}
	c := st.CPUTotal
	return Machine{Busy: c.User + c.Nice + c.System + c.IRQ + c.SoftIRQ, Steal: c.Steal}, nil
}

// Queue is a UDP socket's receive queue.
type Queue struct {
	Local string // address:port
	Drops uint64 // datagrams lost because the queue was full
}

// Queues are the receive queues of UDP sockets.
type Queues map[uint64]Queue // by inode

// Drops is how much more was lost in q than in before.
func (q Queues) Drops(before Queues) (n uint64) {
	for inode, now := range q {
		n += now.Drops - min(now.Drops, before[inode].Drops)
	}
	return n
}

var socketLink = regexp.MustCompile(`^socket:\[(\d+)\]$`)

// QueuesOf reads the UDP sockets of a process and its descendants, in the network
// namespace of the process.
func QueuesOf(pid int) (Queues, error) {
	pids, err := tree(pid)
	if err != nil {
		return nil, err
	}
	var inodes []uint64
	for _, id := range pids {
		p, err := procfs.NewProc(id)
		if err != nil {
			continue // it has ended
		}
		links, err := p.FileDescriptorTargets()
		if err != nil && !gone(err) {
			return nil, fmt.Errorf("sockets of process %d: %w: run as the same user, or as root", id, err)
		}
		for _, l := range links {
			if m := socketLink.FindStringSubmatch(l); m != nil {
				if n, err := strconv.ParseUint(m[1], 10, 64); err == nil {
					inodes = append(inodes, n)
				}
			}
		}
	}
	return queues(fmt.Sprintf("/proc/%d", pid), func(_ string, inode uint64) bool { return slices.Contains(inodes, inode) })
}

// QueuesAt reads the UDP sockets of this network namespace that are bound to an
// address (or to all addresses) and its port.
func QueuesAt(addr string, port uint16) (Queues, error) {
	at, everywhere := fmt.Sprintf("%s:%d", addr, port), []string{fmt.Sprintf("0.0.0.0:%d", port), fmt.Sprintf(":::%d", port)}
	return queues("/proc/self", func(local string, _ uint64) bool { return local == at || slices.Contains(everywhere, local) })
}

func queues(proc string, want func(local string, inode uint64) bool) (Queues, error) {
	fs, err := procfs.NewFS(proc)
	if err != nil {
		return nil, err
	}
	four, err := fs.NetUDP()
	if err != nil {
		return nil, err
	}
	six, err := fs.NetUDP6()
	if err != nil && !gone(err) { // no IPv6 in this kernel
		return nil, err
	}
	q := Queues{}
	for _, l := range append(four, six...) {
		local := fmt.Sprintf("%s:%d", l.LocalAddr, l.LocalPort)
		if want(local, l.Inode) {
			k := Queue{Local: local}
			if l.Drops != nil {
				k.Drops = *l.Drops
			}
			q[l.Inode] = k
		}
	}
	return q, nil
}
