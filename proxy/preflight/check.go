package preflight

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"trunkline/appliance/runtime"
)

// What a difference is about.
const (
	KindCores  = "cores"
	KindMemory = "memory"
	KindNIC    = "nic"
	KindDisk   = "disk"
	KindLink   = "link" // of a card: it may change while the proxy runs
)

// Kinds are all of them.
var Kinds = []string{KindCores, KindMemory, KindNIC, KindDisk, KindLink}

// A Difference is something the machine has less of than the plan.
type Difference struct {
	Kind string `json:"kind"`
	Text string `json:"text"` // what is planned, what is there
	Do   string `json:"do"`   // what to change
}

// String is the difference in one line.
func (d Difference) String() string { return d.Text + ". " + d.Do }

// Scales reports whether a plan can be made for less of it.
func (d Difference) Scales() bool { return d.Kind == KindCores || d.Kind == KindMemory }

// Tells reports whether it is told and no reason to refuse: links come and go.
func (d Difference) Tells() bool { return d.Kind == KindLink }

// Memory that is installed and that the kernel does not show: its own code and tables,
// one 64-byte struct page for each 4 KiB page (1.6 %), and what the firmware keeps.
// Measured in virtual machines: 64 and 65 MiB of 1 GiB. Firmware of servers keeps more, and they
// have more.
const (
	unseenShare = 32        // of the memory, 1/32
	unseenBase  = 128 << 20 // and this
)

// least is the least that the kernel shows of a machine with so much memory.
func least(installed uint64) uint64 {
	unseen := installed/unseenShare + unseenBase
	return installed - min(installed, unseen)
}

// Check compares the machine with the plan's. The differences are in the order of the
// plan: cores, memory, cards, disks.
func Check(root fs.FS, want runtime.Hardware, m Machine) []Difference {
	var out []Difference
	switch {
	case m.Threads < want.Threads:
		out = append(out, Difference{KindCores,
			fmt.Sprintf("%d of %d hardware threads are there", m.Threads, want.Threads),
			fmt.Sprintf("Give the machine %d, or write hardware.cpu for %d and plan again", want.Threads, m.Threads)})
	case m.Cores > 0 && m.Cores < want.Cores && want.Platform == "baremetal": // what a hypervisor shows is its choice
		out = append(out, Difference{KindCores,
			fmt.Sprintf("%d of %d cores are there, with %d hardware threads", m.Cores, want.Cores, m.Threads),
			fmt.Sprintf("Write cores = %d and threads_per_core = %d in hardware.cpu and plan again", m.Cores, m.Threads/m.Cores)})
	}
	if m.Memory < least(want.MemoryBytes) {
		out = append(out, Difference{KindMemory,
			fmt.Sprintf("%s of memory are there, of %s at least %s must be seen", mib(m.Memory), mib(want.MemoryBytes), mib(least(want.MemoryBytes))),
			"Give the machine what is planned, or lower hardware.memory and plan again"})
	}
	for _, n := range want.NICs {
		if n.Kind == "" {
			out = append(out, checkCard(n, m.Cards)...)
		}
	}
	for _, d := range want.Disks {
		out = append(out, checkDisk(root, d, m.Disks)...)
	}
	return out
}

func checkCard(n runtime.NIC, there []Card) []Difference {
	i := slices.IndexFunc(there, func(c Card) bool { return c.Name == n.Name })
	if i < 0 || n.MAC != "" && there[i].MAC != n.MAC {
		what := fmt.Sprintf("card %q is not there", n.Name)
		if n.MAC != "" {
			what = fmt.Sprintf("card %q with MAC %s is not there", n.Name, n.MAC)
		}
		found := "no card is"
		if len(there) > 0 {
			var list []string
			for _, c := range there {
				list = append(list, strings.TrimSpace(c.Name+" "+c.MAC+" "+c.Driver))
			}
			found = "there is " + strings.Join(list, ", ")
		}
		do := "Look whether the card is seated, or correct match in hardware.nic"
		if n.Driver != "" {
			do += "; the image has driver " + n.Driver + " for it"
		}
		return []Difference{{KindNIC, what + ": " + found, do}}
	}
	var out []Difference
	c := there[i]
	if n.Driver != "" && c.Driver != n.Driver {
		out = append(out, Difference{KindNIC, fmt.Sprintf("card %q is served by driver %s, the spec says %s", n.Name, c.Driver, n.Driver),
			fmt.Sprintf("Write driver = %q in hardware.nic %q", c.Driver, n.Name)})
	}
	if n.Speed > 0 && c.Speed > 0 && c.Speed < n.Speed {
		out = append(out, Difference{KindLink, fmt.Sprintf("the link of %q runs at %s, the spec says %s", n.Name, mbit(c.Speed), mbit(n.Speed)),
			"Look at cable, transceiver and switch port"})
	}
	return out
}

func checkDisk(root fs.FS, d runtime.Disk, there []Disk) []Difference {
	var list []string
	for _, x := range there {
		list = append(list, strings.TrimSpace(x.Name+" "+mib(x.Size)+" "+strings.Join(x.Drivers, "/")))
	}
	found := "no disk is"
	if len(list) > 0 {
		found = "there is " + strings.Join(list, ", ")
	}
	name := diskName(root, d.Path)
	var at *Disk
	for i := range there {
		x := &there[i]
		if d.Path != "" && x.Name == name || d.Path == "" && served(d, x) {
			at = x
			break
		}
	}
	switch {
	case at == nil && d.Path != "":
		return []Difference{{KindDisk, fmt.Sprintf("disk %q (%s) is not there: %s", d.Name, d.Path, found), "Look whether it is plugged in, or correct match in hardware.disk"}}
	case at == nil:
		what := ""
		if d.Driver != "" {
			what = " with driver " + d.Driver
		}
		return []Difference{{KindDisk, fmt.Sprintf("disk %q is not there: no disk%s; %s", d.Name, what, found), "Look whether it is plugged in, or correct hardware.disk"}}
	}
	var out []Difference
	if !served(d, at) {
		out = append(out, Difference{KindDisk, fmt.Sprintf("disk %q (%s) is served by driver %s, the spec says %s", d.Name, at.Name, strings.Join(at.Drivers, "/"), d.Driver),
			"Correct driver in hardware.disk"})
	}
	if at.Size < d.Size {
		out = append(out, Difference{KindDisk, fmt.Sprintf("disk %q (%s) has %s, the spec says %s", d.Name, at.Name, mib(at.Size), mib(d.Size)),
			"Use a larger disk, or lower size in hardware.disk"})
	}
	return out
}

func served(d runtime.Disk, x *Disk) bool {
	return d.Driver == "" || slices.Contains(x.Drivers, d.Driver)
}

func mib(n uint64) string { return fmt.Sprintf("%d MiB", n>>20) }

func mbit(n uint64) string { return fmt.Sprintf("%d Mbit/s", n/1e6) }
