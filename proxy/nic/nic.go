// Package nic gives the receive queues of the interfaces to the CPUs the plan chose:
// how many queues a card uses, which CPU takes the interrupts of each, and to which
// CPUs its packets are steered after that (RPS; kernel documentation,
// networking/scaling and core-api/irq/irq-affinity).
//
// What a card or a virtual machine does not offer is told and left as it is: calls
// are carried all the same, only not as planned. Nothing here is an error that
// would keep an appliance from starting.
package nic

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"trunkline/appliance/runtime"
)

// Channels reads and sets how many combined queues a card uses.
type Channels interface {
	// Combined gives the number in use and the most there can be. Both are 0 where
	// the driver has no such setting.
	Combined(nic string) (now, most int, err error)
	SetCombined(nic string, n int) error
}

// Report is what came of one interface.
type Report struct {
	NIC      string
	Queues   int      // given to a CPU by their interrupts
	Steered  int      // whose packets are steered
	Problems []string // what could not be done, each with its reason
}

// String is one line.
func (r Report) String() string {
	s := fmt.Sprintf("%s: %d queues on the CPUs planned, %d steered", r.NIC, r.Queues, r.Steered)
	if len(r.Problems) > 0 {
		s += "; " + strings.Join(r.Problems, "; ")
	}
	return s
}

// Apply sets the queues of every interface that has some planned. Root is "/", or
// where a test keeps /sys and /proc.
func Apply(root string, nics []runtime.NIC, channels Channels) []Report {
	var out []Report
	for _, n := range nics {
		if len(n.Queues) == 0 {
			continue
		}
		a := &applier{root: root, nic: n, report: Report{NIC: n.Name}}
		a.channels(channels)
		a.interrupts()
		a.steering()
		out = append(out, a.report)
	}
	return out
}

type applier struct {
	root   string
	nic    runtime.NIC
	report Report
}

func (a *applier) problem(format string, args ...any) {
	a.report.Problems = append(a.report.Problems, fmt.Sprintf(format, args...))
}

func (a *applier) class(elem ...string) string {
	return filepath.Join(append([]string{a.root, "sys/class/net", a.nic.Name}, elem...)...)
}

// channels comes first: it makes and removes the interrupts the rest is about.
func (a *applier) channels(c Channels) {
	want := len(a.nic.Queues)
	now, most, err := c.Combined(a.nic.Name)
	switch {
	case err != nil:
		a.problem("number of queues not known: %v", err)
	case most == 0 || now == want:
	case want > most:
		a.problem("%d queues planned, the card has %d: correct queues in the hardware block", want, most)
		if now < most {
			if err := c.SetCombined(a.nic.Name, most); err != nil {
				a.problem("%d queues not set: %v", most, err)
			}
		}
	default:
		if err := c.SetCombined(a.nic.Name, want); err != nil {
			a.problem("%d queues not set: %v", want, err)
		}
	}
}

// queueName finds the number of a queue in the name of an interrupt, as drivers
// give them: virtio0-input.0, ens3-TxRx-0, ens3-rx-0, ens192-rxtx-0, ens5-Tx-Rx-0,
// mlx5_comp0@pci:0000:01:00.0, gve-ntfy-block.0. Interrupts of other events
// (virtio0-config, ens3-misc) have no such number.
var queueName = regexp.MustCompile(`(?i)(?:input|output|tx-?rx|rx-?tx|rx|tx|comp|block)[.-]?(\d+)(?:@.*)?$`)

// interrupts binds each queue's interrupts to its CPU.
func (a *applier) interrupts() {
	byQueue := map[int][]int{}
	for _, irq := range a.vectors() {
		if q, ok := a.queueOf(irq); ok {
			byQueue[q] = append(byQueue[q], irq)
		}
	}
	if len(byQueue) == 0 {
		a.problem("no interrupts of its own: its queues stay where the kernel has them")
		return
	}
	for _, q := range a.nic.Queues {
		irqs := byQueue[q.Queue]
		if len(irqs) == 0 {
			a.problem("queue %d has no interrupt", q.Queue)
			continue
		}
		done := true
		for _, irq := range irqs {
			file := filepath.Join(a.root, "proc/irq", strconv.Itoa(irq), "smp_affinity_list")
			if err := os.WriteFile(file, []byte(strconv.Itoa(q.CPU)), 0o644); err != nil {
				a.problem("interrupt %d of queue %d not bound to CPU %d: %v", irq, q.Queue, q.CPU, reason(err))
				done = false
			}
		}
		if done {
			a.report.Queues++
		}
	}
}

// vectors lists the MSI interrupts of the card, in order. A virtio device keeps
// them at the PCI device above it.
func (a *applier) vectors() []int {
	for _, dir := range []string{"device/msi_irqs", "device/../msi_irqs"} {
		// The link is followed first: "..", cleaned away, would miss the parent.
		device, err := filepath.EvalSymlinks(a.class("device"))
		if err != nil {
			return nil
		}
		entries, err := os.ReadDir(filepath.Join(device, strings.TrimPrefix(dir, "device/")))
		if err != nil {
			continue
		}
		var out []int
		for _, e := range entries {
			if n, err := strconv.Atoi(e.Name()); err == nil {
				out = append(out, n)
			}
		}
		slices.Sort(out)
		return out
	}
	return nil
}

// queueOf reads which queue an interrupt is of from the directory the kernel makes
// for its handler (/proc/irq/N/NAME).
func (a *applier) queueOf(irq int) (int, bool) {
	entries, err := os.ReadDir(filepath.Join(a.root, "proc/irq", strconv.Itoa(irq)))
	if err != nil {
		return 0, false
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if m := queueName.FindStringSubmatch(e.Name()); m != nil {
			n, err := strconv.Atoi(m[1])
			return n, err == nil
		}
	}
	return 0, false
}

// steering writes the CPUs of each queue (RPS); none turns it off.
func (a *applier) steering() {
	for _, q := range a.nic.Queues {
		file := a.class("queues", fmt.Sprintf("rx-%d", q.Queue), "rps_cpus")
		if err := os.WriteFile(file, []byte(mask(q.RPS)), 0o644); err != nil {
			if len(q.RPS) > 0 {
				a.problem("packets of queue %d not steered: %v", q.Queue, reason(err))
			}
			continue
		}
		if len(q.RPS) > 0 {
			a.report.Steered++
		}
	}
}

// mask writes CPUs as the kernel reads them: hexadecimal words of 32, the highest
// first.
func mask(cpus []int) string {
	words := []uint32{0}
	for _, c := range cpus {
		for c/32 >= len(words) {
			words = append(words, 0)
		}
		words[c/32] |= 1 << (c % 32)
	}
	out := make([]string, len(words))
	for i, w := range words {
		out[len(words)-1-i] = fmt.Sprintf("%08x", w)
	}
	return strings.Join(out, ",")
}

// reason is an error without the path, which says nothing to a reader of a plan.
func reason(err error) error {
	if p, ok := err.(*os.PathError); ok {
		return p.Err
	}
	return err
}
