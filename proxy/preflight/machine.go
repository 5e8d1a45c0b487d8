package preflight

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Machine is what there is.
type Machine struct {
	Threads int    `json:"threads"` // hardware threads that are online
	Cores   int    `json:"cores"`   // physical ones they belong to; 0: the kernel does not say
	Memory  uint64 `json:"memory"`  // that the kernel shows: less than is installed
	Cards   []Card `json:"cards"`   // by name
	Disks   []Disk `json:"disks"`   // by name
}

// Card is an Ethernet card.
type Card struct {
	Name   string `json:"name"`
	MAC    string `json:"mac"` // its own, also while it is a member of a bond
	Driver string `json:"driver"`
	Speed  uint64 `json:"speed,omitempty"` // of the link, bits per second; 0: not known, for example without a cable
}

// Disk is a disk.
type Disk struct {
	Name    string   `json:"name"` // "sda"
	Size    uint64   `json:"size"`
	Drivers []string `json:"drivers"` // of the devices it hangs off, nearest first
}

// Inspect reads the machine whose /proc and /sys are in root.
func Inspect(root fs.FS) (Machine, error) {
	var m Machine
	var errs [4]error
	m.Threads, m.Cores, errs[0] = processors(root)
	m.Memory, errs[1] = memory(root)
	m.Cards, errs[2] = cards(root)
	m.Disks, errs[3] = disks(root)
	return m, errors.Join(errs[:]...)
}

const cpuDir = "sys/devices/system/cpu"

func processors(root fs.FS) (threads, cores int, err error) {
	online := text(root, cpuDir+"/online")
	list, err := cpuList(online)
	if err != nil {
		return 0, 0, fmt.Errorf("processors: /%s/online: %w", cpuDir, err)
	}
	seen := map[string]bool{}
	for _, n := range list {
		dir := fmt.Sprintf("%s/cpu%d/topology/", cpuDir, n)
		// Siblings are those of one core, and on every machine; ids repeat between dies.
		if s := text(root, dir+"thread_siblings_list"); s != "" {
			seen[s] = true
		}
	}
	return len(list), len(seen), nil
}

// maxCPU bounds a list of CPUs (the kernel's NR_CPUS is 8,192 on amd64).
const maxCPU = 1 << 16

// cpuList reads "0-3,8" (kernel: Documentation/admin-guide/cputopology.rst).
func cpuList(s string) ([]int, error) {
	var out []int
	for part := range strings.SplitSeq(s, ",") {
		a, b, span := strings.Cut(part, "-")
		if !span {
			b = a
		}
		first, err1 := strconv.Atoi(a)
		last, err2 := strconv.Atoi(b)
		if err1 != nil || err2 != nil || first < 0 || last < first || last >= maxCPU {
			return nil, fmt.Errorf("%.60q is no list of CPUs", s)
		}
		for n := first; n <= last; n++ {
			out = append(out, n)
		}
	}
	return out, nil
}

func memory(root fs.FS) (uint64, error) {
	f, err := root.Open("proc/meminfo")
	if err != nil {
		return 0, fmt.Errorf("memory: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "MemTotal:"); ok {
			kib, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 54)
			if err != nil {
				return 0, fmt.Errorf("memory: /proc/meminfo: %w", err)
			}
			return kib << 10, nil
		}
	}
	return 0, errors.New("memory: /proc/meminfo has no MemTotal")
}

// cards lists what has a device behind it: no loopback, bond, VLAN or dummy.
func cards(root fs.FS) ([]Card, error) {
	const dir = "sys/class/net"
	entries, err := fs.ReadDir(root, dir)
	if err != nil {
		return nil, fmt.Errorf("cards: %w", err)
	}
	out := []Card{}
	for _, e := range entries {
		at := dir + "/" + e.Name()
		if _, err := fs.Stat(root, at+"/device"); err != nil {
			continue
		}
		c := Card{Name: e.Name(), MAC: text(root, at+"/bonding_slave/perm_hwaddr"), Driver: driver(root, at+"/device")}
		if c.MAC == "" {
			c.MAC = text(root, at+"/address")
		}
		// Mbit/s; -1 or an error without a link (kernel: ABI/testing/sysfs-class-net).
		if n, err := strconv.ParseUint(text(root, at+"/speed"), 10, 32); err == nil && n < 1<<31 {
			c.Speed = n * 1e6
		}
		out = append(out, c)
	}
	return out, nil
}

// disks lists the block devices that a controller brings: no partitions, loops or RAM.
func disks(root fs.FS) ([]Disk, error) {
	const dir = "sys/class/block"
	entries, err := fs.ReadDir(root, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return []Disk{}, nil // a kernel without any has no such class
	}
	if err != nil {
		return nil, fmt.Errorf("disks: %w", err)
	}
	out := []Disk{}
	for _, e := range entries {
		at := dir + "/" + e.Name()
		if _, err := fs.Stat(root, at+"/device"); err != nil || strings.HasPrefix(e.Name(), "sr") || exists(root, at+"/partition") {
			continue
		}
		d := Disk{Name: e.Name(), Drivers: []string{}}
		if n, err := strconv.ParseUint(text(root, at+"/size"), 10, 50); err == nil {
			d.Size = n << 9 // always sectors of 512 bytes (kernel: ABI/stable/sysfs-block)
		}
		real := resolve(root, at)
		for up := real; up != "." && strings.Contains(up, "/devices/"); up = path.Dir(up) {
			if name := driver(root, up); name != "" && !slices.Contains(d.Drivers, name) {
				d.Drivers = append(d.Drivers, name)
			}
		}
		out = append(out, d)
	}
	return out, nil
}

// driver is the name of the driver that serves a device; empty: none.
func driver(root fs.FS, device string) string {
	to, err := fs.ReadLink(root, device+"/driver")
	if err != nil {
		return ""
	}
	return path.Base(to)
}

// resolve follows the symbolic links of a path, as far as root has them.
func resolve(root fs.FS, p string) string {
	const maxLinks = 40
	rest, at := strings.Split(p, "/"), ""
	for links := 0; len(rest) > 0 && links < maxLinks; {
		next := path.Join(at, rest[0])
		rest = rest[1:]
		to, err := fs.ReadLink(root, next)
		if err != nil {
			at = next
			continue
		}
		links++
		if path.IsAbs(to) {
			to = strings.TrimPrefix(to, "/")
		} else {
			to = path.Join(at, to)
		}
		rest, at = append(strings.Split(to, "/"), rest...), ""
	}
	return at
}

// diskName is the name of the disk that a path below /dev leads to; empty: there is none.
func diskName(root fs.FS, device string) string {
	p := strings.TrimPrefix(device, "/")
	if !exists(root, p) {
		return ""
	}
	return path.Base(resolve(root, p))
}

func exists(root fs.FS, p string) bool {
	_, err := fs.Stat(root, p)
	return err == nil
}

// text is a file's line, empty when it cannot be read.
func text(root fs.FS, name string) string {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
