package sizing

import (
	"fmt"
	"math"
)

// memory draws the map of the host's memory. The last item is what is left, so
// the items add up to the machine's memory to the byte.
func (z *sizer) memory() {
	s, c := z.s, z.c
	total := stated("hardware.memory", math.Min(float64(s.Hardware.Memory), exact), "B", at(s.Hardware.MemoryRange, s.Hardware.Range))
	base, share := c.in("kernel_bytes"), c.in("kernel_share")
	kernel := figure("memory.kernel", "Kernel and systemd", "B", pages(base.Value+total.Value*share.Value),
		"kernel_bytes + hardware.memory x kernel_share, whole pages", base, total, share)

	image := c.in("root_image_bytes")
	baked := Input{Name: "baked caches", Value: bakedBytes(s), Unit: "B", Source: "size of the files in the config layer"}
	root := figure("memory.image", "Root image and config layer", "B", pages(image.Value+baked.Value),
		"root_image_bytes + baked caches, whole pages", image, baked)
	if len(s.Media.LocalInstances()) > 0 {
		relay := c.in("media_image_bytes")
		root = figure("memory.image", "Root image and config layer", "B", pages(image.Value+relay.Value+baked.Value),
			"root_image_bytes + media_image_bytes + baked caches, whole pages", image, relay, baked)
	}

	proc, slack := c.in("process_bytes"), c.in("gc_slack")
	process := figure("memory.process", "sbcd beyond its state", "B", pages(proc.Value+z.b.SHMTotal.Value*slack.Value),
		"process_bytes + shm.total x gc_slack, whole pages", proc, of(z.b.SHMTotal), slack)

	shm := figure("memory.shm", "State of calls", "B", z.b.SHMTotal.Value, "shm.total", of(z.b.SHMTotal))

	_, all := z.socketBytes()
	sockets := figure("memory.sockets", "Socket buffers, full", "B", all,
		"sum over the UDP listeners of workers x 2 x (recv_buffer + send_buffer)", z.bufferInputs()...)

	floor := c.in("page_cache_bytes")
	cache := figure("memory.page_cache", "Page cache floor", "B", pages(floor.Value), "page_cache_bytes, whole pages", floor)

	items := []Figure{kernel, root, process, shm}
	items = append(items, z.hugePages()...)
	items = append(items, sockets)
	arena := of(z.b.Arena)
	limit, formula, inputs := process.Value+shm.Value-arena.Value, "memory.process + memory.shm - shm.arena", []Input{of(process), of(shm), arena}
	inProcess := func(f Figure) {
		limit, formula, inputs = limit+f.Value, formula+" + "+f.ID, append(inputs, of(f))
	}
	if _, any := z.streams(); any {
		own, all := z.connectionBytes()
		items = append(items, all)
		inProcess(z.term(own))
	}
	if b := z.b.Sockets; b != nil {
		_, bytes := z.dynamicBytes()
		items = append(items, figure("memory.dynamic", "Dynamic sockets, full", "B", bytes,
			"dynamic.sockets x 2 x (recv_buffer + send_buffer)", of(b.Sockets), of(b.RecvBuffer), of(b.SendBuffer)))
	}
	if f := z.databaseBytes(); f.Value > 0 {
		items = append(items, f)
		inProcess(f)
	}
	if z.b.Persistence != nil {
		f := z.persistenceBytes()
		items = append(items, f)
		inProcess(f)
	}
	if f := z.mediaBytes(); f.Value > 0 {
		items = append(items, f)
	}
	items = append(items, cache)
	z.b.ProcessLimit = figure("process.limit", "Go soft memory limit", "B", limit, formula, inputs...)

	free, inputs := total.Value, []Input{total}
	for _, f := range items {
		z.b.Memory = append(z.b.Memory, MemoryItem{Name: f.Name, Bytes: f})
		free -= f.Value
		inputs = append(inputs, of(f))
	}
	z.free = figure("memory.free", "free", "B", free, "hardware.memory - all of the above", inputs...)
	z.b.Memory = append(z.b.Memory, MemoryItem{Name: "free", Bytes: z.free})
	if free < 0 {
		z.find("memory.exceeded", SeverityError, at(s.Hardware.MemoryRange, s.Hardware.Range), "Not enough memory",
			"The plan needs %s, the machine has %s: %s are missing. %s", Bytes(total.Value-free), Bytes(total.Value), Bytes(-free), z.memoryRemedy())
	}
}

func (z *sizer) memoryRemedy() string {
	want := pages(float64(z.s.Hardware.Memory) - math.Min(z.free.Value, 0))
	gib := math.Ceil(want / (1 << 30))
	if z.s.State.Memory > 0 {
		return "Lower state.memory, or raise hardware.memory to " + digits(gib) + "GiB."
	}
	return "Raise hardware.memory to " + digits(gib) + "GiB."
}

func (z *sizer) bufferInputs() []Input {
	var in []Input
	for _, lb := range z.b.Listeners {
		if lb.Connections != nil {
			continue
		}
		in = append(in, of(lb.Workers), of(lb.RecvBuffer), of(lb.SendBuffer))
	}
	return in
}

// hugePages is what the last huge page of the state does not use; nothing with
// ordinary pages.
func (z *sizer) hugePages() []Figure {
	size := float64(z.s.State.HugePages)
	if size <= 0 {
		return nil
	}
	in := stated("state.hugepages", size, "B", at(z.s.State.HugePagesRange, z.s.State.Range))
	return []Figure{figure("memory.hugepages", "State, rest of its huge pages", "B", roundUp(z.b.Arena.Value*hugeSpare, size)-z.b.Arena.Value,
		fmt.Sprintf("shm.arena x %g rounded up to hugepages - shm.arena", hugeSpare), of(z.b.Arena), in)}
}

// hugeSpare is what more is set aside than the tables were computed to take: one page too
// few, and there is no state at all.
const hugeSpare = 1.01

// smallHugePage is the size vm.nr_hugepages counts in unless the kernel's command
// line says otherwise (amd64, kernel: Documentation/admin-guide/mm/hugetlbpage.rst).
const smallHugePage = 2 << 20

// hugePageSysctls are the settings that set huge pages aside; of larger ones, which only the
// kernel itself can have when it starts, the parameters of its command line.
func (z *sizer) hugePageSysctls() []Sysctl {
	size := float64(z.s.State.HugePages)
	if size <= 0 {
		return nil
	}
	n := digits(roundUp(z.b.Arena.Value*hugeSpare, size) / size)
	if size != smallHugePage {
		why := fmt.Sprintf("huge pages of %s, set aside for the state of calls: once the kernel has started there are none", Bytes(size))
		z.b.Kernel = []Sysctl{{"hugepagesz", fmt.Sprintf("%.0fG", size/(1<<30)), why}, {"hugepages", n, why}}
		return nil
	}
	return []Sysctl{{"vm.nr_hugepages", n, "huge pages of 2 MiB, set aside for the state of calls"}}
}

// databaseBytes is what the connections of this appliance take in sbcd.
func (z *sizer) databaseBytes() Figure {
	per, n, inputs := z.c.in("database_connection_bytes"), 0.0, []Input{}
	for _, d := range z.s.Databases {
		p := z.pool(d)
		n += p.Value
		inputs = append(inputs, p)
	}
	return figure("memory.databases", "Database connections", "B", pages(n*per.Value),
		"sum of pool x uses x database_connection_bytes, whole pages", append(inputs, per)...)
}

// mediaBytes is what the relays on this appliance take.
func (z *sizer) mediaBytes() Figure {
	if z.b.Media == nil {
		return Figure{}
	}
	base, per, n := z.c.in("media_process_bytes"), z.c.in("media_session_bytes"), 0.0
	for _, i := range z.s.Media.Instances {
		if i.Local {
			n++
		}
	}
	relays := stated("relays here", n, "instances", z.s.Media.Range)
	return figure("memory.media", "Media relays", "B", pages(n*base.Value+z.media.local.Value*per.Value),
		"relays here x media_process_bytes + media.local.sessions x media_session_bytes, whole pages", relays, base, of(z.media.local), per)
}

// memoryPerCall and memoryPerCPS are what one more held call and one more call
// a second take, garbage collector's slack included.
func (z *sizer) memoryPerCall() float64 {
	c, high := z.c, z.highWater().Value
	n := (z.rows.call.Value + z.dialogBytes() + z.recordPerCall() + z.originPerCall() + z.mediaOfCall()) * c.at("state_headroom") / high * (1 + c.at("gc_slack"))
	if z.b.Media != nil && z.b.Media.Sessions.Value > 0 {
		n += c.at("media_session_bytes") * z.media.local.Value / z.b.Media.Sessions.Value
	}
	if z.t.refresh.Value > 0 {
		n += z.t.refresh.Value / z.t.held.Value * z.persistedPerChange()
		for i, f := range z.t.listeners {
			n += f.heldIn.Value / z.t.held.Value * z.memoryPerDatagram(i)
		}
	}
	return n
}

func (z *sizer) memoryPerCPS() float64 {
	c, high := z.c, z.highWater().Value
	slot := (z.rows.slot.Value + z.rows.stored.Value) * (1 + c.at("gc_slack"))
	n := z.st.perCPS * c.at("state_headroom") / high * slot
	n += c.at("persisted_changes_per_call") * z.persistedPerChange()
	for i, f := range z.t.listeners {
		n += f.in.Value * z.memoryPerDatagram(i)
	}
	return n
}

// memoryPerDatagram is what one more datagram a second takes in the buffers of a
// listener.
func (z *sizer) memoryPerDatagram(i int) float64 {
	c, lb := z.c, z.b.Listeners[i]
	if lb.Connections != nil {
		return c.at("stall") * c.at("datagram_truesize")
	}
	return lb.Workers.Value * copies(c.at("stall")) * c.at("stall") * c.at("datagram_truesize")
}

// persistedPerChange is memory for one more change of a call a second.
func (z *sizer) persistedPerChange() float64 {
	p := z.s.State.Persistence
	switch {
	case p == nil:
		return 0
	case p.Mode == persistAtOnce:
		return 2 * atOnce * z.c.at("persisted_call_bytes")
	}
	return 2 * math.Max(p.Interval.Seconds(), 0) * z.c.at("persisted_call_bytes")
}
