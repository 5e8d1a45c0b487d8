package preflight

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline/appliance/runtime"
)

// A machine in a directory: /proc and /sys as Linux has them, links included.
type tree struct {
	t   *testing.T
	dir string
}

func newTree(t *testing.T) *tree { return &tree{t, t.TempDir()} }

func (r *tree) file(name, text string) {
	r.t.Helper()
	p := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(text+"\n"), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// link makes name lead to the path to of the tree, relative as sysfs has it.
func (r *tree) link(name, to string) {
	r.t.Helper()
	p := filepath.Join(r.dir, name)
	rel, err := filepath.Rel(filepath.Dir(p), filepath.Join(r.dir, to))
	for _, step := range []error{err, os.MkdirAll(filepath.Dir(p), 0o755), os.MkdirAll(filepath.Join(r.dir, filepath.Dir(to)), 0o755), os.Symlink(rel, p)} {
		if step != nil {
			r.t.Fatal(step)
		}
	}
}

func (r *tree) cpus(cores, threadsPerCore int) {
	n := cores * threadsPerCore
	r.file("sys/devices/system/cpu/online", fmt.Sprintf("0-%d", n-1))
	for i := range n {
		var siblings []string
		for k := range threadsPerCore {
			siblings = append(siblings, fmt.Sprint(i%cores+k*cores))
		}
		r.file(fmt.Sprintf("sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", i), strings.Join(siblings, ","))
	}
}

func (r *tree) memory(bytes uint64) {
	r.file("proc/meminfo", fmt.Sprintf("MemTotal:       %d kB\nMemFree:          1000 kB", bytes>>10))
}

func (r *tree) card(name, mac, driver, speed string) {
	dev := "sys/devices/pci0000:00/0000:00:0" + fmt.Sprint(len(name)) + ".0"
	r.file(dev+"/net/"+name+"/address", mac)
	if speed != "" {
		r.file(dev+"/net/"+name+"/speed", speed)
	}
	r.link(dev+"/net/"+name+"/device", dev)
	if driver != "" {
		r.link(dev+"/driver", "sys/bus/pci/drivers/"+driver)
	}
	r.link("sys/class/net/"+name, dev+"/net/"+name)
}

// sata is a disk behind a controller, as libata hangs it in.
func (r *tree) sata(name, driver string, size uint64) {
	pci := "sys/devices/pci0000:00/0000:00:1f.2"
	target := pci + "/ata1/host0/target0:0:0/0:0:0:0"
	r.file(target+"/block/"+name+"/size", fmt.Sprint(size>>9))
	r.link(target+"/block/"+name+"/device", target)
	r.link(target+"/driver", "sys/bus/scsi/drivers/sd")
	r.link(pci+"/driver", "sys/bus/pci/drivers/"+driver)
	r.link("sys/class/block/"+name, target+"/block/"+name)
	r.file(target+"/block/"+name+"/"+name+"1/partition", "1")
	r.link("sys/class/block/"+name+"1", target+"/block/"+name+"/"+name+"1")
	r.file("dev/"+name, "")
	r.link("dev/disk/by-id/ata-system", "dev/"+name)
}

func (r *tree) virtual() {
	r.file("sys/devices/virtual/net/lo/address", "00:00:00:00:00:00")
	r.link("sys/class/net/lo", "sys/devices/virtual/net/lo")
	r.file("sys/devices/virtual/block/loop0/size", "100")
	r.link("sys/class/block/loop0", "sys/devices/virtual/block/loop0")
}

const (
	gib = 1 << 30
	mac = "52:54:00:12:34:60"
)

// planned is a machine of 4 cores, 4 GiB, a card and a disk.
func planned() runtime.Hardware {
	return runtime.Hardware{
		Threads: 8, Cores: 4, MemoryBytes: 4 * gib, Platform: "baremetal", Mismatch: runtime.MismatchRefuse,
		NICs: []runtime.NIC{
			{Name: "wan", MAC: mac, Driver: "ixgbe", Speed: 10e9},
			{Name: "bond0", Kind: "bond"}, // made, not found
		},
		Disks: []runtime.Disk{{Name: "system", Path: "/dev/disk/by-id/ata-system", Size: 8 * gib, Driver: "ahci"}},
	}
}

func TestCheck(t *testing.T) {
	whole := func(r *tree) {
		r.cpus(4, 2)
		r.memory(4*gib - 160<<20)
		r.card("wan", mac, "ixgbe", "10000")
		r.sata("sda", "ahci", 8*gib)
		r.virtual()
	}
	for name, c := range map[string]struct {
		make func(*tree)
		want []string // parts of the differences, in order
	}{
		"as planned":   {whole, nil},
		"half of both": {func(r *tree) { whole(r); r.cpus(2, 2); r.memory(2 * gib) }, []string{"cores: 4 of 8 hardware threads", "memory: 2048 MiB of memory are there, of 4096 MiB at least 3840 MiB"}},
		"more": {func(r *tree) {
			whole(r)
			r.cpus(8, 2)
			r.memory(64 * gib)
			r.card("spare0", "52:54:00:12:34:99", "igb", "1000")
		}, nil},
		"threads for cores": {func(r *tree) { whole(r); r.cpus(2, 4) }, []string{"cores: 2 of 4 cores are there, with 8 hardware threads. Write cores = 2 and threads_per_core = 4"}},
		"just enough":       {func(r *tree) { whole(r); r.memory(3840 << 20) }, nil},
		"a page less":       {func(r *tree) { whole(r); r.memory(3840<<20 - 4096) }, []string{"memory: "}},
		"another card": {func(r *tree) {
			whole(r)
			r.file("sys/devices/pci0000:00/0000:00:03.0/net/wan/address", "52:54:00:00:00:01")
		}, []string{`nic: card "wan" with MAC 52:54:00:12:34:60 is not there: there is wan 52:54:00:00:00:01 ixgbe`}},
		"another driver": {func(r *tree) { whole(r); mustRemove(r, "sys/devices/pci0000:00/0000:00:03.0/driver"); r.card2("igb") },
			[]string{`nic: card "wan" is served by driver igb, the spec says ixgbe. Write driver = "igb"`}},
		"slow link": {func(r *tree) { whole(r); r.file("sys/class/net/wan/speed", "1000") }, []string{`link: the link of "wan" runs at 1000 Mbit/s, the spec says 10000 Mbit/s`}},
		"no cable":  {func(r *tree) { whole(r); r.file("sys/class/net/wan/speed", "-1") }, nil},
		"a member of a bond": {func(r *tree) {
			whole(r)
			r.file("sys/class/net/wan/address", "52:54:00:12:34:61")
			r.file("sys/class/net/wan/bonding_slave/perm_hwaddr", mac)
		}, nil},
		"small disk":       {func(r *tree) { whole(r); r.file("sys/class/block/sda/size", fmt.Sprint(4*gib>>9)) }, []string{`disk: disk "system" (sda) has 4096 MiB, the spec says 8192 MiB`}},
		"disk not by name": {func(r *tree) { whole(r); mustRemove(r, "dev/disk/by-id/ata-system") }, []string{`disk: disk "system" (/dev/disk/by-id/ata-system) is not there: there is sda 8192 MiB sd/ahci`}},
		"nothing but processors": {func(r *tree) { r.cpus(4, 2); r.memory(4 * gib); r.virtual() },
			[]string{`nic: card "wan" with MAC 52:54:00:12:34:60 is not there: no card is. Look whether the card is seated, or correct match in hardware.nic; the image has driver ixgbe for it`, `disk: disk "system"`}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTree(t)
			c.make(r)
			root := os.DirFS(r.dir)
			m, err := Inspect(root)
			if err != nil {
				t.Fatal(err)
			}
			found := Check(root, planned(), m)
			if len(found) != len(c.want) {
				t.Fatalf("%d differences, want %d: %+v", len(found), len(c.want), found)
			}
			for i, d := range found {
				if text := d.Kind + ": " + d.String(); !strings.HasPrefix(text, c.want[i]) {
					t.Errorf("got  %s\nwant %s", text, c.want[i])
				}
			}
		})
	}
}

func mustRemove(r *tree, name string) {
	r.t.Helper()
	if err := os.Remove(filepath.Join(r.dir, name)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *tree) card2(driver string) {
	r.link("sys/devices/pci0000:00/0000:00:03.0/driver", "sys/bus/pci/drivers/"+driver)
}

// What cannot be read is an error with its name, and a disk without a path is any that
// fits.
func TestInspect(t *testing.T) {
	r := newTree(t)
	r.file("sys/devices/system/cpu/online", "0-x")
	_, err := Inspect(os.DirFS(r.dir))
	for _, want := range []string{"online", "meminfo", "cards"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not tell of %s: %v", want, err)
		}
	}
	for _, s := range []string{"", "3-1", "0-99999999", "a", "-1"} {
		if got, err := cpuList(s); err == nil {
			t.Errorf("%q: %v", s, got)
		}
	}
	r = newTree(t)
	r.cpus(1, 1)
	r.memory(gib)
	r.virtual()
	r.sata("sda", "ahci", gib)
	root := os.DirFS(r.dir)
	m, err := Inspect(root)
	if err != nil {
		t.Fatal(err)
	}
	for driver, n := range map[string]int{"": 0, "ahci": 0, "nvme": 1} {
		h := runtime.Hardware{Disks: []runtime.Disk{{Name: "any", Driver: driver}}}
		if found := Check(root, h, m); len(found) != n {
			t.Errorf("driver %q: %v", driver, found)
		}
	}
}
