package dispatch

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// State says whether a destination takes calls.
type State int32

// The states; see the package comment.
const (
	Active State = iota
	Trying
	Inactive
	Disabled
	Probing
)

var stateNames = [...]string{Active: "active", Trying: "trying", Inactive: "inactive", Disabled: "disabled", Probing: "probing"}

// String is the state's name in logs, status and configurations.
func (s State) String() string {
	if s < 0 || int(s) >= len(stateNames) {
		return "unknown"
	}
	return stateNames[s]
}

// TakesCalls reports whether a destination in this state is given calls.
func (s State) TakesCalls() bool { return s == Active || s == Trying }

// ParseState is the state of a name.
func ParseState(name string) (State, error) {
	i := slices.Index(stateNames[:], name)
	if i < 0 {
		return 0, fmt.Errorf("state %q is not known: write one of %s", name, strings.Join(settable, ", "))
	}
	return State(i), nil
}

// settable are the states that a configuration or a person may give.
var settable = []string{Active.String(), Inactive.String(), Disabled.String(), Probing.String()}

// mayBecome says why d cannot be put into a state.
func (d *Destination) mayBecome(to State) error {
	switch {
	case to == Trying:
		return fmt.Errorf("state trying comes of failures and cannot be set: write one of %s", strings.Join(settable, ", "))
	case (to == Inactive || to == Probing) && d.set.cfg.Probe == nil:
		return fmt.Errorf("state %s waits for probes, and dispatcher %q sends none: write %s, or give it a probe block", to, d.set.Name(), Disabled)
	}
	return nil
}

// SetState puts a destination into a state by hand, with immediate effect on new
// calls; the ones it has go on. Runs of failures and successes begin anew, and one
// that waits for probes is probed at once. The state is that of all its targets; one
// whose name leads nowhere has it once it does. Its errors say what to write instead.
func (s *Sets) SetState(set, destination string, to State) error {
	x, ok := s.byName[set]
	if !ok {
		var known []string
		for _, o := range s.sets {
			known = append(known, o.Name())
		}
		return fmt.Errorf("there is no dispatcher %q: write one of %s", set, list(known))
	}
	i := slices.IndexFunc(x.dests, func(d *Destination) bool { return d.Name() == destination })
	if i < 0 {
		var known []string
		for _, o := range x.dests {
			known = append(known, o.Name())
		}
		return fmt.Errorf("dispatcher %q has no destination %q: write one of %s", set, destination, list(known))
	}
	d := x.dests[i]
	if to < 0 || int(to) >= len(stateNames) {
		return errors.New("state unknown: write one of " + strings.Join(settable, ", "))
	}
	if err := d.mayBecome(to); err != nil {
		return fmt.Errorf("destination %q of dispatcher %q: %w", destination, set, err)
	}
	x.mu.Lock()
	if d.disabled = to == Disabled; !d.disabled {
		d.first, d.led = to, d.here != 0
		for i := range d.targets {
			if d.here&(1<<i) != 0 {
				d.targets[i].reset(to)
			}
		}
	}
	d.settle("by hand")
	x.mu.Unlock()
	if to == Inactive || to == Probing {
		d.rouse()
	}
	return nil
}

// list names as many as one line holds.
func list(names []string) string {
	const most = 8
	if n := len(names); n > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), n-most)
	}
	return strings.Join(names, ", ")
}
