package plan

import (
	"net/netip"
	"slices"

	"trunkline/appliance/runtime"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
)

// services compiles what stands beside the path of a message, and what of the
// path is not run yet.
func services(a *runtime.Appliance, s *spec.Spec) {
	for _, x := range s.Secrets {
		a.Secrets = append(a.Secrets, runtime.Secret{Name: x.Name, Credential: x.Credential})
	}
	for _, d := range s.Databases {
		a.Databases = append(a.Databases, runtime.Database{
			Name: d.Name, Engine: d.Engine, Address: d.Address, Database: d.Database, User: d.User,
			Password: d.Password, TLS: d.TLS, CA: d.CA, File: d.File, Pool: d.Pool,
		})
	}
	if x := s.Session; x.Enabled {
		a.Session = &runtime.Session{MinSE: runtime.Duration(x.MinSE), Expires: runtime.Duration(x.Expires), Insert: x.Insert}
	}
	if x := s.Messages; x.Range.Filename != "" || slices.ContainsFunc(a.Listeners, func(l runtime.Listener) bool { return l.OverTCP != "" }) {
		a.Messages = &runtime.Messages{
			RemoveHeaders: x.RemoveHeaders, Codecs: x.Codecs, Compact: x.Compact,
			UDPLimit: sizing.UDPLimit(s), Fallback: x.Fallback, HideTopology: x.HideTopology,
		}
	}
	if x := s.Sockets; x != nil {
		a.Sockets = &runtime.Sockets{
			Database: x.Database, Table: x.Table, Columns: runtime.SocketColumns(x.Columns),
			NICs: append([]string{}, x.NICs...), Sources: prefixes(x.Sources), Workers: x.Workers, MaxSockets: x.MaxSockets,
		}
	}
	a.Update = updates(s.Update, a.Name)
	media(a, s.Media)
	control(a, s.Control)
}

// media compiles the relays, and lets media in to those on the appliance.
func media(a *runtime.Appliance, m *spec.Media) {
	if m == nil {
		return
	}
	out := &runtime.Media{Timeout: runtime.Duration(m.Timeout), OnFail: m.OnFail}
	for _, x := range m.Instances {
		i := runtime.MediaInstance{
			Name: x.Name, Control: append([]netip.AddrPort{}, x.Control...), Local: x.Local,
			Addresses: x.Addresses, MaxSessions: x.MaxSessions, Weight: x.Weight,
		}
		if x.Local {
			i.FirstPort, i.LastPort = uint16(x.PortFirst), uint16(x.PortLast)
			a.Firewall.Services = append(a.Firewall.Services, runtime.Service{
				Name: "media-" + x.Name, Protocol: "udp", Addresses: x.Addresses,
				FirstPort: i.FirstPort, LastPort: i.LastPort, Untracked: true,
			})
		}
		out.Instances = append(out.Instances, i)
	}
	a.Media = out
}

// control compiles the API beside the local socket, and lets its sources in.
func control(a *runtime.Appliance, c spec.Control) {
	a.Control.LogLevel = c.LogLevel
	if a.Control.LogLevel == "info" {
		a.Control.LogLevel = ""
	}
	if c.Address.IsValid() {
		a.Control.Remote = &runtime.Remote{
			Address: c.Address, Sources: prefixes(c.Sources), Certificate: c.Certificate, Key: c.Key, ClientCA: c.ClientCA, Console: c.Console,
		}
		a.Firewall.Services = append(a.Firewall.Services, tcpService("control", c.Address, c.Sources))
	}
	if m := c.Metrics; m != nil {
		a.Control.Metrics = &runtime.Metrics{Address: m.Address, Sources: prefixes(m.Sources)}
		a.Firewall.Services = append(a.Firewall.Services, tcpService("metrics", m.Address, m.Sources))
	}
	if h := c.HEP; h != nil {
		a.Control.HEP = &runtime.HEP{Address: h.Address, CaptureID: h.CaptureID}
	}
	if d := c.CDR; d != nil {
		a.Control.CDR = &runtime.CDR{To: d.To, Database: d.Database}
	}
}

func tcpService(name string, at netip.AddrPort, sources []netip.Prefix) runtime.Service {
	return runtime.Service{Name: name, Protocol: "tcp", Addresses: []netip.Addr{at.Addr()}, FirstPort: at.Port(), LastPort: at.Port(), Sources: prefixes(sources)}
}

func scoped(in []*spec.ScopedLimits) []runtime.ScopedLimits {
	var out []runtime.ScopedLimits
	for _, l := range in {
		x := runtime.ScopedLimits{
			Name: l.Name, PerAddress: l.PerAddress, CPS: l.CPS, Burst: l.Burst, ConcurrentCalls: l.ConcurrentCalls, MessageSize: l.MessageSize, Refusal: refusal(l.Refusal),
		}
		if len(l.Sources) > 0 {
			x.Prefixes = prefixes(l.Sources)
		}
		out = append(out, x)
	}
	return out
}

func refusal(r *spec.Refusal) *runtime.Refusal {
	if r == nil {
		return nil
	}
	return &runtime.Refusal{Code: r.Code, Reason: r.Reason}
}

func persistence(p *spec.Persistence) *runtime.Persistence {
	if p == nil {
		return nil
	}
	return &runtime.Persistence{To: p.To, Database: p.Database, Mode: p.Mode, Interval: runtime.Duration(p.Interval)}
}

// queues is what the budget planned for a NIC; the kernel keeps what it does by
// itself, which is one queue on one CPU of a machine that has no other.
func queues(b *sizing.Budget, nic string) []runtime.Queue {
	var out []runtime.Queue
	for _, n := range b.NICs {
		if n.NIC != nic {
			continue
		}
		for _, q := range n.Affinity {
			out = append(out, runtime.Queue{Queue: q.Queue, CPU: q.CPU, RPS: q.RPS})
		}
	}
	return out
}
