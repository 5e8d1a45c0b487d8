package sizing

import (
	"fmt"
	"math"

	"trunkline/appliance/spec"
)

// mediaCeilings are the points at which the relays fill, on both axes, with any
// one of them down: commands a control socket takes, calls an instance says it
// takes, sessions it holds, ports it has.
func (z *sizer) mediaCeilings() {
	m := z.s.Media
	if m == nil || z.b.Media == nil {
		return
	}
	perCall, perRefresh, socket := z.c.in("media_commands_per_call"), z.c.in("media_commands_per_refresh"), z.c.in("media_socket_commands")
	refresh := z.t.refresh.Value * perRefresh.Value

	z.mediaCeiling(mediaLimit{id: "sockets", what: "control sockets of media", axis: AxisCPS, raise: "give media instance %q another control socket",
		limit:   func(i *spec.MediaInstance) float64 { return float64(len(i.Control)) * socket.Value },
		calls:   func(v float64) float64 { return (v - refresh) / perCall.Value },
		formula: "(control sockets x media_socket_commands / part of the calls - load.refreshes x media_commands_per_refresh) / media_commands_per_call",
		inputs:  []Input{socket, perCall, of(z.t.refresh), perRefresh},
		stated: func(i *spec.MediaInstance) Input {
			return stated("control sockets of "+i.Name, float64(len(i.Control)), "sockets", i.Range)
		}})
	z.mediaCeiling(mediaLimit{id: "max_cps", what: "max_cps of media", axis: AxisCPS, raise: "raise max_cps of media instance %q",
		limit:   func(i *spec.MediaInstance) float64 { return float64(i.MaxCPS) },
		calls:   func(v float64) float64 { return v },
		formula: "max_cps / part of the calls",
		stated: func(i *spec.MediaInstance) Input {
			return stated("media."+i.Name+".max_cps", float64(i.MaxCPS), "calls/s", at(i.MaxCPSRange, i.Range))
		}})
	z.mediaCeiling(mediaLimit{id: "max_sessions", what: "sessions of media", axis: AxisConcurrent, raise: "raise max_sessions of media instance %q",
		limit:   func(i *spec.MediaInstance) float64 { return float64(i.MaxSessions) },
		calls:   func(v float64) float64 { return v },
		formula: "max_sessions / part of the calls",
		stated: func(i *spec.MediaInstance) Input {
			return stated("media."+i.Name+".max_sessions", float64(i.MaxSessions), "sessions", at(i.MaxSessionsRange, i.Range))
		}})
	ports := func(i *spec.MediaInstance) float64 {
		if !i.Local {
			return 0
		}
		return math.Max(float64(i.PortLast-i.PortFirst+1), 0)
	}
	z.mediaCeiling(mediaLimit{id: "ports", what: "ports of media", axis: AxisConcurrent, raise: "widen ports of media instance %q", local: true,
		limit:   ports,
		calls:   func(v float64) float64 { return v / portsPerSession },
		formula: "ports / 4 / part of the calls: RTP and RTCP of both sides",
		stated: func(i *spec.MediaInstance) Input {
			return stated("media."+i.Name+".ports", ports(i), "ports", at(i.PortsRange, i.Range))
		}})
}

// mediaLimit is one thing of which an instance has only so much.
type mediaLimit struct {
	id, what, axis, raise string
	local                 bool                              // of instances on this appliance alone
	limit                 func(*spec.MediaInstance) float64 // what it has; 0: not stated
	calls                 func(all float64) float64         // that so much of all instances together carries
	formula               string                            // of the ceiling
	inputs                []Input                           // beside the limit and the part
	stated                func(*spec.MediaInstance) Input   // where it says so
}

// mediaCeiling finds the instance that fills first.
func (z *sizer) mediaCeiling(l mediaLimit) {
	m := z.s.Media
	var first *spec.MediaInstance
	lowest, alike, silent := math.Inf(1), 0, 0
	for _, i := range m.Instances {
		has := l.limit(i)
		if has <= 0 {
			silent++
			continue
		}
		switch v := has / z.mediaPart(i).Value; {
		case v < lowest:
			first, lowest, alike = i, v, 1
		case v == lowest:
			alike++
		}
	}
	if first == nil {
		return
	}
	down, remedy := ", one instance down", "add an instance to media"+where(m.Range)
	switch {
	case len(m.Instances) == 1: // a second one would only make up for the loss of the first
		down, remedy = ", its only instance", fmt.Sprintf(l.raise, first.Name)+where(first.Range)
	case alike == 1:
		remedy = fmt.Sprintf(l.raise, first.Name) + where(first.Range) + ", or " + remedy
	}
	z.add(rung{resource: l.what + down, axis: l.axis, subject: at(first.Range, m.Range), remedy: remedy,
		at: figure("ceiling.media."+l.id, l.what+down, axisUnit(l.axis), l.calls(lowest), l.formula,
			append([]Input{l.stated(first), z.mediaPart(first)}, l.inputs...)...)})
	if silent > 0 && !l.local {
		z.find("media."+l.id, SeverityNote, m.Range, "Not every media instance states "+l.id,
			"%d of %d media instances state no %s: each is taken to carry what the weakest stated one does. State %s for each.", silent, len(m.Instances), l.id, l.id)
	}
}

// axisUnit is the unit of loads on an axis.
func axisUnit(axis string) string {
	if axis == AxisConcurrent {
		return "calls"
	}
	return "calls/s"
}
