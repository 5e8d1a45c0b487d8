package sizing

import (
	"math"

	"trunkline/appliance/spec"
)

// Bytes around the payload of a media packet.
const (
	ethernetBytes = 38     // header 14, checksum 4, preamble and gap 20 (IEEE 802.3)
	rtpBytes      = 12 + 8 // RTP (RFC 3550 section 5.1) and UDP
	ipv4Bytes     = 20
	ipv6Bytes     = 40
)

// portsPerSession is RTP and RTCP of both sides of a call: ports of one side are a
// pair (RFC 3550 section 11), and the relay stands between two sides.
const portsPerSession = 4

// mediaLoad is how calls meet the relays.
type mediaLoad struct {
	total float64   // of the weights
	most  []float64 // the two largest weights
	local Figure    // sessions relayed on this appliance
	rate  Figure    // packets per second received for one session
	bits  Figure    // bits per second received for one session

	// CPU time that the relays on this appliance take.
	callCPU Figure // of one call's commands, seconds
	heldCPU Figure // of the media and refreshes of the calls held, cores
}

// mediaBudget sizes the relays: every call goes through one of them, so sessions
// are the calls held, ringing ones included.
func (z *sizer) mediaBudget() {
	m := z.s.Media
	if m == nil || len(m.Instances) == 0 {
		return
	}
	c, b := z.c, &MediaBudget{Instances: []MediaInstance{}}
	z.b.Media = b
	z.mediaWeights(m)
	b.Sessions = figure("media.sessions", "Media sessions held at once", "sessions", z.t.held.Value,
		"load.calls_held: every call has one from its offer to its end", of(z.t.held))

	perCall, perRefresh, socket := c.in("media_commands_per_call"), c.in("media_commands_per_refresh"), c.in("media_socket_commands")
	rate, formula, inputs := z.t.cps.Value*perCall.Value, "load.cps x media_commands_per_call", []Input{of(z.t.cps), perCall}
	if z.t.refresh.Value > 0 {
		rate, formula, inputs = rate+z.t.refresh.Value*perRefresh.Value, formula+" + load.refreshes x media_commands_per_refresh", append(inputs, of(z.t.refresh), perRefresh)
	}
	b.Commands = figure("media.commands", "Commands to the relays", "commands/s", rate, formula, inputs...)
	b.Sockets = figure("media.sockets", "Control sockets the planned rate needs", "sockets", whole(rate/socket.Value),
		"media.commands / media_socket_commands", of(b.Commands), socket)

	z.mediaPackets(m)
	b.Packets = figure("media.packets", "Media packets received, all relays", "packets/s", b.Sessions.Value*z.media.rate.Value,
		"media.sessions x media.session.packets", of(b.Sessions), of(z.media.rate))
	b.Bandwidth = figure("media.bandwidth", "Media received, all relays", "bit/s", b.Sessions.Value*z.media.bits.Value,
		"media.sessions x media.session.bandwidth", of(b.Sessions), of(z.media.bits))

	for _, i := range m.Instances {
		id := "media." + i.Name
		part := z.mediaPart(i)
		held := figure(id+".sessions", "Sessions "+i.Name+" must hold", "sessions", whole(b.Sessions.Value*part.Value),
			"media.sessions x part of the calls", of(b.Sessions), part)
		b.Instances = append(b.Instances, MediaInstance{Name: i.Name, Sessions: held,
			Rate: figure(id+".rate", "Commands "+i.Name+" must take", "commands/s", rate*part.Value,
				"media.commands x part of the calls", of(b.Commands), part),
			Ports: figure(id+".ports", "UDP ports "+i.Name+" must have", "ports", portsPerSession*held.Value,
				"sessions x 4: RTP and RTCP of both sides", of(held))})
	}
	z.localMedia(m)
}

// mediaWeights finds the two largest: the heaviest other instance is the one
// whose loss an instance feels most.
func (z *sizer) mediaWeights(m *spec.Media) {
	l := &z.media
	l.most = []float64{0, 0}
	for _, i := range m.Instances {
		w := mediaWeight(i)
		l.total += w
		if w > l.most[0] {
			l.most = []float64{w, l.most[0]}
		} else {
			l.most[1] = math.Max(l.most[1], w)
		}
	}
}

func mediaWeight(i *spec.MediaInstance) float64 { return float64(max(i.Weight, 1)) }

// mediaPart is the part of all calls that falls to an instance with the heaviest
// of the others down. A lone instance has all calls, or none.
func (z *sizer) mediaPart(i *spec.MediaInstance) Input {
	own := mediaWeight(i)
	down := z.media.most[0]
	if own == down {
		down = z.media.most[1]
	}
	return stated("part of the calls of "+i.Name, own/(z.media.total-down), "1", i.Range)
}

// mediaPackets is one session: a stream from each side arrives and leaves again.
func (z *sizer) mediaPackets(m *spec.Media) {
	ptime := stated("media.ptime", m.PTime.Seconds(), "s", m.Range)
	payload := stated("media.bitrate", float64(m.Bitrate), "bit/s", m.Range)
	if ptime.Value <= 0 {
		ptime.Value = 0.02
	}
	ip := Input{Name: "IP header", Value: ipv4Bytes, Unit: "B", Source: "IPv4 (RFC 791)"}
	if mediaIsIPv6(m) {
		ip = Input{Name: "IP header", Value: ipv6Bytes, Unit: "B", Source: "IPv6 (RFC 8200)"}
	}
	rtp := Input{Name: "RTP and UDP", Value: rtpBytes, Unit: "B", Source: "RFC 3550 section 5.1: 12, RFC 768: 8"}
	eth := Input{Name: "Ethernet", Value: ethernetBytes, Unit: "B", Source: "IEEE 802.3: 14 and 4, preamble and gap 20"}
	z.media.rate = figure("media.session.packets", "Media packets received for a session", "packets/s", 2/ptime.Value,
		"2 sides / ptime; RTCP adds one in some seconds and is left out", ptime)
	z.media.bits = figure("media.session.bandwidth", "Media received for a session", "bit/s",
		2*(payload.Value+8*(rtp.Value+ip.Value+eth.Value)/ptime.Value),
		"2 sides x (bitrate + 8 x (RTP and UDP + IP header + Ethernet) / ptime)", payload, rtp, ip, eth, ptime)
	z.term(z.media.rate)
	z.term(z.media.bits)
}

// mediaIsIPv6 reports whether media may come over IPv6: an address of the
// appliance says so, of a remote relay its control address.
func mediaIsIPv6(m *spec.Media) bool {
	for _, i := range m.Instances {
		for _, a := range i.Addresses {
			if a.Is6() && !a.Is4In6() {
				return true
			}
		}
		for _, a := range i.Control {
			if !i.Local && a.Addr().Is6() && !a.Addr().Is4In6() {
				return true
			}
		}
	}
	return false
}

// localMedia is what the relays on this appliance take of it, with the heaviest
// remote one down.
func (z *sizer) localMedia(m *spec.Media) {
	own, remote := 0.0, 0.0
	for _, i := range m.Instances {
		if w := mediaWeight(i); i.Local {
			own += w
		} else {
			remote = math.Max(remote, w)
		}
	}
	part := 0.0
	if own > 0 {
		part = own / (z.media.total - remote)
	}
	in := Input{Name: "part relayed here", Value: part, Unit: "1", Source: "weight of the instances on this appliance, the heaviest other one down"}
	z.media.local = figure("media.local.sessions", "Sessions relayed on this appliance", "sessions", z.b.Media.Sessions.Value*part,
		"media.sessions x part relayed here", of(z.b.Media.Sessions), in)
	packet, command, perCall, perRefresh := z.c.in("media_packet_cpu"), z.c.in("media_command_cpu"), z.c.in("media_commands_per_call"), z.c.in("media_commands_per_refresh")
	z.media.callCPU = figure("media.call_cpu", "CPU time of the relays here for a call's commands", "s", part*perCall.Value*command.Value,
		"part relayed here x media_commands_per_call x media_command_cpu", in, perCall, command)
	z.media.heldCPU = figure("media.held_cpu", "Cores the relays here take for calls held", "cores",
		z.media.local.Value*z.media.rate.Value*packet.Value+part*z.t.refresh.Value*perRefresh.Value*command.Value,
		"media.local.sessions x media.session.packets x media_packet_cpu + part relayed here x load.refreshes x media_commands_per_refresh x media_command_cpu",
		of(z.media.local), of(z.media.rate), packet, in, of(z.t.refresh), perRefresh, command)
	z.term(z.media.local)
	z.term(z.media.callCPU)
	z.term(z.media.heldCPU)
	z.b.Media.CPU = figure("media.cpu", "Cores the relays on this appliance take", "cores", z.t.cps.Value*z.media.callCPU.Value+z.media.heldCPU.Value,
		"load.cps x media.call_cpu + media.held_cpu", of(z.t.cps), of(z.media.callCPU), of(z.media.heldCPU))
	z.localInstances(m)
}

// mediaOn is how many sessions' media a NIC carries, both sides: those of the
// local instances with an address of it.
func (z *sizer) mediaOn(n *spec.NIC) float64 {
	m := z.s.Media
	if m == nil || z.b.Media == nil {
		return 0
	}
	sum := 0.0
	for _, i := range m.Instances {
		if !i.Local {
			continue
		}
	addresses:
		for _, a := range i.Addresses {
			for _, p := range n.Addresses {
				if p.Addr().Unmap() == a.Unmap() {
					sum += z.b.Media.Sessions.Value * z.mediaPart(i).Value
					break addresses
				}
			}
		}
	}
	return math.Min(sum, z.b.Media.Sessions.Value)
}
