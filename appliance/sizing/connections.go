package sizing

import (
	"trunkline/appliance/spec"
)

// Defaults of a listener over TCP, TLS or WebSocket whose spec has no connections
// block, and the largest message without a limit.
const (
	defaultConnections = 4096
	defaultHandshake   = 10 // seconds
	maxMessage         = 65535
	maxDatagram        = 65507 // over IPv4
)

// connections sizes a listener that takes connections. Nothing is retransmitted
// over them, and a sender waits while a buffer is full: a buffer holds two of the
// largest messages, one that is read while the next arrives.
func (z *sizer) connections(f flow, lb *ListenerBudget) {
	id := "listener." + f.l.Name
	largest := z.largestMessage(f.l)
	lb.RecvBuffer = figure(id+".recv_buffer", "Receive buffer of a connection of "+f.l.Name, "B", buffer(2*largest.Value, Page),
		"2 x largest message, whole pages", largest)
	lb.SendBuffer = figure(id+".send_buffer", "Send buffer of a connection of "+f.l.Name, "B", buffer(2*largest.Value, Page),
		"2 x largest message, whole pages", largest)
	n := figure(id+".connections", "Connections of "+f.l.Name, "connections", z.maxConnections(f.l).Value, "connections.max", z.maxConnections(f.l))
	lb.Connections = &n
	if f.l.Secure() && z.cores.Value > 0 {
		per := z.c.in("tls_handshake_cpu")
		t := figure(id+".reconnect", "Time to shake hands with all connections of "+f.l.Name, "s", n.Value*per.Value/z.cores.Value,
			"connections x tls_handshake_cpu / cpu.cores: after a restart all come back at once", of(n), per, of(z.cores))
		lb.Reconnect = &t
	}
}

func (z *sizer) maxConnections(l *spec.Listener) Input {
	n, r := defaultConnections, l.Range
	if l.Conns != nil {
		n, r = l.Conns.Max, at(l.Conns.MaxRange, at(l.Conns.Range, l.Range))
	}
	return stated("listener."+l.Name+".connections.max", float64(max(n, 0)), "connections", r)
}

// largestMessage is what the listener's limits let in.
func (z *sizer) largestMessage(l *spec.Listener) Input {
	size, r := float64(maxMessage), l.Range
	if n := z.s.Limits.MessageSize; n > 0 {
		size, r = float64(n), z.s.Limits.Range
	}
	if own := z.messageSizes[l.Name]; own != nil {
		size, r = float64(own.MessageSize), own.Range
	}
	return stated("limits.message_size", size, "B", r)
}

// connectionBytes is what connections take: of the process, and in all. Each holds
// its socket and its state; queued data is bounded by what arrives in a stall, not
// by the number of connections.
func (z *sizer) connectionBytes() (process, all Figure) {
	kernel, tcp, tls := z.c.in("connection_kernel_bytes"), z.c.in("tcp_connection_bytes"), z.c.in("tls_connection_bytes")
	stall, truesize := z.c.in("stall"), z.c.in("datagram_truesize")
	user, sockets, queued := 0.0, 0.0, 0.0
	var inputs []Input
	for i, f := range z.t.listeners {
		n := z.b.Listeners[i].Connections
		if n == nil {
			continue
		}
		per := tcp
		if f.l.Secure() {
			per = tls
		}
		user += n.Value * per.Value
		sockets += n.Value * kernel.Value
		queued += f.received(z.t.peak.Value) * stall.Value * truesize.Value
		inputs = append(inputs, of(*n), of(f.in))
	}
	process = figure("connections.process", "Connections, in sbcd", "B", whole(user),
		"sum over the listeners of connections x (tcp_connection_bytes or tls_connection_bytes)", append([]Input{tcp, tls}, inputs...)...)
	all = figure("memory.connections", "Connections", "B", pages(process.Value+sockets+queued),
		"connections.process + connections x connection_kernel_bytes + load.peak_cps x datagrams_in x stall x datagram_truesize, whole pages",
		append([]Input{of(process), kernel, of(z.t.peak), stall, truesize}, inputs...)...)
	return process, all
}

// streams reports whether any listener takes connections, and the most that one
// of them takes.
func (z *sizer) streams() (most float64, any bool) {
	for _, l := range z.b.Listeners {
		if l.Connections != nil {
			most, any = max(most, l.Connections.Value), true
		}
	}
	return most, any
}

// connectionFindings tells of listeners whose clients would give up before all of
// them are back.
func (z *sizer) connectionFindings() {
	for i, f := range z.t.listeners {
		t := z.b.Listeners[i].Reconnect
		if t == nil {
			continue
		}
		patience, r := float64(defaultHandshake), f.l.Range
		if f.l.Conns != nil && f.l.Conns.Handshake > 0 {
			patience, r = f.l.Conns.Handshake.Seconds(), at(f.l.Conns.Range, f.l.Range)
		}
		if t.Value > patience {
			z.find("listener.handshakes."+f.l.Name, SeverityWarning, r, "Connections come back slower than their handshake may take",
				"When all %s connections of listener %q come back after a restart, their handshakes take %s s of every core, but each may take %s s: those that wait longer are cut off and try again. Lower connections.max, raise connections.handshake, or use a certificate with an ECDSA key (a handshake takes a ninth of the time).",
				Count(z.b.Listeners[i].Connections.Value), f.l.Name, Count(t.Value), Count(patience))
		}
	}
}

// streamSysctls are the kernel settings of listeners that take connections.
func (z *sizer) streamSysctls() []Sysctl {
	most, any := z.streams()
	if !any {
		return nil
	}
	// Both are ints in the kernel, and somaxconn was 16 bits for long (listen(2)).
	queue := min(max(most, 4096), 65535)
	_, all := z.connectionBytes()
	need := max(roundUp(all.Value, Page)/Page, 16384)
	return []Sysctl{
		{"net.core.somaxconn", digits(queue), "connections that may wait to be taken: all of a listener come back at once after a restart, at least 4,096"},
		{"net.ipv4.tcp_max_syn_backlog", digits(queue), "connections half open, for the same moment"},
		{"net.ipv4.tcp_mem", digits(need) + " " + digits(whole(need*1.5)) + " " + digits(2*need), "pages of all TCP sockets together: pressure begins beyond what the plan counts for connections"},
	}
}
