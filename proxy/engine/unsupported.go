package engine

import (
	"fmt"
	"slices"

	"trunkline/appliance/runtime"
	"trunkline/proxy/dispatch"
)

// Unsupported names what a configuration asks for and this engine does not run.
// Serving calls without it would break what the spec promises (media, limits,
// encryption), so such a configuration is refused as a whole.
func Unsupported(a *runtime.Appliance) []string {
	var out []string
	missing := func(there bool, format string, args ...any) {
		if there {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	for _, l := range a.Listeners {
		missing(!l.Datagram() && !slices.Contains([]string{"tcp", "tls", "ws", "wss"}, l.Transport), "listener %s: transport %s", l.Name, l.Transport)
		missing(l.Steering != "" && l.Steering != runtime.SteeringCallID, "listener %s: steering %s", l.Name, l.Steering)
	}
	for _, d := range a.Dispatchers {
		missing(!dispatch.Known(d.Algorithm), "dispatcher %s: algorithm %s", d.Name, d.Algorithm)
		for _, x := range d.Destinations {
			missing(x.Transport != "" && x.Transport != "tcp" && x.Transport != "tls", "destination %s of %s: transport %s", x.Name, d.Name, x.Transport)
		}
	}
	if m := a.Messages; m != nil {
		missing(m.HideTopology, "messages: hide_topology")
	}
	missing(a.Sockets != nil, "dynamic sockets")
	c := a.Control
	missing(c.Remote != nil || c.Metrics != nil || c.HEP != nil || c.LogLevel != "", "control beyond its local socket")
	return out
}
