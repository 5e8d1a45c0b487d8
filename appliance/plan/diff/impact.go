package diff

import (
	"cmp"
	"fmt"
)

// Impact is what it takes to bring a change into a running appliance.
type Impact string

// Impacts, from the least to the most.
const (
	None    Impact = "none"    // nothing runs differently
	Live    Impact = "live"    // a reload: calls and sockets stay
	Restart Impact = "restart" // sbcd starts anew: calls being set up are lost, answered ones go on
	Reboot  Impact = "reboot"  // the machine starts anew
)

func (i Impact) rank() int {
	switch i {
	case Live:
		return 1
	case Restart:
		return 2
	case Reboot:
		return 3
	}
	return 0
}

// Compare orders impacts from the least to the most.
func (i Impact) Compare(o Impact) int { return cmp.Compare(i.rank(), o.rank()) }

func higher(a, b Impact) Impact {
	if a.Compare(b) >= 0 {
		return a
	}
	return b
}

// MarshalText refuses an impact that is none of the four.
func (i Impact) MarshalText() ([]byte, error) {
	if i != None && i.rank() == 0 {
		return nil, fmt.Errorf("impact %q is not known", string(i))
	}
	return []byte(i), nil
}
