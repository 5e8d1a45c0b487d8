package dispatch

import (
	"fmt"
	"slices"
	"strings"

	"trunkline/appliance/runtime"
)

// algorithm is how a set chooses; see the package comment.
type algorithm uint8

const (
	hashCallID algorithm = iota
	hashFrom
	hashTo
	hashRURI
	hashUser
	roundRobin
	weight
	relativeWeight
	priority
	random
	callLoad
	latency
	first
	parallel
)

// names are the algorithms as a configuration names them.
var names = [...]string{
	hashCallID:     runtime.AlgorithmHashCallID,
	hashFrom:       "hash-from",
	hashTo:         "hash-to",
	hashRURI:       "hash-ruri",
	hashUser:       "hash-user",
	roundRobin:     runtime.AlgorithmRoundRobin,
	weight:         "weight",
	relativeWeight: "relative-weight",
	priority:       "priority",
	random:         "random",
	callLoad:       "call-load",
	latency:        "latency",
	first:          "first",
	parallel:       "parallel",
}

// Known reports whether sets can choose by the algorithm of this name.
func Known(name string) bool { return slices.Contains(names[:], name) }

func algorithmOf(name string) (algorithm, error) {
	i := slices.Index(names[:], name)
	if i < 0 {
		return 0, fmt.Errorf("algorithm %q is not known: use one of %s", name, strings.Join(names[:], ", "))
	}
	return algorithm(i), nil
}

// hashes reports whether the algorithm goes by a hash of the request.
func (a algorithm) hashes() bool { return a <= hashUser }

// weighs reports whether the algorithm looks at weights.
func (a algorithm) weighs() bool { return a == weight || a == relativeWeight }
