package spec

// What one proxy has room for. sbcd refuses more when it starts, which is too
// late: ci/bounds_test.go holds these to what it takes.
const (
	MaxListeners    = 1024
	MaxDestinations = 65535 // of all dispatchers together
	MaxRouteSets    = 8     // dispatchers in the `to` of one route
)

// checkBounds reports the first of whatever is too many.
func (d *decoder) checkBounds(s *Spec) {
	if n := len(s.Listeners); n > MaxListeners {
		d.errorf(s.Listeners[MaxListeners].Range, "Too many listeners", "An appliance has at most %d listeners; the spec has %d. Spread them over several appliances.", MaxListeners, n)
	}
	n := 0
	for _, set := range s.Dispatchers {
		if n += len(set.Destinations); n > MaxDestinations {
			d.errorf(set.Range, "Too many destinations", "An appliance has at most %d destinations in all; with dispatcher %q there are %d. Spread them over several appliances.", MaxDestinations, set.Name, n)
			break
		}
	}
	for _, r := range s.Routes {
		if n := len(r.To); n > MaxRouteSets && len(r.ToRanges) == n {
			d.errorf(r.ToRanges[MaxRouteSets], "Too many dispatchers", "A call tries at most %d dispatchers; route %q names %d. Put their destinations together into fewer dispatchers.", MaxRouteSets, r.Name, n)
		}
	}
}
