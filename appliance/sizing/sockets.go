package sizing

import (
	"fmt"
	"math"
	"sort"
)

// maxSocketBuffer is the largest SO_RCVBUF that the kernel can double without
// overflowing the int it keeps (net/core/sock.c), whole pages.
const maxSocketBuffer = 1<<30 - Page

// firstRetransmission and the doubling after it are timer E of RFC 3261
// 17.1.2.2 (A of 17.1.1.2 alike) up to T2.
const (
	timerT1 = 0.5
	timerT2 = 4.0
)

// copies is how often a request is sent, on the mean, while nobody answers for
// stall seconds: requests arrive evenly over the stall, so one that is due t
// seconds after the first sending is seen with probability (stall-t)/stall.
func copies(stall float64) float64 {
	n, due := 1.0, timerT1
	for gap := timerT1; due < stall; {
		n += (stall - due) / stall
		gap = math.Min(2*gap, timerT2)
		due += gap
	}
	return n
}

// buffers sizes the sockets. One trunk is one flow, and a flow lands on one
// socket of the group: so each socket is sized for all of its listener's
// datagrams, not for its share.
func (z *sizer) buffers() {
	c := z.c
	stall, truesize, recvFloor := c.in("stall"), c.in("datagram_truesize"), c.in("recv_buffer_floor")
	sendStall, sendFloor := c.in("send_stall"), c.in("send_buffer_floor")
	n := z.term(figure("sockets.copies", "Copies of a request during a stall", "1", copies(stall.Value),
		"1 + sum over RFC 3261 retransmission times t < stall of (stall - t) / stall", stall))
	for i, f := range z.t.listeners {
		lb := &z.b.Listeners[i]
		if f.l.Stream() {
			z.connections(f, lb)
			continue
		}
		load, inputs := "load.peak_cps x datagrams_in", []Input{of(z.t.peak), of(f.in)}
		loadOut, inputsOut := "load.peak_cps x datagrams_out", []Input{of(z.t.peak), of(f.out)}
		if z.t.refresh.Value > 0 {
			load, inputs = "("+load+" + refreshes_in)", append(inputs, of(f.heldIn))
			loadOut, inputsOut = "("+loadOut+" + refreshes_out)", append(inputsOut, of(f.heldOut))
		}
		lb.RecvBuffer = figure("listener."+f.l.Name+".recv_buffer", "Receive buffer of "+f.l.Name, "B",
			buffer(f.received(z.t.peak.Value)*n.Value*stall.Value*truesize.Value/2, recvFloor.Value),
			"max("+load+" x copies x stall x datagram_truesize / 2, recv_buffer_floor), whole pages; the kernel doubles what is asked for",
			append(inputs, of(n), stall, truesize, recvFloor)...)
		lb.SendBuffer = figure("listener."+f.l.Name+".send_buffer", "Send buffer of "+f.l.Name, "B",
			buffer(f.sent(z.t.peak.Value)*sendStall.Value*truesize.Value/2, sendFloor.Value),
			"max("+loadOut+" x send_stall x datagram_truesize / 2, send_buffer_floor), whole pages; the kernel doubles what is asked for",
			append(inputsOut, sendStall, truesize, sendFloor)...)
		if lb.RecvBuffer.Value >= maxSocketBuffer {
			z.find("sockets.buffer-limit", SeverityWarning, f.l.Range, "Receive buffer at the kernel's limit",
				"Listener %q would need more than the largest receive buffer Linux allows (%s) to ride out %.1f s. Spread its traffic over more listeners.",
				f.l.Name, Bytes(maxSocketBuffer), stall.Value)
		}
	}
}

func buffer(bytes, floor float64) float64 {
	return math.Min(pages(math.Max(bytes, floor)), maxSocketBuffer)
}

// socketBytes is what all UDP sockets of listeners may hold, in kernel terms: twice
// what is asked for.
func (z *sizer) socketBytes() (recv, all float64) {
	for _, lb := range z.b.Listeners {
		if lb.Connections != nil {
			continue
		}
		recv += lb.Workers.Value * 2 * lb.RecvBuffer.Value
		all += lb.Workers.Value * 2 * (lb.RecvBuffer.Value + lb.SendBuffer.Value)
	}
	return recv, all
}

// sourceRate bounds what one source may send: one source may be the only trunk.
func (z *sizer) sourceRate() {
	fw := z.s.Firewall
	rate, req := stated("firewall.source_rate", float64(fw.SourceRate), "packets/s", fw.Range), z.c.in("requests_in_per_call")
	if fw.SourceRate > 0 {
		z.b.SourceRate = figure("firewall.source_rate", "Datagrams per source", "packets/s", rate.Value, "as the spec says", rate)
		if fewest := z.t.cps.Value * req.Value; rate.Value < fewest {
			z.find("firewall.source-rate", SeverityWarning, fw.Range, "Source rate below the planned load",
				"One trunk that sends all planned calls sends %s datagrams/s, but firewall.source_rate drops above %s. Write source_rate = %.0f or leave it out.",
				Count(fewest), Count(rate.Value), whole(fewest*z.c.at("source_rate_factor")))
		}
		return
	}
	k := z.c.in("source_rate_factor")
	z.b.SourceRate = figure("firewall.source_rate", "Datagrams per source", "packets/s",
		math.Max(100, whole(z.t.peak.Value*req.Value*k.Value)),
		"max(100, load.peak_cps x requests_in_per_call x source_rate_factor)", of(z.t.peak), req, k)
}

// sysctls derives the kernel settings the sockets need.
func (z *sizer) sysctls() {
	var rmem, wmem, in float64
	for i, lb := range z.b.Listeners {
		rmem, wmem = math.Max(rmem, lb.RecvBuffer.Value), math.Max(wmem, lb.SendBuffer.Value)
		in += z.t.listeners[i].received(z.t.peak.Value)
	}
	recv, _ := z.socketBytes()
	if b := z.b.Sockets; b != nil {
		rmem, wmem = math.Max(rmem, b.RecvBuffer.Value), math.Max(wmem, b.SendBuffer.Value)
		more, _ := z.dynamicBytes()
		recv += more
	}
	in *= copies(z.c.at("stall"))
	if z.b.Media != nil {
		in += z.media.local.Value * z.media.rate.Value
	}
	need := math.Max(math.Ceil(recv/Page), 16384)
	backlog := math.Min(math.Max(1000, whole(in*z.c.at("send_stall"))), 1<<30)
	set := []Sysctl{
		{"net.core.netdev_max_backlog", digits(backlog), "datagrams a CPU may hold between the card and the sockets: 0.1 s of the worst rate, at least 1,000"},
		{"net.core.rmem_max", digits(rmem), "largest receive buffer a listener asks for"},
		{"net.core.wmem_max", digits(wmem), "largest send buffer a listener asks for"},
		{"net.ipv4.udp_mem", fmt.Sprintf("%.0f %.0f %.0f", need, math.Ceil(need*1.5), 2*need), "pages of all UDP sockets together: pressure begins beyond what the listeners may fill"},
		{"net.ipv4.conf.all.accept_redirects", "0", "routes come from the spec alone"},
		{"net.ipv4.conf.all.send_redirects", "0", "the appliance relays SIP, not packets"},
		{"net.ipv4.conf.default.accept_redirects", "0", "routes come from the spec alone"},
		{"net.ipv6.conf.all.accept_ra", "0", "addresses and routes come from the spec alone"},
		{"net.ipv6.conf.all.accept_redirects", "0", "routes come from the spec alone"},
		{"net.ipv6.conf.default.accept_ra", "0", "addresses and routes come from the spec alone"},
		{"kernel.panic", "10", "a kernel that cannot go on reboots after 10 s: there is no console operator"},
	}
	set = append(set, z.streamSysctls()...)
	set = append(set, z.hugePageSysctls()...)
	sort.Slice(set, func(i, j int) bool { return set[i].Key < set[j].Key })
	z.b.Sysctls = set
}

// digits renders a whole number as the kernel reads it.
func digits(v float64) string { return fmt.Sprintf("%.0f", v) }
