package engine

import (
	"errors"
	"net/netip"

	"trunkline/appliance/runtime"
	"trunkline/proxy/listen"
	"trunkline/proxy/message"
	"trunkline/proxy/stream"
	"trunkline/proxy/transaction"
)

// group is the sockets of one listener, whatever its transport.
type group interface {
	Name() string
	Workers() int
	Send(pkt []byte, to netip.AddrPort) error
	Close() error
	serve(i int, h func(pkt []byte, src netip.AddrPort)) error
	stats(*ListenerStats)
	// backlogs appends how each socket's worker keeps up, where there are receive queues.
	backlogs(dst []listen.Backlog) []listen.Backlog
}

type datagrams struct{ *listen.Group }

func (g datagrams) serve(i int, h func([]byte, netip.AddrPort)) error { return g.Serve(i, h) }

func (g datagrams) stats(s *ListenerStats) {
	s.Sockets, _ = g.Stats() // without /proc the kernel's figures are zero
}

func (g datagrams) backlogs(dst []listen.Backlog) []listen.Backlog { return g.Backlogs(dst) }

type connections struct{ *stream.Group }

func (g connections) serve(i int, h func([]byte, netip.AddrPort)) error { return g.Serve(i, h) }

func (g connections) stats(s *ListenerStats) {
	st := g.Stats()
	s.Connections = &st
}

// backlogs has nothing to say: connections have no queue in common, their readers wait
// for a processor.
func (g connections) backlogs(dst []listen.Backlog) []listen.Backlog { return dst }

// open opens the sockets of a listener, which shows what secrets gives.
func (e *Engine) open(i int, secrets credential) (group, error) {
	l := e.cfg.Listeners[i]
	if l.Datagram() {
		var o listen.Options
		if l.Steering == runtime.SteeringCallID {
			o.Key = listen.CallID
		}
		g, err := listen.Open(l, o)
		return datagrams{g}, err
	}
	names := peerNames(e.cfg, l.Name)
	g, err := stream.Open(l, stream.Options{
		Admit:      e.dir.faces[i].allowed.Lookup,
		Failed:     func(to netip.AddrPort, err error) { e.connectionEnded(i, to, errors.Is(err, stream.ErrUnreached)) },
		Credential: secrets,
		ServerName: func(to netip.AddrPort) string { return names[to] },

		DialTimeout: e.dialTime(i),
	})
	return connections{g}, err
}

// peerNames are the names by which destinations of a listener are configured, which they
// must prove to have (RFC 5922 7.1).
func peerNames(cfg *runtime.Appliance, listener string) map[netip.AddrPort]string {
	names := map[netip.AddrPort]string{}
	for _, d := range cfg.Dispatchers {
		for _, x := range d.Destinations {
			u, err := message.ParseURI([]byte(x.URI))
			if _, isAddress := literal(u.Host); x.Listener == listener && err == nil && !isAddress {
				names[x.Address] = string(u.Host)
			}
		}
	}
	return names
}

// endpoint is an address by way of a listener.
func (d *directory) endpoint(a netip.AddrPort, listener int) transaction.Endpoint {
	ep := transaction.MakeEndpoint(a, listener)
	ep.Reliable = d.faces[listener].stream
	return ep
}
