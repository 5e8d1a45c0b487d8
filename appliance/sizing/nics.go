package sizing

import (
	"fmt"
	"math"

	"github.com/hashicorp/hcl/v2"

	"trunkline/appliance/spec"
)

// link is what packets go through: a card, or a bond of several. VLANs have no
// queues and no speed of their own: they are part of the link below them.
type link struct {
	nic   *spec.NIC   // the card or bond
	cards []*spec.NIC // the card itself, or the members
	bond  bool
	even  bool // each card carries its part; else any one of them carries all

	perCall [2]float64 // datagrams of a call: received, sent
	held    [2]float64 // datagrams of session refreshes a second
	media   float64    // sessions whose media it carries, both sides
}

// Directions of a link.
const (
	received = iota
	sent
)

var directions = [2]string{"received", "sent"}

// makeLinks resolves VLANs and bonds and gives each link its traffic.
func (z *sizer) makeLinks() {
	nics, owner := map[string]*spec.NIC{}, map[string]string{}
	z.management = map[string]bool{}
	for _, n := range z.s.Hardware.NICs {
		nics[n.Name] = n
		z.management[n.Name] = z.management[n.Name] || n.Management
		for _, m := range n.Members {
			owner[m] = n.Name
			z.management[m] = z.management[m] || n.Management
		}
	}
	index := map[string]int{}
	for _, n := range z.s.Hardware.NICs {
		l := link{nic: n, cards: []*spec.NIC{n}, even: true}
		switch {
		case n.Kind == spec.KindVLAN || owner[n.Name] != "":
			continue
		case n.Kind == spec.KindBond:
			l.cards, l.bond, l.even = nil, true, n.Mode != spec.BondActiveBackup
			for _, m := range n.Members {
				if c := nics[m]; c != nil {
					l.cards = append(l.cards, c)
				}
			}
		}
		index[n.Name] = len(z.links)
		z.links = append(z.links, l)
	}
	below := func(name string) int {
		for range 3 { // a VLAN is on a bond or card, a card may be in a bond
			n := nics[name]
			switch {
			case n == nil:
				return -1
			case n.Kind == spec.KindVLAN:
				name = n.Parent
			case owner[name] != "":
				name = owner[name]
			default:
				return index[name]
			}
		}
		return -1
	}
	for _, f := range z.t.listeners {
		if i := below(f.l.NIC); i >= 0 {
			l := &z.links[i]
			l.perCall[received] += f.in.Value
			l.perCall[sent] += f.out.Value
			l.held[received] += f.heldIn.Value
			l.held[sent] += f.heldOut.Value
		}
	}
	for _, n := range z.s.Hardware.NICs {
		if i := below(n.Name); i >= 0 {
			z.links[i].media += z.mediaOn(n)
		}
	}
}

// part is what each card carries of the link's traffic.
func (l link) part() float64 {
	if l.even && len(l.cards) > 1 {
		return 1 / float64(len(l.cards))
	}
	return 1
}

// speed is that of the link in bits per second; 0 when a card states none.
func (l link) speed() Input {
	in := Input{Name: "nic." + l.nic.Name + ".speed", Unit: "bit/s"}
	for i, c := range l.cards {
		s := float64(c.SpeedBits)
		switch {
		case s == 0:
			return Input{}
		case i == 0:
			in.Value = s
		case l.even:
			in.Value += s
		default:
			in.Value = math.Min(in.Value, s)
		}
	}
	switch in.Source = stated("", 0, "", l.nic.Range).Source; {
	case l.bond && l.even:
		in.Source += ", sum of the members (802.3ad)"
	case l.bond:
		in.Source += ", the slowest member: one at a time (active-backup)"
	}
	return in
}

// queues is how many receive queues work at once.
func (z *sizer) queues(l link) Input {
	in := Input{Name: "nic." + l.nic.Name + ".queues", Unit: "queues"}
	for i, c := range l.cards {
		q := z.queuesOf(c)
		switch {
		case i == 0:
			in.Value = q
		case l.even:
			in.Value += q
		default:
			in.Value = math.Min(in.Value, q)
		}
	}
	in.Source = stated("", 0, "", l.nic.Range).Source + ", at most one a hardware thread"
	if l.bond {
		in.Source += ", of the members that work at once"
	}
	return in
}

// queuesOf is how many of a card's queues are used: a thread serves no two, and a
// management card needs one.
func (z *sizer) queuesOf(n *spec.NIC) float64 {
	if z.management[n.Name] {
		return 1
	}
	return math.Max(math.Min(float64(max(n.Queues, 1)), z.threads.Value), 1)
}

// flowOn is the load of a link in one direction: bits and packets, of a call rate
// and of calls held.
type flowOn struct{ callBits, heldBits, callPackets, heldPackets float64 }

func (z *sizer) flowOn(l link, direction int) flowOn {
	bits := 8 * (z.c.at("datagram_bytes") + z.c.at("datagram_overhead"))
	return flowOn{
		callBits: l.perCall[direction] * bits, callPackets: l.perCall[direction],
		heldBits:    l.held[direction]*bits + l.media*z.media.bits.Value,
		heldPackets: l.held[direction] + l.media*z.media.rate.Value,
	}
}

// nics is what each card must carry at the planned load.
func (z *sizer) nics() {
	z.makeLinks()
	cards := map[string]link{}
	for _, l := range z.links {
		for _, c := range l.cards {
			cards[c.Name] = l
		}
	}
	cps := of(z.t.cps)
	for _, n := range z.s.Hardware.NICs {
		if n.Kind == spec.KindBond || n.Kind == spec.KindVLAN {
			continue
		}
		l, id := cards[n.Name], "nic."+n.Name
		part := Input{Name: "part of the link", Value: l.part(), Unit: "1", Source: z.partSource(l)}
		in, out := z.flowOn(l, received), z.flowOn(l, sent)
		busy, direction := in, received
		if out.callBits*cps.Value+out.heldBits > in.callBits*cps.Value+in.heldBits {
			busy, direction = out, sent
		}
		packets := func(name, what string, f flowOn) Figure {
			return figure(id+"."+name, "Packets "+what+" by "+n.Name, "packets/s", part.Value*(cps.Value*f.callPackets+f.heldPackets),
				"part of the link x (load.cps x datagrams per call + packets of calls held)", part, cps,
				Input{Name: "datagrams per call, " + what, Value: f.callPackets, Unit: "datagrams"},
				Input{Name: "packets of calls held, " + what, Value: f.heldPackets, Unit: "packets/s", Source: "media relayed here, session refreshes"})
		}
		z.b.NICs = append(z.b.NICs, NICBudget{NIC: n.Name,
			Bandwidth: figure(id+".bandwidth", "Bandwidth of "+n.Name+", busier direction", "bit/s", part.Value*(cps.Value*busy.callBits+busy.heldBits),
				"part of the link x (load.cps x bits per call + bits of calls held)", append([]Input{part, cps}, z.bitInputs(busy, direction)...)...),
			Packets: packets("packets", directions[received], in),
			Sent:    packets("sent", directions[sent], out),
			Queues: figure(id+".queues", "Receive queues in use of "+n.Name, "queues", z.queuesOf(n), z.queuesFormula(n),
				stated(id+".queues", float64(max(n.Queues, 1)), "queues", at(n.QueuesRange, n.Range)), of(z.threads)),
			Affinity: []QueueShare{}})
	}
}

func (z *sizer) queuesFormula(n *spec.NIC) string {
	if z.management[n.Name] {
		return "one: a management NIC"
	}
	return "min(queues, cpu.threads)"
}

func (z *sizer) partSource(l link) string {
	switch {
	case l.bond && l.even:
		return "802.3ad: flows spread over the members"
	case l.bond:
		return "active-backup: one member carries all"
	}
	return "the card is the link"
}

func (z *sizer) bitInputs(f flowOn, direction int) []Input {
	return []Input{
		{Name: "bits per call, " + directions[direction], Value: f.callBits, Unit: "bit", Source: "datagrams x 8 x (datagram_bytes + datagram_overhead)"},
		{Name: "bits of calls held, " + directions[direction], Value: f.heldBits, Unit: "bit/s", Source: "media.session.bandwidth of what is relayed here, session refreshes"},
	}
}

// nicCeilings are the loads at which a link is full, on both axes: signalling
// follows the call rate, media and refreshes the calls held. Each axis is judged
// with the other at its plan.
func (z *sizer) nicCeilings() {
	util, ppq := z.c.in("nic_utilisation"), z.c.in("nic_packets_per_queue")
	for _, l := range z.links {
		in, out := z.flowOn(l, received), z.flowOn(l, sent)
		if in.callPackets+out.callPackets+in.heldPackets+out.heldPackets <= 0 || len(l.cards) == 0 {
			continue
		}
		q, load := z.queues(l), z.t.cps.Value*(in.callPackets+out.callPackets)+in.heldPackets+out.heldPackets
		what, faster := "NIC ", "put a faster card behind NIC "+l.nic.Name
		wider := fmt.Sprintf("raise queues of NIC %s from %.0f to %.0f", l.nic.Name, q.Value, math.Max(q.Value+1, math.Min(whole(load/ppq.Value), z.threads.Value)))
		switch {
		case l.bond && l.even:
			what, faster, wider = "bond ", "add a card to bond "+l.nic.Name, "add a card to bond "+l.nic.Name
		case l.bond:
			what, faster, wider = "bond ", "put faster cards into bond "+l.nic.Name, "raise queues of the cards of bond "+l.nic.Name
		}
		busy, direction := in, received
		if out.callBits*z.t.cps.Value+out.heldBits > in.callBits*z.t.cps.Value+in.heldBits {
			busy, direction = out, sent
		}
		if speed := l.speed(); speed.Value > 0 {
			z.twoAxes(axes{resource: "bandwidth of " + what + l.nic.Name, id: "ceiling.nic." + l.nic.Name + ".bandwidth", remedy: faster + where(l.nic.Range), subject: l.nic.Range,
				capacity: speed.Value * util.Value, formula: "speed x nic_utilisation", inputs: []Input{speed, util},
				perCall: busy.callBits, held: busy.heldBits, terms: z.bitInputs(busy, direction)})
		}
		if q.Value >= z.threads.Value*float64(len(l.cards)) && z.threads.Value > 0 && !(l.bond && l.even) {
			wider = "raise hardware.cpu.cores: a queue needs a thread; then queues of " + what + l.nic.Name
		}
		z.twoAxes(axes{resource: "packets of " + what + l.nic.Name, id: "ceiling.nic." + l.nic.Name + ".packets", remedy: wider + where(l.nic.Range), subject: l.nic.Range,
			capacity: q.Value * ppq.Value, formula: "queues x nic_packets_per_queue", inputs: []Input{q, ppq},
			perCall: in.callPackets + out.callPackets, held: in.heldPackets + out.heldPackets, terms: []Input{
				{Name: "datagrams per call", Value: in.callPackets + out.callPackets, Unit: "datagrams"},
				{Name: "packets of calls held", Value: in.heldPackets + out.heldPackets, Unit: "packets/s", Source: "media relayed here, session refreshes: both directions"}}})
	}
}

// axes is a capacity that calls use by their rate and by their number.
type axes struct {
	resource, id, remedy string
	subject              hcl.Range
	capacity             float64
	formula              string // of the capacity
	inputs               []Input
	perCall              float64 // use per call a second
	held                 float64 // use of the planned number of calls
	terms                []Input // perCall and held, as inputs
}

// twoAxes adds a rung for each axis that uses the capacity. Where the axis that uses
// more takes all of it at its plan, nothing is left to state a ceiling of the other.
func (z *sizer) twoAxes(a axes) {
	per, held := a.terms[0], a.terms[1]
	byRate := a.perCall * z.t.cps.Value
	if byHeld := a.held > byRate; a.perCall > 0 && !(byHeld && a.held >= a.capacity) {
		formula, inputs := "("+a.formula+" - "+held.Name+") / "+per.Name, append(a.inputs[:len(a.inputs):len(a.inputs)], held, per)
		if a.held == 0 {
			formula, inputs = a.formula+" / "+per.Name, append(a.inputs[:len(a.inputs):len(a.inputs)], per)
		}
		z.add(rung{resource: a.resource, axis: AxisCPS, hardware: true, subject: a.subject, remedy: a.remedy, told: byHeld,
			at: figure(a.id, upper(a.resource), "calls/s", (a.capacity-a.held)/a.perCall, formula, inputs...)})
	}
	if a.held > 0 && (a.held > byRate || byRate < a.capacity) {
		z.add(rung{resource: a.resource, axis: AxisConcurrent, hardware: true, subject: a.subject, remedy: a.remedy, told: a.held <= byRate,
			at: figure(a.id+".held", upper(a.resource)+", by calls held", "calls", (a.capacity-byRate)/(a.held/z.t.held.Value),
				"("+a.formula+" - load.cps x "+per.Name+") x load.calls_held / "+held.Name,
				append(a.inputs[:len(a.inputs):len(a.inputs)], of(z.t.cps), per, of(z.t.held), held)...)})
	}
}

func upper(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}
