package spec

import (
	"regexp"
	"strings"
)

// service is a service URN in the form it is compared in (RFC 5031 section 3), or what it
// begins with.
var service = regexp.MustCompile(`^urn:service:[a-z0-9][a-z0-9.-]*$`)

func (d *decoder) routes(root *section, s *Spec) {
	for _, sec := range root.all("route") {
		r := &Route{
			Name:        sec.name,
			Prefix:      sec.str("prefix", ""),
			Cache:       sec.str("cache", ""),
			Range:       sec.def,
			PrefixRange: sec.rng("prefix"),
			CacheRange:  sec.rng("cache"),
		}
		r.From, r.FromRanges = sec.texts("from")
		r.To, r.ToRanges = sec.texts("to")
		r.Carriers, r.CarrierRanges = sec.texts("carriers")
		d.numberRule(sec, r)
		if strings.HasPrefix(strings.ToLower(r.Prefix), "urn:") {
			if !service.MatchString(r.Prefix) {
				d.errorf(r.PrefixRange, "Invalid service", "%q is no service of RFC 5031 in small letters, in which calls are compared with it. For example: prefix = \"urn:service:sos\"", r.Prefix)
			}
		} else if strings.Trim(r.Prefix, userChars) != "" {
			d.errorf(r.PrefixRange, "Invalid prefix", "%q holds characters that no user part of a SIP URI has (RFC 3261 section 25.1). For example: prefix = \"+49\"", r.Prefix)
		}
		switch {
		case sec.stated("to") && sec.stated("cache"):
			d.errorf(r.CacheRange, "Route with two aims", "Route %q has both to and cache. Keep one: to names the dispatcher sets, cache looks the set up by the number called. For a fallback write a further route.", sec.name)
		case !sec.stated("to") && !sec.stated("cache") && !sec.typos["to"] && !sec.typos["cache"]:
			d.errorf(sec.def, "Route without an aim", "Route %q says nothing about where calls go. Write to = [\"DISPATCHER\"], or cache = \"CACHE\" for a table of prefixes.", sec.name)
		}
		s.Routes = append(s.Routes, r)
	}
	if len(root.blocks["route"]) > 0 || root.typos["route"] {
		return
	}
	switch len(s.Dispatchers) {
	case 0:
	case 1: // one place to go: nothing to decide
		s.Routes = []*Route{{Name: "implied", To: []string{s.Dispatchers[0].Name}}}
	default:
		d.errorf(s.Dispatchers[1].Range, "No route", "With more than one dispatcher the spec must say which calls go where. Add a route: route \"default\" { to = [%q] }", s.Dispatchers[0].Name)
	}
}
