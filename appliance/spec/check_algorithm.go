package spec

// checkAlgorithm compares how a set chooses with what its destinations say.
func (d *decoder) checkAlgorithm(set *Dispatcher) {
	d.checkStates(set)
	if d.isBroken(algorithmOf, set.Name) || len(set.Destinations) == 0 {
		return
	}
	var weight, priority *Destination // the first that states one
	var open []string                 // without max_calls
	for _, dst := range set.Destinations {
		if weight == nil && dst.WeightRange != dst.Range {
			weight = dst
		}
		if priority == nil && dst.PriorityRange != dst.Range {
			priority = dst
		}
		if dst.MaxCalls == 0 && dst.MaxCallsRange == dst.Range {
			open = append(open, dst.Name)
		}
	}
	place := set.AlgorithmRange
	switch set.Algorithm {
	case AlgorithmWeight, AlgorithmRelativeWeight:
		if weight == nil {
			d.errorf(place, "Algorithm without weights", "%q gives each destination its part of the calls, and no destination of dispatcher %q states one. Write weight = 50 and the like in them, or algorithm = %q for equal parts.", set.Algorithm, set.Name, AlgorithmRoundRobin)
		}
	case AlgorithmPriority:
		if priority == nil {
			d.errorf(place, "Algorithm without priorities", "\"priority\" tries the lowest number first, and no destination of dispatcher %q states one. Write priority = 0, 1 and so on in them, or algorithm = %q for the order they stand in.", set.Name, AlgorithmFirst)
		}
	case AlgorithmCallLoad:
		if len(open) > 0 {
			d.errorf(place, "Algorithm without max_calls", "\"call-load\" compares the calls a destination has with those it takes (max_calls), which is not stated in %s of dispatcher %q. Write max_calls in every destination.", quoteList(open, "and"), set.Name)
		}
	case AlgorithmLatency:
		if set.Probe == nil {
			d.errorf(place, "Algorithm without probes", "\"latency\" goes by the time probes take, and dispatcher %q sends none. Add a probe block to it.", set.Name)
		}
	case AlgorithmParallel:
		if n := len(set.Destinations); n > MaxParallel {
			d.errorf(set.Destinations[MaxParallel].Range, "Too many calls at once", "\"parallel\" calls all destinations of a dispatcher at once, at most %d; %q has %d. Spread them over dispatchers that follow each other (next).", MaxParallel, set.Name, n)
		}
	}
	if weight != nil && !weighs(set.Algorithm) {
		d.warnf(weight.WeightRange, "Weight not used", "The algorithm of dispatcher %q, %q, looks at no weights. Write algorithm = %q, or remove the weights.", set.Name, set.Algorithm, AlgorithmRelativeWeight)
	}
	if priority != nil && set.Algorithm != AlgorithmPriority {
		d.warnf(priority.PriorityRange, "Priority not used", "The algorithm of dispatcher %q, %q, looks at no priorities. Write algorithm = %q, or remove the priorities.", set.Name, set.Algorithm, AlgorithmPriority)
	}
}

// checkStates finds destinations that wait for probes nobody sends, and sets that
// take no call.
func (d *decoder) checkStates(set *Dispatcher) {
	disabled := 0
	for _, dst := range set.Destinations {
		if dst.State == StateDisabled {
			disabled++
		}
		if waits := dst.State == StateInactive || dst.State == StateProbing; waits && set.Probe == nil {
			d.errorf(dst.StateRange, "State without probes", "Destination %q is %s until a probe is answered, and dispatcher %q sends none: it would never take a call. Add a probe block, or write %q for a destination that somebody enables by hand.", dst.Name, dst.State, set.Name, StateDisabled)
		}
	}
	if n := len(set.Destinations); n > 0 && disabled == n && set.Next == "" {
		d.warnf(set.Destinations[0].StateRange, "No destination takes calls", "All destinations of dispatcher %q are disabled when the appliance starts, so its calls get 503 until somebody enables one. Leave one active, or name the dispatcher that takes its calls in next.", set.Name)
	}
}
