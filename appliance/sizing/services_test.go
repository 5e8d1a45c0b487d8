package sizing

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"trunkline/appliance/spec"
)

func item(b *Budget, id string) float64 {
	for _, m := range b.Memory {
		if m.Bytes.ID == id {
			return m.Bytes.Value
		}
	}
	return -1
}

func sysctl(b *Budget, key string) string {
	for _, s := range b.Sysctls {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

func TestConnections(t *testing.T) {
	s := edge()
	udp := Size(s, nil)
	if sysctl(udp, "net.core.somaxconn") != "" || udp.Listeners[0].Connections != nil || item(udp, "memory.connections") >= 0 {
		t.Error("UDP alone has settings of connections")
	}
	l := s.Listeners[0]
	l.Transport, l.Conns = spec.TransportTLS, &spec.Connections{Max: 10000, Handshake: 10 * time.Second, Range: line(21)}
	b := Size(s, nil)
	lb := b.Listeners[0]
	if lb.Connections.Value != 10000 || lb.RecvBuffer.Value != 131072 || lb.SendBuffer.Value != 131072 {
		t.Errorf("%+v", lb)
	}
	c := DefaultCoefficients()
	// 1.5 datagrams of a call arrive here.
	want := 10000*(c.at("tls_connection_bytes")+c.at("connection_kernel_bytes")) + 200*1.5*c.at("stall")*c.at("datagram_truesize")
	if got := item(b, "memory.connections"); got != pages(want) {
		t.Errorf("memory of connections = %v, want %v", got, want)
	}
	if got := b.ProcessLimit.Value - udp.ProcessLimit.Value; got < 10000*c.at("tls_connection_bytes") {
		t.Errorf("the process may grow by %v only", got)
	}
	if sysctl(b, "net.core.somaxconn") != "10000" || sysctl(b, "net.ipv4.tcp_max_syn_backlog") != "10000" || sysctl(b, "net.ipv4.tcp_mem") == "" {
		t.Errorf("%+v", b.Sysctls)
	}
	if got := b.OpenFiles.Value - udp.OpenFiles.Value; got < 10000-1024 {
		t.Errorf("descriptors grew by %v", got)
	}
	// 10,000 x 2 ms on four cores are 5 s: in time.
	if lb.Reconnect.Value != 5 || has(b, "listener.handshakes.carrier-a") {
		t.Errorf("reconnect %v s, %+v", lb.Reconnect.Value, b.Findings)
	}
	if !(b.CoresNeeded.Value > udp.CoresNeeded.Value) || !(ceilings(b)["worker CPU/cps"] < ceilings(udp)["worker CPU/cps"]) {
		t.Error("TLS costs nothing")
	}
	if ceilings(b)["socket of listener carrier-a/cps"] != 0 {
		t.Error("connections have no one-socket ceiling")
	}
	l.Conns.Max = 30000
	if b = Size(s, nil); !has(b, "listener.handshakes.carrier-a") {
		t.Errorf("15 s of handshakes and each may take 10: %+v", b.Findings)
	}
	s.Limits.Listeners = []*spec.ScopedLimits{{Name: "carrier-a", MessageSize: 16384, Range: line(71)}}
	if got := Size(s, nil).Listeners[0].RecvBuffer.Value; got != 32768 {
		t.Errorf("receive buffer of small messages = %v", got)
	}
	l.Transport, l.Conns = spec.TransportTCP, nil
	if b = Size(s, nil); b.Listeners[0].Connections.Value != 4096 || b.Listeners[0].Reconnect != nil {
		t.Errorf("TCP by default: %+v", b.Listeners[0])
	}
}

// S3, S4, K4: workers and slots of their own, and what they hold.
func TestDynamicSockets(t *testing.T) {
	s := edge()
	before := Size(s, nil)
	s.Sockets = &spec.Sockets{Workers: 8, MaxSockets: 100, Range: line(110), WorkersRange: line(111)}
	b := Size(s, nil)
	if b.TotalWorkers.Value != before.TotalWorkers.Value+8 {
		t.Errorf("%v workers in all", b.TotalWorkers.Value)
	}
	for i, l := range b.Listeners {
		if l.Workers.Value != before.Listeners[i].Workers.Value {
			t.Errorf("dynamic sockets took workers of %s", l.Listener)
		}
	}
	if got := item(b, "memory.dynamic"); got != 100*2*(1<<20+256<<10) {
		t.Errorf("memory = %v", got)
	}
	var f *Finding
	for i := range b.Findings {
		if b.Findings[i].ID == "sockets.workers" {
			f = &b.Findings[i]
		}
	}
	if f == nil || f.At != "edge.hcl:111" || !strings.Contains(f.Detail, "8 workers on 4 hardware threads") || !strings.Contains(f.Detail, "Write workers = 4") {
		t.Errorf("%+v", b.Findings)
	}
	s.Sockets.Workers = 4
	if has(Size(s, nil), "sockets.workers") {
		t.Error("as many as threads are fine")
	}
}

func TestPersistence(t *testing.T) {
	s := edge()
	s.State.Persistence = &spec.Persistence{To: "database", Mode: "delayed", Interval: 10 * time.Second, Range: line(62)}
	b := Size(s, nil)
	// 400 changes a second in batches of 10 s; 13,600 calls held of 1 KiB.
	if p := b.Persistence; p.Writes.Value != 0.1 || p.Rows.Value != 4000 || p.Bytes.Value != 13600*1024 {
		t.Errorf("%+v", p)
	}
	if got := item(b, "memory.persistence"); got != pages(2*4000*1024) {
		t.Errorf("memory = %v", got)
	}
	if has(b, "state.persistence") {
		t.Errorf("%+v", b.Findings)
	}
	s.State.Persistence.Mode = "at-once"
	s.Session = spec.Session{Enabled: true, Expires: 30 * time.Minute}
	b = Size(s, nil)
	if got, want := b.Persistence.Rows.Value, whole((400+13600/900.0)/5); b.Persistence.Writes.Value != 5 || got != want {
		t.Errorf("%v writes/s of %v calls, want 5 of %v", b.Persistence.Writes.Value, got, want)
	}
	if !has(b, "state.persistence") || b.Errored() {
		t.Errorf("%+v", b.Findings)
	}
}

func TestHugePages(t *testing.T) {
	s := edge()
	plain := Size(s, nil)
	s.State.HugePages = 2 << 20
	b := Size(s, nil)
	rest := item(b, "memory.hugepages")
	if got := b.Arena.Value + rest; math.Mod(got, 2<<20) != 0 || rest < 0.01*b.Arena.Value || rest >= 2<<20+0.01*b.Arena.Value {
		t.Errorf("%v bytes of huge pages", got)
	}
	if want := digits((b.Arena.Value + rest) / (2 << 20)); sysctl(b, "vm.nr_hugepages") != want || sysctl(plain, "vm.nr_hugepages") != "" {
		t.Errorf("vm.nr_hugepages = %q, want %s", sysctl(b, "vm.nr_hugepages"), want)
	}
	s.State.HugePages = 1 << 30
	if b = Size(s, nil); sysctl(b, "vm.nr_hugepages") != "" || len(b.Kernel) != 2 || b.Kernel[0].Key+"="+b.Kernel[0].Value != "hugepagesz=1G" || b.Kernel[1].Key+"="+b.Kernel[1].Value != "hugepages=1" {
		t.Errorf("pages of 1 GiB come from the command line: %+v", b.Kernel)
	}
}

// T1: with work that waits, workers = threads x (1 + wait / service).
func TestWorkerWait(t *testing.T) {
	s := edge()
	before := Size(s, nil)
	s.Workload.WorkerWait, s.Workload.WorkerWaitRange = 3500*time.Microsecond, line(15)
	b := Size(s, nil)
	if got := b.TotalWorkers.Value; got != 44 { // 4 x (1 + 3.5 / 0.35)
		t.Errorf("workers = %v", got)
	}
	var note *Finding
	for i := range b.Findings {
		if b.Findings[i].ID == "workers.wait" {
			note = &b.Findings[i]
		}
	}
	if note == nil || note.At != "edge.hcl:15" || note.Severity != SeverityNote || !strings.Contains(note.Detail, "44 workers") {
		t.Errorf("%+v", b.Findings)
	}
	if has(before, "workers.wait") || has(b, "workers.shared-threads") {
		t.Error("a finding that nobody asked for")
	}
	// Waiting takes no CPU: what all together carry stays.
	if x, y := ceilings(before)["worker CPU/cps"], ceilings(b)["worker CPU/cps"]; x != y {
		t.Errorf("CPU ceiling went from %v to %v", x, y)
	}
	s.Listeners[1].Workers = 40
	if b = Size(s, nil); has(b, "workers.above-threads") {
		t.Errorf("40 workers that wait are not too many: %+v", b.Findings)
	}
	s.Listeners[1].Workers = 2 // 200 x 0.75 x 3.85 ms / 0.6 are 0.96
	if b = Size(s, nil); has(b, "workers.too-few") {
		t.Errorf("%+v", b.Findings)
	}
	s.Listeners[1].Workers, s.Workload.CPS = 1, 400
	if b = Size(s, nil); !has(b, "workers.too-few") {
		t.Errorf("one worker for 1.5 s of waiting a second: %+v", b.Findings)
	}
}

func TestRanges(t *testing.T) {
	b := Size(edge(), nil)
	find := func(id string) Figure {
		var out Figure
		b.Each(func(f *Figure) {
			if f.ID == id {
				out = *f
			}
		})
		return out
	}
	// cpu_per_call is stated at twice what was measured at worst: its value is the
	// end of the band.
	for _, c := range []struct {
		id        string
		low, high float64
	}{
		{"cpu.cores_needed", 200 * 0.000109 / 0.6, 200 * 0.00035 / 0.6},
		{"ceiling.cpu", math.Floor(4 * 0.6 / 0.00035), math.Floor(4 * 0.6 / 0.000109)},
		{"shm.calls.bytes_per_row", 68, 70},
	} {
		if f := find(c.id); math.Abs(f.Low-c.low) > 1e-9 || math.Abs(f.High-c.high) > 1e-9 || !f.Ranged() {
			t.Errorf("%s: %v to %v, want %v to %v", c.id, f.Low, f.High, c.low, c.high)
		}
	}
	for _, id := range []string{"load.offered", "workers.total", "transactions.slots", "listener.core.recv_buffer"} {
		if f := find(id); f.Ranged() || f.ID == "" {
			t.Errorf("nothing %s depends on has a range: %+v", id, f)
		}
	}
	for _, id := range []string{"shm.total", "memory.process", "memory.shm", "memory.free", "ceiling.listener.core.cpu"} {
		if f := find(id); !f.Ranged() {
			t.Errorf("%s has no range", id)
		}
	}
	// A measurement without a range has none to give.
	src := ""
	for _, name := range DefaultCoefficients().Names() {
		v, _ := DefaultCoefficients().Get(name)
		if len(v.Range) == 2 {
			src += "coefficient \"" + name + "\" {\n value = " + strconv.FormatFloat(v.Value, 'f', -1, 64) + "\n unit = \"" + v.Unit + "\"\n source = \"here\"\n date = \"2026-11\"\n}\n"
		}
	}
	c, diags := ParseCoefficients([]byte(src), "c.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	Size(edge(), c).Each(func(f *Figure) {
		if f.Ranged() {
			t.Errorf("%s: %v to %v", f.ID, f.Low, f.High)
		}
	})
}

// A worker's receive calls have room for the largest message its listeners let in.
func TestWorkerMemory(t *testing.T) {
	per := func(s *spec.Spec) float64 {
		for _, table := range Size(s, nil).SHM {
			if table.Name == "listeners" {
				return table.BytesPerRow.Value
			}
		}
		return 0
	}
	s := edge()
	if got := per(s); got != 262144+32*65507 {
		t.Errorf("by default %v", got)
	}
	s.Limits.MessageSize = 16384
	if got := per(s); got != 262144+32*16384 {
		t.Errorf("with message_size %v", got)
	}
	s.Limits.Listeners = []*spec.ScopedLimits{{Name: "core", MessageSize: 32768, Range: line(71)}}
	if got := per(s); got != 262144+32*32768 {
		t.Errorf("with a larger one of a listener %v", got)
	}
	for _, l := range s.Listeners {
		l.Transport = spec.TransportTCP
	}
	if got := per(s); got != 262144 {
		t.Errorf("without UDP %v", got)
	}
}

// Room for emergency calls is beside what all calls get, and changes none of that.
func TestEmergency(t *testing.T) {
	s := edge()
	before := Size(s, nil)
	s.Limits.Emergency = &spec.Emergency{Reserve: 20, Range: line(50)}
	b := Size(s, nil)
	e := b.Emergency
	if before.Emergency != nil || e == nil || e.Calls.Value != 20 || e.Transactions.Value != 40 {
		t.Fatalf("room for emergency calls: %+v, without any: %+v", e, before.Emergency)
	}
	if b.Transactions.Value != before.Transactions.Value || b.Calls.Value != before.Calls.Value || b.MessageBytes.Value != before.MessageBytes.Value {
		t.Error("the slots for all calls changed")
	}
	c := DefaultCoefficients()
	want := pages(20 * (c.at("call_slot_bytes") + 2*(c.at("transaction_slot_bytes")+c.at("message_bytes_stored"))))
	if got := b.SHMTotal.Value - before.SHMTotal.Value; got != want {
		t.Errorf("they take %v bytes, want %v", got, want)
	}
}
