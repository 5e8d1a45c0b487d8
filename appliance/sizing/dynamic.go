package sizing

// dynamicSockets sizes the sockets that come from a table (S3, S4). Their workers
// are a set of their own beside those of the listeners, and not taken from them:
// how the planned calls fall to listeners and dynamic sockets is not known
// beforehand, and a worker that waits costs memory alone.
func (z *sizer) dynamicSockets() {
	d := z.s.Sockets
	if d == nil {
		return
	}
	recv, send := z.c.in("recv_buffer_floor"), z.c.in("send_buffer_floor")
	slots := stated("sockets.max_sockets", float64(max(d.MaxSockets, 0)), "sockets", at(d.MaxSocketsRange, d.Range))
	workers := stated("sockets.workers", float64(max(d.Workers, 0)), "workers", at(d.WorkersRange, d.Range))
	z.b.Sockets = &SocketsBudget{
		Sockets: figure("dynamic.sockets", "Dynamic sockets", "sockets", slots.Value, "sockets.max_sockets, set aside from the start", slots),
		Workers: figure("dynamic.workers", "Workers of dynamic sockets", "workers", workers.Value, "as the spec says, of all dynamic sockets together", workers),
		RecvBuffer: figure("dynamic.recv_buffer", "Receive buffer of a dynamic socket", "B", buffer(recv.Value, 0),
			"recv_buffer_floor, whole pages: nothing says how much each receives", recv),
		SendBuffer: figure("dynamic.send_buffer", "Send buffer of a dynamic socket", "B", buffer(send.Value, 0),
			"send_buffer_floor, whole pages", send),
	}
	if threads := z.s.Hardware.Threads(); d.Workers > threads {
		z.find("sockets.workers", SeverityWarning, at(d.WorkersRange, d.Range), "More dynamic workers than hardware threads",
			"The dynamic sockets have %d workers on %d hardware threads, beside those of the listeners. A worker never waits for anything but its sockets, so more of them only add switches and memory (%s each). Write workers = %d.",
			d.Workers, threads, Bytes(z.workerBytes()), max(threads, 1))
	}
}

// dynamicBytes is what all dynamic sockets may hold, in kernel terms.
func (z *sizer) dynamicBytes() (recv, all float64) {
	b := z.b.Sockets
	if b == nil {
		return 0, 0
	}
	return b.Sockets.Value * 2 * b.RecvBuffer.Value, b.Sockets.Value * 2 * (b.RecvBuffer.Value + b.SendBuffer.Value)
}
