package sizing

import "math"

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

	proc, slack := c.in("process_bytes"), c.in("gc_slack")
	process := figure("memory.process", "sbcd beyond its state", "B", pages(proc.Value+z.b.SHMTotal.Value*slack.Value),
		"process_bytes + shm.total x gc_slack, whole pages", proc, of(z.b.SHMTotal), slack)

	shm := figure("memory.shm", "State of calls", "B", z.b.SHMTotal.Value, "shm.total", of(z.b.SHMTotal))

	_, all := z.socketBytes()
	sockets := figure("memory.sockets", "Socket buffers, full", "B", all,
		"sum over the listeners of workers x 2 x (recv_buffer + send_buffer)", z.bufferInputs()...)

	floor := c.in("page_cache_bytes")
	cache := figure("memory.page_cache", "Page cache floor", "B", pages(floor.Value), "page_cache_bytes, whole pages", floor)

	z.b.ProcessLimit = figure("process.limit", "Go soft memory limit", "B", process.Value+shm.Value,
		"memory.process + memory.shm", of(process), of(shm))

	free, inputs := total.Value, []Input{total}
	for _, f := range []Figure{kernel, root, process, shm, sockets, cache} {
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
		in = append(in, of(lb.Workers), of(lb.RecvBuffer), of(lb.SendBuffer))
	}
	return in
}

// memoryPerCall and memoryPerCPS are what one more held call and one more call
// a second take, garbage collector's slack included.
func (z *sizer) memoryPerCall() float64 {
	c, high := z.c, z.highWater().Value
	return c.at("call_slot_bytes") * c.at("state_headroom") / high * (1 + c.at("gc_slack"))
}

func (z *sizer) memoryPerCPS() float64 {
	c, high := z.c, z.highWater().Value
	slot := (c.at("transaction_slot_bytes") + c.at("message_bytes_stored")) * (1 + c.at("gc_slack"))
	n := z.st.perCPS * c.at("state_headroom") / high * slot
	for i, f := range z.t.listeners {
		n += z.b.Listeners[i].Workers.Value * f.in.Value * copies(c.at("stall")) * c.at("stall") * c.at("datagram_truesize")
	}
	return n
}
