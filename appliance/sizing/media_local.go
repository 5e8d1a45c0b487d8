package sizing

import "trunkline/appliance/spec"

// localInstances sizes each relay on this appliance: its part of their cores, and memory for
// the sessions it must hold.
func (z *sizer) localInstances(m *spec.Media) {
	base, per := z.c.in("media_process_bytes"), z.c.in("media_session_bytes")
	for k, i := range m.Instances {
		if !i.Local {
			continue
		}
		b, id := &z.b.Media.Instances[k], "media."+i.Name
		cores := 0.0
		if z.media.local.Value > 0 {
			cores = z.b.Media.CPU.Value * min(b.Sessions.Value/z.media.local.Value, 1)
		}
		threads := figure(id+".threads", "Threads of "+i.Name, "threads", whole(cores)+1,
			"media.cpu x sessions / media.local.sessions, at most media.cpu, whole, and one for commands", of(z.b.Media.CPU), of(b.Sessions), of(z.media.local))
		memory := figure(id+".memory", "Memory of "+i.Name, "B", pages(base.Value+b.Sessions.Value*per.Value),
			"media_process_bytes + sessions x media_session_bytes, whole pages", base, of(b.Sessions), per)
		b.Threads, b.Memory = &threads, &memory
	}
}
