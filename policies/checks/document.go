package checks

import (
	"bytes"
	"net/netip"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
)

// document is the spec as rules see it. Sizes are bytes, durations seconds; 0 is
// "not stated"; an absent block is null. Names follow the spec language; lists are
// called after their blocks, in the plural.
func document(s *spec.Spec) cty.Value {
	w, t, l, h := s.Workload, s.Transaction, s.Limits, s.Hardware
	routed := routed(s)
	listeners := make([]cty.Value, len(s.Listeners))
	for i, l := range s.Listeners {
		listeners[i] = listener(l, routed[""] || routed[l.Name])
	}
	return obj{
		"appliance": obj{"name": text(s.Appliance.Name), "site": text(s.Appliance.Site), "at": places(s.Appliance.Range, nil)}.val(),
		"hardware": obj{
			"platform": text(h.Platform), "memory": num(h.Memory), "cores": num(h.Cores),
			"threads_per_core": num(h.ThreadsPerCore), "threads": num(h.Threads()),
			"nics": list(h.NICs, nic), "routes": list(h.Routes, staticRoute), "dns": addrs(h.DNS), "ntp": texts(h.NTP),
			"at": places(h.Range, at{"memory": h.MemoryRange, "cpu": h.CPURange, "dns": first(h.DNSRanges), "ntp": first(h.NTPRanges)}),
		}.val(),
		"workload": obj{
			"cps": num(w.CPS), "concurrent_calls": num(w.ConcurrentCalls),
			"call_duration": seconds(w.CallDuration), "ring_time": seconds(w.RingTime), "worker_wait": seconds(w.WorkerWait),
			"at": places(w.Range, at{"cps": w.CPSRange, "concurrent_calls": w.ConcurrentRange, "call_duration": w.DurationRange, "ring_time": w.RingRange, "worker_wait": w.WorkerWaitRange}),
		}.val(),
		"listeners":   cty.TupleVal(listeners),
		"listener":    byName(s.Listeners, listeners),
		"dispatchers": list(s.Dispatchers, dispatcher),
		"routes":      list(s.Routes, route),
		"caches":      list(s.Caches, cache),
		"limits": obj{
			"cps": num(l.CPS), "burst": num(l.Burst), "concurrent_calls": num(l.ConcurrentCalls),
			"retry_after": seconds(l.RetryAfter), "message_size": num(l.MessageSize), "stated": cty.BoolVal(l.Range.Filename != ""),
			"emergency": emergency(l.Emergency),
			"listeners": list(l.Listeners, scoped), "sources": list(l.Sources, scoped), "carriers": list(l.Carriers, scoped),
			"at": places(or(l.Range, w.Range), at{"cps": l.CPSRange, "concurrent_calls": l.ConcurrentRange}),
		}.val(),
		"transaction": obj{
			"reply_timeout": seconds(t.ReplyTimeout), "invite_timeout": seconds(t.InviteTimeout),
			"wait": seconds(t.Wait), "call_lifetime": seconds(t.CallLifetime), "drain_timeout": seconds(t.DrainTimeout),
			"call_lifetime_stated": flag(t.LifetimeRange != t.Range),
			"at":                   places(or(t.Range, w.Range), at{"invite_timeout": t.InviteRange, "reply_timeout": t.ReplyRange, "call_lifetime": t.LifetimeRange}),
		}.val(),
		"state": obj{
			"memory": num(s.State.Memory), "high_water": cty.NumberFloatVal(s.State.HighWater),
			"hugepages": num(s.State.HugePages), "persistence": persistence(s.State.Persistence),
			"at": places(or(s.State.Range, h.Range), at{"memory": s.State.MemoryRange, "high_water": s.State.HighWaterRange, "hugepages": s.State.HugePagesRange}),
		}.val(),
		"firewall": obj{
			"enabled": cty.BoolVal(s.Firewall.Enabled), "source_rate": num(s.Firewall.SourceRate), "source_burst": num(s.Firewall.SourceBurst),
			"at": places(or(s.Firewall.Range, s.Appliance.Range), nil),
		}.val(),
		"session": session(s.Session), "messages": messages(s.Messages), "media": media(s.Media), "sockets": dynamicSockets(s.Sockets),
		"control": control(s.Control), "update": update(s.Update),
		"databases": list(s.Databases, database), "secrets": list(s.Secrets, secret),
	}.val()
}

func nic(n *spec.NIC) cty.Value {
	addresses := make([]cty.Value, len(n.Addresses))
	for i, a := range n.Addresses {
		addresses[i] = text(a.String())
	}
	gateways := make([]cty.Value, len(n.Gateways))
	for i, g := range n.Gateways {
		gateways[i] = text(g.String())
	}
	return obj{
		"name": text(n.Name), "kind": text(n.Kind), "management": flag(n.Management),
		"members": texts(n.Members), "mode": text(n.Mode), "parent": text(n.Parent), "vlan": num(n.VLAN),
		"speed": num(n.SpeedBits), "queues": num(n.Queues), "mtu": num(n.MTU),
		"addresses": cty.TupleVal(addresses), "gateways": cty.TupleVal(gateways),
		"at": places(n.Range, at{"match": n.MatchRange, "mtu": n.MTURange, "queues": n.QueuesRange, "mode": n.ModeRange, "members": first(n.MemberRanges), "parent": n.ParentRange, "vlan": n.VLANRange}),
	}.val()
}

// routed tells from which listeners some route takes calls; "" stands for all.
func routed(s *spec.Spec) map[string]bool {
	out := map[string]bool{}
	for _, r := range s.Routes {
		for _, name := range r.From {
			out[name] = true
		}
		if len(r.From) == 0 {
			out[""] = true
		}
	}
	return out
}

// byName makes a list addressable: spec.listener["core"].
func byName(in []*spec.Listener, vals []cty.Value) cty.Value {
	out := obj{}
	for i, l := range in {
		out[l.Name] = vals[i]
	}
	return out.val()
}

func listener(l *spec.Listener, routed bool) cty.Value {
	return obj{
		"name": text(l.Name), "nic": text(l.NIC), "address": text(l.Address.String()), "port": num(l.Port),
		"transport": text(l.Transport), "advertise": text(l.Advertise), "sources": prefixes(l.Sources),
		"workers": num(l.Workers), "share": cty.NumberFloatVal(l.Share), "loopback": cty.BoolVal(l.Address.IsLoopback()),
		"routed": cty.BoolVal(routed), "stream": flag(l.Stream()), "secure": flag(l.Secure()), "tos": num(l.TOS),
		"tls": listenerTLS(l.TLS), "connections": connections(l.Conns),
		"at": places(l.Range, at{"nic": l.NICRange, "address": l.AddressRange, "port": l.PortRange,
			"workers": l.WorkersRange, "sources": l.SourcesRange, "share": l.ShareRange,
			"transport": l.TransportRange, "tos": l.TOSRange}),
	}.val()
}

func dispatcher(d *spec.Dispatcher) cty.Value {
	probe := cty.NullVal(cty.DynamicPseudoType)
	if p := d.Probe; p != nil {
		probe = obj{
			"interval": seconds(p.Interval), "timeout": seconds(p.Timeout),
			"fail_threshold": num(p.FailThreshold), "recover_threshold": num(p.RecoverThreshold),
			"from": text(p.From), "accept": spans(p.Accept),
			"at": places(p.Range, at{"fail_threshold": p.FailRange, "recover_threshold": p.RecoverRange, "interval": p.IntervalRange}),
		}.val()
	}
	// What the destinations state in all, so that rules need not look at each: thousands may be there.
	cps, calls, hosts := 0, 0, []string{}
	for _, x := range d.Destinations {
		cps, calls = cps+x.MaxCPS, calls+x.MaxCalls
		if x.Host != "" {
			hosts = append(hosts, x.Host)
		}
	}
	never := make([]cty.Value, len(d.Failover.Never))
	for i, n := range d.Failover.Never {
		never[i] = num(n)
	}
	return obj{
		"name": text(d.Name), "id": num(d.ID), "algorithm": text(d.Algorithm), "next": text(d.Next), "probe": probe,
		"failover": obj{
			"on": spans(d.Failover.On), "on_timeout": cty.BoolVal(d.Failover.OnTimeout), "never": cty.TupleVal(never),
			"at": places(or(d.Failover.Range, d.Range), nil),
		}.val(),
		"destinations": list(d.Destinations, destination), "max_cps": num(cps), "max_calls": num(calls), "hosts": texts(hosts),
		"at": places(d.Range, at{"id": d.IDRange, "algorithm": d.AlgorithmRange, "next": d.NextRange}),
	}.val()
}

func destination(x *spec.Destination) cty.Value {
	address, port := "", x.Port
	if x.Address.IsValid() {
		address, port = x.Address.Addr().String(), int(x.Address.Port())
	}
	return obj{
		"name": text(x.Name), "uri": text(x.URI), "address": text(address), "port": num(port), "host": text(x.Host),
		"transport": text(x.Transport), "weight": num(x.Weight), "priority": num(x.Priority), "state": text(x.State),
		"listener": text(x.Listener), "max_cps": num(x.MaxCPS), "max_calls": num(x.MaxCalls),
		"at": places(x.Range, at{"uri": x.URIRange, "listener": x.ListenerRange, "max_cps": x.MaxCPSRange, "max_calls": x.MaxCallsRange,
			"weight": x.WeightRange, "priority": x.PriorityRange, "state": x.StateRange}),
	}.val()
}

func route(r *spec.Route) cty.Value {
	return obj{
		"name": text(r.Name), "from": texts(r.From), "prefix": text(r.Prefix), "to": texts(r.To), "cache": text(r.Cache),
		"at": places(r.Range, at{"prefix": r.PrefixRange, "cache": r.CacheRange}),
	}.val()
}

func cache(c *spec.Cache) cty.Value {
	return obj{
		"name": text(c.Name), "source": text(c.Source), "file": text(c.File), "baked": cty.BoolVal(c.Baked), "rows": num(c.Rows),
		"warmup": text(c.Warmup), "on_fail": text(c.OnFail), "timeout": seconds(c.Within), "bytes": num(len(bytes.TrimSpace(c.Data))),
		"database": text(c.Database), "query": text(c.Query), "refresh": seconds(c.Refresh),
		"at": places(c.Range, at{"file": c.FileRange, "warmup": c.WarmupRange, "database": c.DatabaseRange, "query": c.QueryRange,
			"on_fail": c.OnFailRange, "refresh": c.RefreshRange}),
	}.val()
}

// at names the ranges of a block's attributes; block is its header.
type at map[string]hcl.Range

// places gives every range as "file.hcl:12"; an attribute not written stands where
// its block begins.
func places(block hcl.Range, attrs at) cty.Value {
	head := text(sizing.Location(block))
	out := obj{"block": head}
	for name, r := range attrs {
		out[name] = head
		if where := sizing.Location(r); where != "" {
			out[name] = text(where)
		}
	}
	return out.val()
}

// or is r, or fallback when the spec has no such block.
func or(r, fallback hcl.Range) hcl.Range {
	if r.Filename == "" {
		return fallback
	}
	return r
}

type obj map[string]cty.Value

func (o obj) val() cty.Value { return cty.ObjectVal(o) }

func list[T any](in []T, f func(T) cty.Value) cty.Value {
	out := make([]cty.Value, len(in))
	for i, e := range in {
		out[i] = f(e)
	}
	return cty.TupleVal(out) // empty too; elements may differ in what is null
}

func text(s string) cty.Value { return cty.StringVal(strings.ToValidUTF8(s, "?")) }

func texts(in []string) cty.Value { return list(in, text) }

func prefixes(in []netip.Prefix) cty.Value {
	return list(in, func(p netip.Prefix) cty.Value { return text(p.String()) })
}

func spans(in []spec.CodeSpan) cty.Value {
	return list(in, func(c spec.CodeSpan) cty.Value { return obj{"first": num(c.First), "last": num(c.Last)}.val() })
}

func num[N int | uint16 | uint64](n N) cty.Value {
	if uint64(n) > 1<<63 { // also negative ints
		return cty.NumberIntVal(int64(n))
	}
	return cty.NumberUIntVal(uint64(n))
}

func seconds(d time.Duration) cty.Value { return cty.NumberFloatVal(d.Seconds()) }
