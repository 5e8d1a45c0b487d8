package checks

import (
	"github.com/zclconf/go-cty/cty"

	"trunkline/appliance/spec"
)

func session(s spec.Session) cty.Value {
	if !s.Enabled {
		return null
	}
	return obj{
		"min_se": seconds(s.MinSE), "session_expires": seconds(s.Expires), "insert": flag(s.Insert),
		"at": places(s.Range, at{"min_se": s.MinSERange, "session_expires": s.ExpiresRange, "insert": s.InsertRange}),
	}.val()
}

func messages(m spec.Messages) cty.Value {
	if m.Range.Filename == "" {
		return null
	}
	return obj{
		"remove_headers": texts(m.RemoveHeaders), "codecs": texts(m.Codecs), "compact": flag(m.Compact),
		"udp_limit": num(m.UDPLimit), "fallback": flag(m.Fallback), "hide_topology": flag(m.HideTopology),
		"at": places(m.Range, at{"remove_headers": first(m.RemoveRanges), "codecs": first(m.CodecRanges),
			"udp_limit": m.UDPLimitRange, "fallback": m.FallbackRange, "hide_topology": m.HideRange, "compact": m.CompactRange}),
	}.val()
}

func scoped(l *spec.ScopedLimits) cty.Value {
	return obj{
		"name": text(l.Name), "prefixes": prefixes(l.Sources), "per_address": flag(l.PerAddress),
		"cps": num(l.CPS), "burst": num(l.Burst), "concurrent_calls": num(l.ConcurrentCalls), "message_size": num(l.MessageSize),
		"at": places(l.Range, at{"cps": l.CPSRange, "concurrent_calls": l.ConcurrentRange, "prefixes": l.SourcesRange}),
	}.val()
}

// listenerTLS is null on a listener without TLS.
func listenerTLS(t *spec.TLS) cty.Value {
	if t == nil {
		return null
	}
	return obj{
		"certificate": text(t.Certificate), "key": text(t.Key), "client_ca": text(t.ClientCA), "min_version": text(t.MinVersion),
		"at": places(t.Range, at{"certificate": t.CertificateRange, "key": t.KeyRange, "client_ca": t.ClientCARange, "min_version": t.MinVersionRange}),
	}.val()
}

// connections is null on a listener over UDP.
func connections(c *spec.Connections) cty.Value {
	if c == nil {
		return null
	}
	return obj{
		"max": num(c.Max), "per_source": num(c.PerSource), "idle": seconds(c.Idle), "handshake": seconds(c.Handshake),
		"at": places(c.Range, at{"max": c.MaxRange, "per_source": c.PerSourceRange}),
	}.val()
}

// emergency is null where no call goes first.
func emergency(e *spec.Emergency) cty.Value {
	if e == nil {
		return null
	}
	return obj{
		"numbers": texts(e.Numbers), "resource_priority": texts(e.ResourcePriorities), "reserve": num(e.Reserve),
		"at": places(e.Range, at{"reserve": e.ReserveRange}),
	}.val()
}

func persistence(p *spec.Persistence) cty.Value {
	if p == nil {
		return null
	}
	return obj{
		"to": text(p.To), "database": text(p.Database), "mode": text(p.Mode), "interval": seconds(p.Interval),
		"at": places(p.Range, at{"database": p.DatabaseRange, "mode": p.ModeRange}),
	}.val()
}
