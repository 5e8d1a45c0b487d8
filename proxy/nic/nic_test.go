package nic

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline/appliance/runtime"
)

// card is a tree of /sys and /proc as a driver makes it.
type card struct {
	t    *testing.T
	root string
}

func newCard(t *testing.T) *card { return &card{t, t.TempDir()} }

func (c *card) file(name, content string) {
	c.t.Helper()
	name = filepath.Join(c.root, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

func (c *card) read(name string) string {
	c.t.Helper()
	b, err := os.ReadFile(filepath.Join(c.root, name))
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b)
}

// add makes an interface whose device is a PCI device, or, below it, a virtio one.
func (c *card) add(name, pci string, virtio bool, queues int, vectors ...string) {
	c.t.Helper()
	device := "sys/devices/pci0000:00/" + pci
	for i, v := range vectors {
		irq := 24 + i
		c.file(fmt.Sprintf("%s/msi_irqs/%d", device, irq), "msix\n")
		c.file(fmt.Sprintf("proc/irq/%d/smp_affinity_list", irq), "0-3")
		if err := os.MkdirAll(filepath.Join(c.root, fmt.Sprintf("proc/irq/%d/%s", irq, v)), 0o755); err != nil {
			c.t.Fatal(err)
		}
	}
	if virtio {
		device += "/virtio0"
	}
	for q := range queues {
		c.file(fmt.Sprintf("%s/net/%s/queues/rx-%d/rps_cpus", device, name, q), "0")
	}
	// As in sysfs: /sys/class/net/wan -> the interface, its device -> the card.
	for link, to := range map[string]string{
		"sys/class/net/" + name:             "../../../" + device + "/net/" + name,
		device + "/net/" + name + "/device": "../..",
	} {
		link = filepath.Join(c.root, link)
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			c.t.Fatal(err)
		}
		if err := os.Symlink(strings.TrimPrefix(to, ""), link); err != nil {
			c.t.Fatal(err)
		}
	}
}

// fixed is a card of so many queues.
type fixed struct {
	now, most int
	set       int
	err       error
}

func (f *fixed) Combined(string) (int, int, error) { return f.now, f.most, f.err }
func (f *fixed) SetCombined(_ string, n int) error { f.set = n; return nil }

func TestApply(t *testing.T) {
	two := []runtime.Queue{{Queue: 0, CPU: 0, RPS: []int{0, 2}}, {Queue: 1, CPU: 1, RPS: []int{1, 3}}}
	tests := []struct {
		name    string
		virtio  bool
		vectors []string
		queues  []runtime.Queue
		card    fixed
		set     int
		want    string
		irqs    map[int]string // by vector
	}{
		{"virtio", true, []string{"virtio0-config", "virtio0-input.0", "virtio0-output.0", "virtio0-input.1", "virtio0-output.1"}, two, fixed{now: 1, most: 4}, 2,
			"wan: 2 queues on the CPUs planned, 2 steered", map[int]string{24: "0-3", 25: "0", 26: "0", 27: "1", 28: "1"}},
		{"TxRx", false, []string{"ens3-TxRx-0", "ens3-TxRx-1", "ens3"}, two, fixed{now: 2, most: 8}, 0,
			"wan: 2 queues on the CPUs planned, 2 steered", map[int]string{24: "0", 25: "1", 26: "0-3"}},
		{"apart", false, []string{"ens3-rx-0", "ens3-tx-0", "ens3-rx-1", "ens3-tx-1"}, two, fixed{now: 2, most: 2}, 0,
			"wan: 2 queues on the CPUs planned, 2 steered", map[int]string{24: "0", 25: "0", 26: "1", 27: "1"}},
		{"mlx5", false, []string{"mlx5_async0@pci:0000:01:00.0", "mlx5_comp0@pci:0000:01:00.0", "mlx5_comp1@pci:0000:01:00.0"}, two, fixed{now: 2, most: 8}, 0,
			"wan: 2 queues on the CPUs planned, 2 steered", map[int]string{24: "0-3", 25: "0", 26: "1"}},
		{"fewer queues than planned", false, []string{"ens3-TxRx-0"}, two, fixed{now: 1, most: 1}, 0,
			"wan: 1 queues on the CPUs planned, 2 steered; 2 queues planned, the card has 1: correct queues in the hardware block; queue 1 has no interrupt", map[int]string{24: "0"}},
		{"no interrupts", false, nil, two, fixed{}, 0, "wan: 0 queues on the CPUs planned, 2 steered; no interrupts of its own: its queues stay where the kernel has them", nil},
		{"unknown channels", false, []string{"ens3-TxRx-0", "ens3-TxRx-1"}, two, fixed{err: errors.New("no such thing")}, 0,
			"wan: 2 queues on the CPUs planned, 2 steered; number of queues not known: no such thing", nil},
		{"nothing planned", false, []string{"ens3-TxRx-0"}, nil, fixed{}, 0, "", map[int]string{24: "0-3"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCard(t)
			c.add("wan", "0000:00:03.0", tt.virtio, 2, tt.vectors...)
			got := Apply(c.root, []runtime.NIC{{Name: "wan", Queues: tt.queues}}, &tt.card)
			text := ""
			for _, r := range got {
				text += r.String()
			}
			if text != tt.want {
				t.Errorf("got  %s\nwant %s", text, tt.want)
			}
			if tt.card.set != tt.set {
				t.Errorf("queues set to %d, want %d", tt.card.set, tt.set)
			}
			for irq, want := range tt.irqs {
				if got := c.read(fmt.Sprintf("proc/irq/%d/smp_affinity_list", irq)); got != want {
					t.Errorf("interrupt %d on CPU %s, want %s", irq, got, want)
				}
			}
			for _, q := range tt.queues {
				if got, want := c.read(fmt.Sprintf("sys/class/net/wan/queues/rx-%d/rps_cpus", q.Queue)), mask(q.RPS); got != want {
					t.Errorf("queue %d is steered to %s, want %s", q.Queue, got, want)
				}
			}
		})
	}
}

func TestMask(t *testing.T) {
	for _, tt := range []struct {
		cpus []int
		want string
	}{
		{nil, "00000000"}, {[]int{0}, "00000001"}, {[]int{0, 5, 31}, "80000021"}, {[]int{32}, "00000001,00000000"}, {[]int{1, 70}, "00000040,00000000,00000002"},
	} {
		if got := mask(tt.cpus); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.cpus, got, tt.want)
		}
	}
}

// An interface that is not there, or that nobody may write to, is told.
func TestProblems(t *testing.T) {
	got := Apply(t.TempDir(), []runtime.NIC{{Name: "gone", Queues: []runtime.Queue{{RPS: []int{1}}}}}, &fixed{err: os.ErrNotExist})
	if len(got) != 1 || len(got[0].Problems) != 3 {
		t.Errorf("got %v", got)
	}
}
