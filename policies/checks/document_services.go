package checks

import (
	"net/netip"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"trunkline/appliance/spec"
)

// null is an absent block.
var null = cty.NullVal(cty.DynamicPseudoType)

func flag(b bool) cty.Value { return cty.BoolVal(b) }

// addrs gives addresses as text.
func addrs(in []netip.Addr) cty.Value {
	return list(in, func(a netip.Addr) cty.Value { return text(a.String()) })
}

// sockets gives addresses with ports as text.
func sockets(in []netip.AddrPort) cty.Value {
	return list(in, func(a netip.AddrPort) cty.Value { return text(a.String()) })
}

// socket is empty text where there is none.
func socket(a netip.AddrPort) cty.Value {
	if !a.IsValid() {
		return text("")
	}
	return text(a.String())
}

func media(m *spec.Media) cty.Value {
	if m == nil {
		return null
	}
	return obj{
		"timeout": seconds(m.Timeout), "on_fail": text(m.OnFail), "ptime": seconds(m.PTime), "bitrate": num(m.Bitrate),
		"instances": list(m.Instances, mediaInstance),
		"at":        places(m.Range, at{"timeout": m.TimeoutRange, "on_fail": m.OnFailRange}),
	}.val()
}

func mediaInstance(i *spec.MediaInstance) cty.Value {
	return obj{
		"name": text(i.Name), "control": sockets(i.Control), "local": flag(i.Local), "addresses": addrs(i.Addresses),
		"port_first": num(i.PortFirst), "port_last": num(i.PortLast),
		"max_sessions": num(i.MaxSessions), "max_cps": num(i.MaxCPS), "weight": num(i.Weight),
		"at": places(i.Range, at{"control": first(i.ControlRanges), "ports": i.PortsRange, "max_sessions": i.MaxSessionsRange, "max_cps": i.MaxCPSRange}),
	}.val()
}

// first is where a list begins.
func first(r []hcl.Range) hcl.Range {
	if len(r) == 0 {
		return hcl.Range{}
	}
	return r[0]
}

func database(d *spec.Database) cty.Value {
	return obj{
		"name": text(d.Name), "engine": text(d.Engine), "address": text(d.Address), "database": text(d.Database), "user": text(d.User),
		"password": text(d.Password), "tls": text(d.TLS), "ca": text(d.CA), "file": text(d.File), "pools": texts(d.Pools),
		"pool": num(d.Pool), "max_connections": num(d.MaxConnections), "appliances": num(d.Appliances),
		"at": places(d.Range, at{"address": d.AddressRange, "pool": d.PoolRange, "max_connections": d.MaxConnectionsRange,
			"appliances": d.AppliancesRange, "password": d.PasswordRange, "file": d.FileRange, "tls": d.TLSRange, "ca": d.CARange}),
	}.val()
}

func dynamicSockets(s *spec.Sockets) cty.Value {
	if s == nil {
		return null
	}
	return obj{
		"database": text(s.Database), "table": text(s.Table), "nics": texts(s.NICs), "sources": prefixes(s.Sources),
		"workers": num(s.Workers), "max_sockets": num(s.MaxSockets),
		"at": places(s.Range, at{"database": s.DatabaseRange, "workers": s.WorkersRange, "max_sockets": s.MaxSocketsRange, "sources": s.SourcesRange}),
	}.val()
}

func control(c spec.Control) cty.Value {
	if c.Range.Filename == "" {
		return null
	}
	metrics, hep, cdr := null, null, null
	if m := c.Metrics; m != nil {
		metrics = obj{"address": socket(m.Address), "sources": prefixes(m.Sources),
			"at": places(m.Range, at{"address": m.AddressRange, "sources": m.SourcesRange})}.val()
	}
	if h := c.HEP; h != nil {
		hep = obj{"address": socket(h.Address), "capture_id": num(h.CaptureID), "at": places(h.Range, at{"address": h.AddressRange})}.val()
	}
	if d := c.CDR; d != nil {
		cdr = obj{"to": text(d.To), "database": text(d.Database), "at": places(d.Range, at{"database": d.DatabaseRange})}.val()
	}
	return obj{
		"address": socket(c.Address), "nic": text(c.NIC), "sources": prefixes(c.Sources),
		"certificate": text(c.Certificate), "key": text(c.Key), "client_ca": text(c.ClientCA),
		"console": flag(c.Console), "log_level": text(c.LogLevel), "metrics": metrics, "hep": hep, "cdr": cdr,
		"at": places(c.Range, at{"address": c.AddressRange, "sources": c.SourcesRange, "certificate": c.CertificateRange,
			"key": c.KeyRange, "client_ca": c.ClientCARange}),
	}.val()
}

func update(u *spec.Update) cty.Value {
	if u == nil {
		return null
	}
	window := null
	if w := u.Window; w != nil {
		window = obj{"first": seconds(w.First), "last": seconds(w.Last)}.val()
	}
	return obj{
		"url": text(u.URL), "interval": seconds(u.Interval), "signer": text(u.Signer), "ca": text(u.CA), "reboot": text(u.Reboot),
		"window": window, "tries": num(u.Tries),
		"at": places(u.Range, at{"url": u.URLRange, "signer": u.SignerRange, "ca": u.CARange, "window": u.WindowRange, "reboot": u.RebootRange}),
	}.val()
}

func secret(s *spec.Secret) cty.Value {
	return obj{"name": text(s.Name), "from": text(s.From), "credential": text(s.Credential), "at": places(s.Range, at{"credential": s.CredentialRange})}.val()
}

func staticRoute(r *spec.StaticRoute) cty.Value {
	return obj{
		"name": text(r.Name), "destination": text(r.Destination.String()), "via": text(r.Via.String()), "nic": text(r.NIC),
		"at": places(r.Range, at{"destination": r.DestinationRange, "via": r.ViaRange, "nic": r.NICRange}),
	}.val()
}
