package sizing

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"trunkline/appliance/spec"
)

const rounds = 400

// needs lists what a budget takes, by name.
func needs(b *Budget) map[string]float64 {
	m := map[string]float64{
		"cores": b.CoresNeeded.Value, "held": b.CallsHeld.Value, "offered": b.OfferedCalls.Value, "transactions": b.Transactions.Value,
		"messages": b.MessageBytes.Value, "calls": b.Calls.Value, "shm": b.SHMTotal.Value, "process": b.ProcessLimit.Value,
		"source rate": b.SourceRate.Value, "files": b.OpenFiles.Value,
	}
	for _, l := range b.Listeners {
		m[l.Listener+" workers"], m[l.Listener+" recv"], m[l.Listener+" send"] = l.Workers.Value, l.RecvBuffer.Value, l.SendBuffer.Value
	}
	for _, i := range b.Memory[:len(b.Memory)-1] {
		if i.Bytes.ID != "memory.hugepages" { // what rounding leaves over
			m["memory "+i.Name] = i.Bytes.Value
		}
	}
	if b.Media != nil {
		m["media sessions"], m["media commands"], m["control sockets"] = b.Media.Sessions.Value, b.Media.Commands.Value, b.Media.Sockets.Value
		m["media bandwidth"], m["media packets"], m["media cpu"] = b.Media.Bandwidth.Value, b.Media.Packets.Value, b.Media.CPU.Value
		for _, i := range b.Media.Instances {
			m[i.Name+" sessions"], m[i.Name+" rate"], m[i.Name+" ports"] = i.Sessions.Value, i.Rate.Value, i.Ports.Value
		}
	}
	for _, n := range b.NICs {
		m[n.NIC+" bandwidth"], m[n.NIC+" received"], m[n.NIC+" sent"] = n.Bandwidth.Value, n.Packets.Value, n.Sent.Value
	}
	if p := b.Persistence; p != nil {
		m["kept"], m["writes"], m["rows"] = p.Bytes.Value, p.Writes.Value, p.Rows.Value
	}
	return m
}

func ceilings(b *Budget) map[string]float64 {
	m := map[string]float64{}
	for _, c := range b.Ceilings {
		m[c.Resource+"/"+c.Axis] = c.At.Value
	}
	return m
}

func TestMoreLoadNeverNeedsLess(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	more := map[string]func(*spec.Spec){
		"cps":            func(s *spec.Spec) { s.Workload.CPS += 1 + r.IntN(1000) },
		"concurrent":     func(s *spec.Spec) { s.Workload.ConcurrentCalls += 1 + r.IntN(10000) },
		"duration":       func(s *spec.Spec) { s.Workload.CallDuration += time.Duration(1 + r.IntN(int(time.Hour))) },
		"ring":           func(s *spec.Spec) { s.Workload.RingTime += time.Duration(1 + r.IntN(int(time.Minute))) },
		"invite timeout": func(s *spec.Spec) { s.Transaction.InviteTimeout += time.Duration(1 + r.IntN(int(time.Minute))) },
		"wait":           func(s *spec.Spec) { s.Transaction.Wait += time.Duration(1 + r.IntN(int(time.Minute))) },
		"cps limit":      func(s *spec.Spec) { s.Limits.CPS += 1 + r.IntN(1000) },
		"connections": func(s *spec.Spec) {
			for _, l := range s.Listeners {
				if l.Conns != nil {
					l.Conns.Max += 1 + r.IntN(1000)
				}
			}
		},
		"refreshes": func(s *spec.Spec) { s.Session.Expires -= s.Session.Expires / 3 },
		"bitrate": func(s *spec.Spec) {
			if s.Media != nil {
				s.Media.Bitrate += uint64(1 + r.IntN(100000))
			}
		},
		"dynamic sockets": func(s *spec.Spec) {
			if s.Sockets != nil {
				s.Sockets.MaxSockets += 1 + r.IntN(100)
				s.Sockets.Workers++
			}
		},
	}
	for name, f := range more {
		t.Run(name, func(t *testing.T) {
			for range rounds / 4 {
				s := random(r)
				before := needs(quick(s))
				f(s)
				for k, v := range needs(quick(s)) {
					if v < before[k] {
						t.Fatalf("%s fell from %v to %v", k, before[k], v)
					}
				}
			}
		})
	}
}

func TestMoreHardwareNeverCarriesLess(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	more := map[string]func(*spec.Spec){
		"memory": func(s *spec.Spec) { s.Hardware.Memory += uint64(1 + r.IntN(1<<34)) },
		"speed": func(s *spec.Spec) {
			if n := s.Hardware.NICs[0]; n.SpeedBits > 0 {
				n.SpeedBits += uint64(1 + r.IntN(1e9))
			}
		},
		"queues": func(s *spec.Spec) { s.Hardware.NICs[0].Queues += 1 + r.IntN(8) },
		"relay": func(s *spec.Spec) {
			if s.Media != nil {
				x := *s.Media.Instances[0]
				x.Name, x.Local, x.Addresses = "more", false, nil
				for _, i := range s.Media.Instances { // as able as any, as heavy as any
					x.MaxSessions, x.MaxCPS, x.Weight = max(x.MaxSessions, i.MaxSessions), max(x.MaxCPS, i.MaxCPS), max(x.Weight, i.Weight)
					if len(i.Control) > len(x.Control) {
						x.Control = i.Control
					}
				}
				if x.MaxSessions = 1 << 20; x.MaxCPS > 0 {
					x.MaxCPS = 1 << 20
				}
				x.Control = append(append(x.Control[:0:0], x.Control...), make([]netip.AddrPort, 64)...)
				x.MaxCPS = 1 << 20
				s.Media.Instances = append(s.Media.Instances, &x)
			}
		},
		"cores": func(s *spec.Spec) { s.Hardware.Cores += 1 + r.IntN(8) },
		"smt":   func(s *spec.Spec) { s.Hardware.ThreadsPerCore++ },
	}
	for name, f := range more {
		t.Run(name, func(t *testing.T) {
			for range rounds / 4 {
				s := random(r)
				old := quick(s)
				before, threads := ceilings(old), s.Hardware.Threads()
				f(s)
				b := quick(s)
				for k, v := range ceilings(b) {
					// A worker more holds memory of its own; nothing else may fall.
					if s.Hardware.Threads() > threads && strings.HasPrefix(k, "memory, ") {
						continue
					}
					if v < before[k] {
						t.Fatalf("ceiling of %s fell from %v to %v", k, before[k], v)
					}
				}
				for i, l := range b.Listeners {
					if l.Workers.Value < old.Listeners[i].Workers.Value {
						t.Fatalf("listener %s lost a worker", l.Listener)
					}
				}
			}
		})
	}
}

// threadsFor counts what shareOut would give out step by step.
func TestThreadsFor(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range rounds {
		z := &sizer{s: random(r), c: DefaultCoefficients(), b: &Budget{}}
		z.egress = egressOf(z.s)
		z.traffic()
		for i, f := range z.t.listeners {
			if f.l.Workers > 0 || f.l.Address.IsLoopback() {
				continue
			}
			want, threads := 2+r.IntN(8), 0
			for n := []int{}; len(n) == 0 || n[i] < want; threads++ {
				n = z.shareOut(threads)
			}
			sum := 0
			for _, n := range z.shareOut(threads - 1) {
				sum += n
			}
			if got := z.threadsFor(i, float64(want)); got != sum {
				t.Fatalf("%d workers for %s: %d threads, step by step %d", want, f.l.Name, got, sum)
			}
		}
	}
}

// A thread more costs the memory of its worker, and no more than that.
func TestThreadsCostTheirWorkersOnly(t *testing.T) {
	s := edge()
	old := Size(s, nil)
	s.Hardware.Cores++
	b := Size(s, nil)
	last := len(b.Memory) - 1
	var sockets float64
	for _, l := range b.Listeners {
		sockets = max(sockets, 2*(l.RecvBuffer.Value+l.SendBuffer.Value))
	}
	c := DefaultCoefficients()
	most := (c.at("worker_bytes")+c.at("worker_batch")*maxDatagram)*(1+c.at("gc_slack")) + sockets + 4*Page
	if cost := old.Memory[last].Bytes.Value - b.Memory[last].Bytes.Value; cost > most || cost <= 0 {
		t.Fatalf("one thread more costs %v bytes, at most %v expected", cost, most)
	}
}

func TestBudgetInvariants(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range rounds {
		s := random(r)
		if r.IntN(3) == 0 {
			s.State.Memory = uint64(1+r.IntN(4096)) << 20
		}
		b := Size(s, nil)
		sum := 0.0
		for _, m := range b.Memory {
			if m.Bytes.Value != float64(int64(m.Bytes.Value)) {
				t.Fatalf("%s is not whole bytes: %v", m.Name, m.Bytes.Value)
			}
			sum += m.Bytes.Value
		}
		if sum != float64(s.Hardware.Memory) {
			t.Fatalf("memory map adds up to %v, the machine has %v", sum, s.Hardware.Memory)
		}
		shm := 0.0
		for _, table := range b.SHM {
			if int64(table.Bytes.Value)%Page != 0 {
				t.Fatalf("table %s is not whole pages: %v", table.Name, table.Bytes.Value)
			}
			shm += table.Bytes.Value
		}
		if shm != b.SHMTotal.Value {
			t.Fatalf("tables add up to %v, total says %v", shm, b.SHMTotal.Value)
		}
		if free := b.Memory[len(b.Memory)-1].Bytes.Value; (free < 0) != has(b, "memory.exceeded") {
			t.Fatalf("free %v and findings %v disagree", free, b.Findings)
		}
		for i, l := range b.Listeners {
			switch want := s.Listeners[i]; {
			case want.Workers > 0 && l.Workers.Value != float64(want.Workers):
				t.Fatalf("override of %s not respected", l.Listener)
			case want.Workers == 0 && want.Address.IsLoopback() && l.Workers.Value != 1:
				t.Fatalf("loopback listener %s has %v workers", l.Listener, l.Workers.Value)
			case l.Workers.Value < 1:
				t.Fatalf("listener %s has no worker", l.Listener)
			}
		}
		ids := map[string]float64{}
		b.Each(func(f *Figure) {
			if v, ok := ids[f.ID]; ok && v != f.Value {
				t.Fatalf("two figures are called %s: %v and %v", f.ID, v, f.Value)
			}
			ids[f.ID] = f.Value
		})
		b.Each(func(f *Figure) {
			for _, in := range f.Inputs {
				if v, ok := ids[in.Name]; in.Source == "" && strings.Contains(in.Name, ".") && (!ok || v != in.Value) {
					t.Fatalf("%s names %s = %v, which is %v among the figures", f.ID, in.Name, in.Value, v)
				}
			}
			if f.Ranged() && !(f.Low <= f.Value && f.Value <= f.High) {
				t.Fatalf("%s: %v lies outside of %v to %v", f.ID, f.Value, f.Low, f.High)
			}
			if f.Name == "" || f.Unit == "" || f.Formula == "" || math.IsNaN(f.Value) {
				t.Fatalf("cannot be argued with: %+v", *f)
			}
			for _, in := range f.Inputs {
				if in.Name == "" || in.Unit == "" {
					t.Fatalf("%s: input %+v", f.ID, in)
				}
			}
		})
		for i := 1; i < len(b.Ceilings); i++ {
			if b.Ceilings[i].Headroom < b.Ceilings[i-1].Headroom {
				t.Fatal("ceilings are not sorted")
			}
		}
		for _, c := range b.Ceilings {
			if c.Remedy == "" || c.At.Formula == "" || len(c.At.Inputs) == 0 {
				t.Fatalf("ceiling of %s cannot be argued with: %+v", c.Resource, c)
			}
		}
		one, err := json.Marshal(b) // fails on NaN and infinity
		if err != nil {
			t.Fatal(err)
		}
		two, err := json.Marshal(Size(s, nil))
		if err != nil || string(one) != string(two) {
			t.Fatalf("not a pure function (%v)", err)
		}
	}
}

// A spec that failed its checks may still be sized for a preview: no panic, no
// infinite number.
func TestSizeOfNothing(t *testing.T) {
	for _, s := range []*spec.Spec{{}, {Listeners: []*spec.Listener{{Name: "a"}}}, {Workload: spec.Workload{CPS: 1 << 40}, Limits: spec.Limits{CPS: 1 << 50}},
		{Workload: spec.Workload{CPS: 10, WorkerWait: time.Hour}, Media: &spec.Media{Instances: []*spec.MediaInstance{{}, {Local: true}}}, Session: spec.Session{Enabled: true},
			Sockets: &spec.Sockets{}, Databases: []*spec.Database{{}}, State: spec.State{HugePages: 3, Persistence: &spec.Persistence{}},
			Hardware:    spec.Hardware{Cores: 1, NICs: []*spec.NIC{{Name: "b", Kind: spec.KindBond, Members: []string{"gone"}}, {Name: "v", Kind: spec.KindVLAN, Parent: "v"}, {Name: "c"}}},
			Listeners:   []*spec.Listener{{Name: "a", NIC: "v", Share: 1, Transport: "wss"}, {Name: "b", NIC: "b"}, {Name: "c", NIC: "c", Conns: &spec.Connections{}, Transport: "tcp"}},
			Dispatchers: []*spec.Dispatcher{{Algorithm: "weight"}, {Algorithm: "priority"}, {Algorithm: "parallel", Destinations: []*spec.Destination{{MaxCPS: 1}}}}},
	} {
		if _, err := json.Marshal(Size(s, nil)); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
	if !reflect.DeepEqual(Size(&spec.Spec{}, nil), Size(&spec.Spec{}, DefaultCoefficients())) {
		t.Error("nil coefficients are not the default ones")
	}
}

func has(b *Budget, id string) bool {
	for _, f := range b.Findings {
		if f.ID == id {
			return true
		}
	}
	return false
}
