package spec

// Algorithms: how a dispatcher set chooses the destination of a new call.
const (
	AlgorithmHashCallID     = "hash-callid"     // all messages of a Call-ID to one; the default
	AlgorithmHashFrom       = "hash-from"       // by the URI of From
	AlgorithmHashTo         = "hash-to"         // by the URI of To
	AlgorithmHashRURI       = "hash-ruri"       // by the Request-URI
	AlgorithmHashUser       = "hash-user"       // by the user part of the Request-URI: the number called
	AlgorithmRoundRobin     = "round-robin"     // in turns
	AlgorithmWeight         = "weight"          // by parts; what is down leaves its part to the next
	AlgorithmRelativeWeight = "relative-weight" // by parts of those that are up
	AlgorithmPriority       = "priority"        // the lowest number that is up, those of one number in turns
	AlgorithmRandom         = "random"          // any
	AlgorithmCallLoad       = "call-load"       // the least loaded: calls in progress against max_calls
	AlgorithmLatency        = "latency"         // the fastest to answer probes
	AlgorithmFirst          = "first"           // the first that is up, in source order
	AlgorithmParallel       = "parallel"        // all at once (RFC 3261 section 16.7); the first to answer has the call
)

// MaxParallel is how many destinations a set with algorithm "parallel" has at
// most: every call is that many calls.
const MaxParallel = 8

var algorithms = []string{
	AlgorithmHashCallID, AlgorithmRoundRobin,
	AlgorithmHashFrom, AlgorithmHashTo, AlgorithmHashRURI, AlgorithmHashUser,
	AlgorithmWeight, AlgorithmRelativeWeight, AlgorithmPriority, AlgorithmRandom,
	AlgorithmCallLoad, AlgorithmLatency, AlgorithmFirst, AlgorithmParallel,
}

// States a destination may have when the appliance starts.
const (
	StateActive   = "active"   // takes calls; the default
	StateInactive = "inactive" // takes none until recover_threshold probes in a row are answered
	StateDisabled = "disabled" // takes none and is not probed, until somebody changes it
	StateProbing  = "probing"  // takes none until its first probe is answered
)

var states = []string{StateActive, StateInactive, StateDisabled, StateProbing}

// Kinds of trouble that decoder.broken remembers beside the types of blocks: the
// value is not what was meant, so nothing is concluded from it.
const (
	transportOf = "transport of listener"
	algorithmOf = "algorithm of dispatcher"
)

// weighs reports whether an algorithm looks at weights.
func weighs(algorithm string) bool {
	return algorithm == AlgorithmWeight || algorithm == AlgorithmRelativeWeight
}
