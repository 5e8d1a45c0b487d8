package sizing

import (
	"fmt"
	"net/netip"

	"github.com/hashicorp/hcl/v2"

	"trunkline/appliance/spec"
)

// scopedCeilings are the limits of parts of the traffic, in calls of the whole
// appliance: a listener's limit ends calls when its share of them reaches it, and
// groups of sources that are all there is end them at their sum.
func (z *sizer) scopedCeilings() {
	flows := map[string]flow{}
	for _, f := range z.t.listeners {
		flows[f.l.Name] = f
	}
	for _, l := range z.s.Limits.Listeners {
		f, ok := flows[l.Name]
		if !ok || f.share <= 0 {
			continue // no call comes in there
		}
		share := stated("listener."+l.Name+".share", f.share, "1", at(f.l.ShareRange, f.l.Range))
		z.scoped("listener "+l.Name, "listener."+l.Name, AxisCPS, "cps", l.CPS, l.CPSRange, l.Range, share)
		z.scoped("listener "+l.Name, "listener."+l.Name, AxisConcurrent, "concurrent_calls", l.ConcurrentCalls, l.ConcurrentRange, l.Range, share)
	}
	z.groups("carriers", z.s.Limits.Carriers)
	z.groups("sources", z.s.Limits.Sources)
}

func (z *sizer) scoped(name, id, axis, attr string, limit int, r, block hcl.Range, share Input) {
	if limit <= 0 {
		return
	}
	unit := axisUnit(axis)
	in := stated("limits."+id+"."+attr, float64(limit), unit, at(r, block))
	z.add(rung{resource: "limit of " + name, axis: axis, subject: at(r, block), remedy: fmt.Sprintf("raise %s in limits of %s", attr, name) + where(at(r, block)),
		at: figure("limit."+id+"."+axis, "Limit of "+name, unit, in.Value/share.Value, attr+" / share of the calls that come in there", in, share)})
}

// groups adds up the limits of carriers, or of sources, when nobody who may send
// is outside of them; a group without a limit, or with one for each address, has
// no sum.
func (z *sizer) groups(what string, groups []*spec.ScopedLimits) {
	if len(groups) == 0 || !z.covered(groups) {
		return
	}
	add := func(axis, attr string, limit func(*spec.ScopedLimits) int) {
		sum, inputs, unit := 0.0, []Input{}, axisUnit(axis)
		for _, g := range groups {
			n := limit(g)
			if n <= 0 || g.PerAddress {
				return
			}
			sum += float64(n)
			inputs = append(inputs, stated("limits."+g.Name+"."+attr, float64(n), unit, g.Range))
		}
		z.add(rung{resource: "limits of all " + what, axis: axis, subject: groups[0].Range, remedy: fmt.Sprintf("raise %s in the limits of the %s", attr, what) + where(groups[0].Range),
			at: figure("limit."+what+"."+axis, "Limits of all "+what, unit, sum, "sum of "+attr+": nobody else may send", inputs...)})
	}
	add(AxisCPS, "cps", func(g *spec.ScopedLimits) int { return g.CPS })
	add(AxisConcurrent, "concurrent_calls", func(g *spec.ScopedLimits) int { return g.ConcurrentCalls })
}

// covered reports whether every source of every listener that takes calls lies in
// one of the groups.
func (z *sizer) covered(groups []*spec.ScopedLimits) bool {
	in := map[netip.Prefix]bool{}
	for _, g := range groups {
		for _, p := range g.Sources {
			in[p.Masked()] = true
		}
	}
	for _, f := range z.t.listeners {
		if f.share <= 0 {
			continue
		}
		if len(f.l.Sources) == 0 {
			return false
		}
		for _, p := range f.l.Sources {
			if !within(in, p) {
				return false
			}
		}
	}
	return true
}

// within reports whether p or a prefix around it is in the set.
func within(set map[netip.Prefix]bool, p netip.Prefix) bool {
	for bits := p.Bits(); bits >= 0; bits-- {
		if q, err := p.Addr().Prefix(bits); err == nil && set[q] {
			return true
		}
	}
	return false
}
