package plan

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"sort"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
)

// Fixed parts of the appliance.
const (
	// CacheDir holds the baked caches inside the appliance.
	CacheDir = "/etc/trunkline/caches"
	// ControlSocket is where sbcd answers `sbcd status`.
	ControlSocket = "/run/sbcd/control.sock"

	// maxDatagram is the largest UDP payload over IPv4, bytes.
	maxDatagram = 65507
	// meteredSources is the size of the rate meter's set. Without a size the kernel
	// takes 65,535 and then silently stops matching; stated, the ruleset shows it.
	meteredSources = 65536
	// echoRate is how many pings a second are answered: enough for monitoring.
	echoRate = 20

	// T1 and T2 are RFC 3261 Table 4.
	timerT1 = 500 * time.Millisecond
	timerT2 = 4 * time.Second
)

// compile turns what the spec says and what the budget computed into the
// appliance.json, in which nothing is left to decide.
func compile(s *spec.Spec, b *sizing.Budget) (*runtime.Appliance, error) {
	if len(b.Listeners) != len(s.Listeners) {
		return nil, fmt.Errorf("the budget is of another spec: it has %d listeners, the spec %d", len(b.Listeners), len(s.Listeners))
	}
	a := &runtime.Appliance{
		FormatVersion: runtime.FormatVersion,
		Name:          s.Appliance.Name,
		Site:          s.Appliance.Site,
		SpecDigest:    s.Digest,
		Hardware: runtime.Hardware{Threads: s.Hardware.Threads(), MemoryBytes: s.Hardware.Memory, NICs: []runtime.NIC{},
			Platform: s.Hardware.Platform, Cores: s.Hardware.Cores, Mismatch: mismatch(s), Console: s.Hardware.Console, Disks: disks(s.Hardware)},
		Listeners:   []runtime.Listener{},
		Dispatchers: []runtime.Dispatcher{},
		Routes:      []runtime.Route{},
		Limits: runtime.Limits{
			CPS: s.Limits.CPS, Burst: burst(s.Limits), ConcurrentCalls: s.Limits.ConcurrentCalls,
			RetryAfter: int(math.Ceil(s.Limits.RetryAfter.Seconds())),
			Listeners:  scoped(s.Limits.Listeners), Sources: scoped(s.Limits.Sources), Carriers: scoped(s.Limits.Carriers),
		},
		Transaction: runtime.Transaction{
			T1: runtime.Duration(timerT1), T2: runtime.Duration(timerT2),
			ReplyTimeout:  runtime.Duration(s.Transaction.ReplyTimeout),
			InviteTimeout: runtime.Duration(s.Transaction.InviteTimeout),
			Wait:          runtime.Duration(s.Transaction.Wait),
			CallLifetime:  runtime.Duration(s.Transaction.CallLifetime),
			DrainTimeout:  runtime.Duration(s.Transaction.DrainTimeout),
		},
		State: runtime.State{
			Transactions: int(b.Transactions.Value), MessageBytes: uint64(b.MessageBytes.Value), Calls: int(b.Calls.Value),
			HighWater: s.State.HighWater, BudgetBytes: uint64(b.SHMTotal.Value), ProcessMemory: uint64(b.ProcessLimit.Value),
			HugePages: s.State.HugePages, Persistence: persistence(s.State.Persistence),
		},
		Control: runtime.Control{Socket: ControlSocket},
		Firewall: runtime.FirewallInput{
			Enabled: s.Firewall.Enabled, SourceRate: int(b.SourceRate.Value), SourceBurst: s.Firewall.SourceBurst,
			MaxSources: meteredSources, ICMPRate: echoRate,
		},
	}
	if r := s.Limits.Refusal; r != (spec.Refusal{Code: 503}) {
		a.Limits.Refusal = refusal(&r)
	}
	emergency(a, s, b)
	a.Hardware.Resize = resize(s, b)
	if a.Firewall.SourceBurst == 0 {
		a.Firewall.SourceBurst = 2 * a.Firewall.SourceRate // two seconds' worth: a trunk that comes back
	}
	for _, n := range s.Hardware.NICs {
		a.Hardware.NICs = append(a.Hardware.NICs, nic(s.Hardware.Platform, n, queues(b, n.Name)))
	}

	var errs []error
	paths, peers := sizing.NewPaths(s), map[string][]netip.Prefix{}
	for _, d := range s.Dispatchers {
		rd, err := dispatcher(paths, d, peers)
		errs = append(errs, err)
		a.Dispatchers = append(a.Dispatchers, rd)
	}
	// A peer is reached over TCP too with requests too long for UDP, and may send its own so.
	for _, l := range s.Listeners {
		if over := s.OverTCP(l); over != nil {
			peers[over.Name] = append(peers[over.Name], peers[l.Name]...)
		}
	}
	for i, l := range s.Listeners {
		a.Listeners = append(a.Listeners, listener(s, l, b.Listeners[i], peers[l.Name]))
	}
	a.Resolvers = resolvers(s)
	for _, r := range routes(s) {
		a.Routes = append(a.Routes, runtime.Route{Name: r.Name, From: append([]string{}, r.From...), Prefix: r.Prefix, To: r.To, Cache: r.Cache,
			Carriers: r.Carriers, Pattern: r.Pattern, Strip: r.Strip, Add: r.Add, Rewrite: r.Rewrite})
	}
	for _, k := range s.Caches {
		a.Caches = append(a.Caches, cache(k))
	}
	services(a, s)
	return a, errors.Join(errs...)
}

func nic(platform string, n *spec.NIC, queues []runtime.Queue) runtime.NIC {
	out := runtime.NIC{Name: n.Name, MAC: n.MatchMAC, Kind: n.Kind, Addresses: append([]netip.Prefix{}, n.Addresses...), Queues: queues}
	if n.Kind == spec.KindEthernet {
		out.Kind = "" // what all of most appliances are
		out.Driver, out.Speed = boundName(platform, spec.DriverNIC, n.Driver), n.SpeedBits
	}
	return out
}

// emergency adds the room for emergency calls to that for all.
func emergency(a *runtime.Appliance, s *spec.Spec, b *sizing.Budget) {
	e := s.Limits.Emergency
	if e == nil || b.Emergency == nil {
		return
	}
	r := &runtime.Emergency{
		Numbers: e.Numbers, ResourcePriority: e.ResourcePriorities,
		Calls: int(b.Emergency.Calls.Value), Transactions: int(b.Emergency.Transactions.Value), MessageBytes: uint64(b.Emergency.MessageBytes.Value),
	}
	a.Limits.Emergency = r
	a.State.Calls += r.Calls
	a.State.Transactions += r.Transactions
	a.State.MessageBytes += r.MessageBytes
}

func burst(l spec.Limits) int {
	if l.CPS > 0 && l.Burst == 0 {
		return l.CPS
	}
	return l.Burst
}

func listener(s *spec.Spec, l *spec.Listener, b sizing.ListenerBudget, peers []netip.Prefix) runtime.Listener {
	size := s.Limits.MessageSize
	for _, own := range s.Limits.Listeners {
		if own.Name == l.Name && own.MessageSize > 0 {
			size = own.MessageSize
		}
	}
	if size <= 0 || size > maxDatagram {
		size = maxDatagram
	}
	n := int(b.Workers.Value)
	out := runtime.Listener{
		Name: l.Name, NIC: l.NIC, Transport: l.Transport,
		Address:   netip.AddrPortFrom(l.Address, uint16(l.Port)),
		Advertise: l.Advertise,
		Sources:   prefixes(l.Sources), Peers: prefixes(peers),
		Workers: n, SocketCount: n,
		RecvBuffer: int(b.RecvBuffer.Value), SendBuffer: int(b.SendBuffer.Value),
		MaxMessage: size, TOS: l.TOS,
	}
	if over := s.OverTCP(l); over != nil {
		out.OverTCP = over.Name
	}
	if b.Steered {
		out.Steering = runtime.SteeringCallID
	}
	if t := l.TLS; t != nil {
		out.TLS = &runtime.TLS{Certificate: t.Certificate, Key: t.Key, ClientCA: t.ClientCA, MinVersion: t.MinVersion}
	}
	if c := l.Conns; c != nil {
		out.Connections = &runtime.Connections{Max: c.Max, PerSource: c.PerSource, Idle: runtime.Duration(c.Idle), Handshake: runtime.Duration(c.Handshake)}
	}
	return out
}

// prefixes sorts, masks and removes doubles. Empty stays an empty list.
func prefixes(in []netip.Prefix) []netip.Prefix {
	out := make([]netip.Prefix, 0, len(in))
	seen := map[netip.Prefix]bool{}
	for _, p := range in {
		if p = p.Masked(); !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	sort.Slice(out, func(i, j int) bool {
		if c := out[i].Addr().Compare(out[j].Addr()); c != 0 {
			return c < 0
		}
		return out[i].Bits() < out[j].Bits()
	})
	return out
}

// dispatcher compiles one set and adds its destinations to the peers of the
// listeners that reach them.
func dispatcher(paths *sizing.Paths, d *spec.Dispatcher, peers map[string][]netip.Prefix) (runtime.Dispatcher, error) {
	out := runtime.Dispatcher{
		Name: d.Name, ID: d.ID, Algorithm: d.Algorithm, Next: d.Next,
		Failover: runtime.Failover{On: spans(d.Failover.On), OnTimeout: d.Failover.OnTimeout, Never: append([]int{}, d.Failover.Never...)},
	}
	if p := d.Probe; p != nil {
		out.Probe = &runtime.Probe{
			Interval: runtime.Duration(p.Interval), Timeout: runtime.Duration(p.Timeout),
			FailThreshold: p.FailThreshold, RecoverThreshold: p.RecoverThreshold,
			From: p.From, Accept: spans(p.Accept),
		}
	}
	var errs []error
	for _, x := range d.Destinations {
		l := paths.Listener(x)
		if x.Host != "" { // its addresses are known when it has been resolved
			if l == nil {
				errs = append(errs, fmt.Errorf("%sdestination %q of dispatcher %q: no listener talks to it: add one", position(x), x.Name, d.Name))
				continue
			}
			out.Destinations = append(out.Destinations, destination(x, netip.AddrPort{}, l.Name))
			continue
		}
		if l == nil {
			errs = append(errs, fmt.Errorf("%sdestination %q of dispatcher %q: no listener speaks the address family of %s: add a listener on such an address", position(x), x.Name, d.Name, x.Address.Addr()))
			continue
		}
		addr := x.Address.Addr().Unmap()
		peers[l.Name] = append(peers[l.Name], netip.PrefixFrom(addr, addr.BitLen()))
		out.Destinations = append(out.Destinations, destination(x, netip.AddrPortFrom(addr, x.Address.Port()), l.Name))
	}
	return out, errors.Join(errs...)
}

// mostResolvers is how many name servers are asked, as by resolv.conf(5) (MAXNS).
const mostResolvers = 3

// resolvers are the name servers, where there is a destination to be resolved.
func resolvers(s *spec.Spec) []netip.AddrPort {
	named := slices.ContainsFunc(s.Dispatchers, func(d *spec.Dispatcher) bool {
		return slices.ContainsFunc(d.Destinations, func(x *spec.Destination) bool { return x.Host != "" })
	})
	if !named {
		return nil
	}
	var out []netip.AddrPort
	for _, a := range s.Hardware.DNS[:min(len(s.Hardware.DNS), mostResolvers)] {
		out = append(out, netip.AddrPortFrom(a.Unmap(), 53))
	}
	return out
}

// destination leaves out what is as by default.
func destination(x *spec.Destination, addr netip.AddrPort, listener string) runtime.Destination {
	out := runtime.Destination{
		Name: x.Name, URI: x.URI, Address: addr, Listener: listener, Host: x.Host, Port: x.Port,
		Priority: x.Priority, MaxCalls: x.MaxCalls, MaxCPS: x.MaxCPS, Attrs: x.Attrs,
	}
	if x.Transport != spec.TransportUDP {
		out.Transport = x.Transport
	}
	if x.Weight != 1 {
		out.Weight = x.Weight
	}
	if x.State != "active" {
		out.State = x.State
	}
	return out
}

func position(x *spec.Destination) string {
	if at := sizing.Location(x.Range); at != "" {
		return at + ": "
	}
	return ""
}

func spans(in []spec.CodeSpan) []runtime.CodeSpan {
	out := make([]runtime.CodeSpan, len(in))
	for i, c := range in {
		out[i] = runtime.CodeSpan{First: c.First, Last: c.Last}
	}
	return out
}

// routes gives a spec without routes the only one it can mean.
func routes(s *spec.Spec) []*spec.Route {
	if len(s.Routes) == 0 && len(s.Dispatchers) == 1 {
		return []*spec.Route{{Name: "default", To: []string{s.Dispatchers[0].Name}}}
	}
	return s.Routes
}

func cache(k *spec.Cache) runtime.Cache {
	path := k.File // empty: the rows come from a database, and nothing is there to begin with
	if k.Baked {
		path = CacheDir + "/" + k.Name + ".csv"
	}
	return runtime.Cache{Name: k.Name, Source: k.Source, Path: path, Warmup: k.Warmup, OnFail: k.OnFail, Rows: k.Rows, Within: runtime.Duration(k.Within),
		Database: k.Database, Query: k.Query, Refresh: runtime.Duration(k.Refresh)}
}
