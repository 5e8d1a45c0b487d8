package sizing

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"trunkline/appliance/spec"
)

func TestAffinity(t *testing.T) {
	for _, c := range []struct {
		name             string
		queues, n, first int
		want             []QueueShare
	}{
		{"one queue of one", 1, 1, 0, []QueueShare{{0, 0, nil}}},
		{"as many as threads", 2, 2, 0, []QueueShare{{0, 0, nil}, {1, 1, nil}}},
		{"one queue steers to all", 1, 4, 0, []QueueShare{{0, 0, []int{0, 1, 2, 3}}}},
		{"two of four", 2, 4, 0, []QueueShare{{0, 0, []int{0, 2}}, {1, 1, []int{1, 3}}}},
		{"after another NIC", 2, 4, 3, []QueueShare{{0, 3, []int{1, 3}}, {1, 0, []int{0, 2}}}},
		{"uneven", 3, 4, 0, []QueueShare{{0, 0, []int{0, 3}}, {1, 1, []int{1}}, {2, 2, []int{2}}}},
	} {
		if got := affinity(c.queues, c.n, c.first); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// Every queue has a CPU, the CPUs of a NIC's queues do not overlap, and together
// they are all of them as soon as packets are steered.
func TestQueuesUseEveryCPU(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	for range rounds {
		s := random(r)
		b := Size(s, nil)
		management := map[string]bool{}
		for _, n := range s.Hardware.NICs {
			management[n.Name] = n.Management
		}
		for _, n := range b.NICs {
			if management[n.NIC] {
				if !reflect.DeepEqual(n.Affinity, []QueueShare{{Queue: 0, CPU: 0}}) {
					t.Fatalf("management NIC: %+v", n.Affinity)
				}
				continue
			}
			if float64(len(n.Affinity)) != n.Queues.Value {
				t.Fatalf("%v queues in use, %d have a CPU", n.Queues.Value, len(n.Affinity))
			}
			seen := map[int]bool{}
			for _, q := range n.Affinity {
				cpus := q.RPS
				if len(cpus) == 0 {
					cpus = []int{q.CPU}
				} else if !slices.Contains(cpus, q.CPU) || !slices.IsSorted(cpus) {
					t.Fatalf("queue %d of %s on %d: %v", q.Queue, n.NIC, q.CPU, cpus)
				}
				for _, c := range cpus {
					if seen[c] || c >= len(b.CPUs) {
						t.Fatalf("%s: CPU %d twice, or not there: %+v", n.NIC, c, n.Affinity)
					}
					seen[c] = true
				}
			}
			if len(n.Affinity) < len(b.CPUs) && len(n.Affinity) > 0 && len(seen) != len(b.CPUs) {
				t.Fatalf("%s: packets reach %d of %d CPUs", n.NIC, len(seen), len(b.CPUs))
			}
		}
		workers := 0
		for i, c := range b.CPUs {
			if c.CPU != i {
				t.Fatalf("CPU %d at %d", c.CPU, i)
			}
			workers += len(c.Workers)
		}
		if float64(workers) != b.TotalWorkers.Value {
			t.Fatalf("%d workers on the map, %v in all", workers, b.TotalWorkers.Value)
		}
	}
}

func TestCPUMap(t *testing.T) {
	s := edge()
	s.Hardware.Cores, s.Hardware.ThreadsPerCore = 2, 2
	s.Hardware.NICs = append(s.Hardware.NICs,
		&spec.NIC{Name: "core", Queues: 1, Range: line(6)},
		&spec.NIC{Name: "mgmt", Management: true, Queues: 4, Range: line(7)})
	s.Sockets = &spec.Sockets{Workers: 1, MaxSockets: 10, Range: line(110)}
	got := Size(s, nil).CPUs
	want := []CPU{
		{0, []string{"carrier-a/0", "dynamic sockets/0"}, []string{"wan/0", "mgmt/0"}, []string{"wan", "core"}},
		{1, []string{"core/0"}, []string{"wan/1"}, []string{"wan", "core"}},
		{2, []string{"core/1"}, []string{"core/0"}, []string{"wan", "core"}},
		{3, []string{"core/2"}, []string{}, []string{"wan", "core"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	s.Hardware.NICs[0].Queues = 8
	if got := Size(s, nil).NICs[0].Queues.Value; got != 4 {
		t.Errorf("8 queues on 4 threads: %v used", got)
	}
}

// bonded puts the listeners of edge on a VLAN of a bond of two cards.
func bonded(mode string, speeds ...uint64) *spec.Spec {
	s := edge()
	wan := s.Hardware.NICs[0]
	vlan := *wan
	vlan.Kind, vlan.Parent, vlan.VLAN, vlan.SpeedBits, vlan.Queues = spec.KindVLAN, "b0", 100, 0, 1
	bond := &spec.NIC{Name: "b0", Kind: spec.KindBond, Mode: mode, Range: line(8)}
	s.Hardware.NICs = nil
	for i, speed := range speeds {
		c := &spec.NIC{Name: "c" + string(rune('0'+i)), Kind: spec.KindEthernet, SpeedBits: speed, Queues: 2, Range: line(6 + i)}
		bond.Members = append(bond.Members, c.Name)
		s.Hardware.NICs = append(s.Hardware.NICs, c)
	}
	s.Hardware.NICs = append(s.Hardware.NICs, bond, &vlan)
	return s
}

func TestBonds(t *testing.T) {
	single := ceilings(Size(edge(), nil))
	for _, c := range []struct {
		name   string
		s      *spec.Spec
		factor float64 // bandwidth against one card of 1 Gbps; 0: no such ceiling
		queues float64 // against its two queues
		part   float64 // of the packets on each card
	}{
		{"802.3ad", bonded(spec.BondLACP, 1e9, 1e9), 2, 2, 0.5},
		{"by default", bonded("", 1e9, 1e9), 2, 2, 0.5},
		{"active-backup", bonded(spec.BondActiveBackup, 1e10, 1e9), 1, 1, 1},
		{"a speed not stated", bonded(spec.BondLACP, 1e9, 0), 0, 2, 0.5},
	} {
		b := Size(c.s, nil)
		got := ceilings(b)
		if want := c.factor * single["bandwidth of NIC wan/cps"]; math.Abs(got["bandwidth of bond b0/cps"]-want) > 1 {
			t.Errorf("%s: bandwidth %v, want %v", c.name, got["bandwidth of bond b0/cps"], want)
		}
		if want := c.queues * single["packets of NIC wan/cps"]; math.Abs(got["packets of bond b0/cps"]-want) > 1 {
			t.Errorf("%s: packets %v, want %v", c.name, got["packets of bond b0/cps"], want)
		}
		if len(b.NICs) != 2 {
			t.Fatalf("%s: %d cards: a VLAN and a bond have no queues of their own", c.name, len(b.NICs))
		}
		for _, n := range b.NICs {
			if n.Packets.Value != 1200*c.part || n.Sent.Value != 1400*c.part {
				t.Errorf("%s: %s carries %v and %v", c.name, n.NIC, n.Packets.Value, n.Sent.Value)
			}
		}
	}
}

// Media on a VLAN counts on the link below it.
func TestMediaOnVLAN(t *testing.T) {
	s := bonded(spec.BondActiveBackup, 1e9, 1e9)
	s.Media = relays(1, 1)
	x := s.Media.Instances[0]
	x.Local, x.Addresses = true, []netip.Addr{netip.MustParseAddr("203.0.113.11")}
	x.PortFirst, x.PortLast = 30000, 39999
	for _, n := range Size(s, nil).NICs {
		if n.Packets.Value != 1200+100*13600 {
			t.Errorf("%s receives %v", n.NIC, n.Packets.Value)
		}
	}
}
