package sizing

import (
	"math"

	"trunkline/appliance/spec"
)

// localInstances sizes each relay on this appliance: its part of their cores, and memory for
// the sessions it must hold.
func (z *sizer) localInstances(m *spec.Media) {
	base, per := z.c.in("media_process_bytes"), z.c.in("media_session_bytes")
	for k, i := range m.Instances {
		if !i.Local {
			continue
		}
		b, id := &z.b.Media.Instances[k], "media."+i.Name
		part := 0.0
		if z.media.local.Value > 0 {
			part = min(b.Sessions.Value/z.media.local.Value, 1)
		}
		cores := figure(id+".cores", "Cores "+i.Name+" takes", "cores", z.b.Media.CPU.Value*part,
			"media.cpu x sessions / media.local.sessions, at most media.cpu", of(z.b.Media.CPU), of(b.Sessions), of(z.media.local))
		threads := figure(id+".threads", "Threads of "+i.Name, "threads", whole(cores.Value)+1, "cores, whole, and one for commands", of(cores))
		memory := figure(id+".memory", "Memory of "+i.Name, "B", pages(base.Value+b.Sessions.Value*per.Value),
			"media_process_bytes + sessions x media_session_bytes, whole pages", base, of(b.Sessions), per)
		b.Cores, b.Threads, b.Memory = &cores, &threads, &memory
	}
}

// statesOfCalls is for how many times the calls of the appliance a relay has room: those it
// has, and those of a state that was lost, whose sessions end when their media does.
const statesOfCalls = 2

// localCapacities says how many sessions each relay on this appliance takes at most, and what
// memory that may take. It follows from the call slots, which are known after the load.
func (z *sizer) localCapacities() {
	m := z.s.Media
	if m == nil || z.b.Media == nil {
		return
	}
	base, per := z.c.in("media_process_bytes"), z.c.in("media_session_bytes")
	for k, i := range m.Instances {
		if !i.Local {
			continue
		}
		b, id := &z.b.Media.Instances[k], "media."+i.Name
		ports := stated("ports of "+i.Name, float64(i.PortLast)-float64(i.PortFirst)+1, "ports", i.Range)
		states := Input{Name: "states of calls", Value: statesOfCalls, Unit: "1", Source: "the calls there are, and those of a state that was lost, whose sessions end with their media"}
		slots, formula, inputs := z.b.Calls.Value, "calls.slots", []Input{of(z.b.Calls)}
		if e := z.b.Emergency; e != nil {
			slots, formula, inputs = slots+e.Calls.Value, "(calls.slots + emergency.calls)", append(inputs, of(e.Calls))
		}
		n := math.Min(math.Floor(ports.Value/portsPerSession), states.Value*slots)
		formula, inputs = "ports / 4, at most states of calls x "+formula, append([]Input{ports, states}, inputs...)
		if i.MaxSessions > 0 {
			stated := stated("max_sessions", float64(i.MaxSessions), "sessions", i.Range)
			n, formula, inputs = math.Min(n, stated.Value), formula+", at most max_sessions", append(inputs, stated)
		}
		capacity := figure(id+".capacity", "Sessions "+i.Name+" takes at most", "sessions", n, formula, inputs...)
		limit := figure(id+".memory_limit", "Memory "+i.Name+" may take", "B", pages(base.Value+n*per.Value),
			"media_process_bytes + capacity x media_session_bytes, whole pages", base, of(capacity), per)
		b.Capacity, b.MemoryLimit = &capacity, &limit
	}
}
