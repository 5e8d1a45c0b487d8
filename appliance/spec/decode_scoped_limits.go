package spec

// scopedLimits reads the limits of listeners, sources and carriers: a call must
// pass those of all it belongs to, and the global ones.
func (d *decoder) scopedLimits(limits *section, l *Limits) {
	for _, sec := range limits.all("listener") {
		x := d.scoped(sec)
		x.MessageSize = min(int(sec.size("message_size", 1500, 64<<10, 0)), maxDatagram)
		d.limitsSomething(sec, "cps", "concurrent_calls", "message_size")
		l.Listeners = append(l.Listeners, x)
	}
	for _, sec := range limits.all("source") {
		x := d.scoped(sec)
		x.Sources, x.SourceRanges = d.prefixes(sec, "prefixes")
		x.PerAddress = sec.boolean("per_address", false)
		d.limitsSomething(sec, "cps", "concurrent_calls")
		l.Sources = append(l.Sources, x)
	}
	for _, sec := range limits.all("carrier") {
		x := d.scoped(sec)
		x.Sources, x.SourceRanges = d.prefixes(sec, "prefixes")
		d.limitsSomething(sec, "cps", "concurrent_calls")
		l.Carriers = append(l.Carriers, x)
	}
}

func (d *decoder) scoped(sec *section) *ScopedLimits {
	x := &ScopedLimits{
		Name:            sec.name,
		CPS:             sec.integer("cps", 1, maxInt, 0),
		Burst:           sec.integer("burst", 1, maxInt, 0),
		ConcurrentCalls: sec.integer("concurrent_calls", 1, maxInt, 0),
		Range:           sec.def,

		CPSRange: sec.rng("cps"), ConcurrentRange: sec.rng("concurrent_calls"),
		SourcesRange: sec.rng("prefixes"), NameRange: sec.def,
	}
	x.Refusal = refusal(sec)
	if !d.burstWithoutCPS(sec) && !sec.stated("burst") {
		x.Burst = x.CPS
	}
	return x
}

// burstWithoutCPS reports a burst of no rate.
func (d *decoder) burstWithoutCPS(sec *section) bool {
	if !sec.stated("burst") || sec.stated("cps") || sec.typos["cps"] {
		return false
	}
	d.errorf(sec.rng("burst"), "Burst without cps", "burst is how many calls the cps limit lets through at once; there is no cps limit. Add cps or remove burst.")
	return true
}

func (d *decoder) limitsSomething(sec *section, attrs ...string) {
	for _, a := range attrs {
		if sec.stated(a) || sec.typos[a] {
			return
		}
	}
	d.errorf(sec.def, "Limit of nothing", "The limits of %s hold no limit. Write at least one of %s, or remove the block.", sec.what, quoteList(attrs, "and"))
}
