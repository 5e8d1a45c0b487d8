package engine

import (
	"errors"
	"net/netip"
	"os"

	"trunkline/appliance/runtime"
	"trunkline/proxy/credential"
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
	// sendFlow sends by one connection, peer is the address it leads to.
	sendFlow(pkt []byte, flow uint32) error
	peer(flow uint32) (netip.AddrPort, bool)
	// serve hands on packets with the connection they came by; datagrams have flow 0.
	serve(i int, h func(pkt []byte, src netip.AddrPort, flow uint32)) error
	stats(*ListenerStats)
	// backlogs appends how each socket's worker keeps up, where there are receive queues.
	backlogs(dst []listen.Backlog) []listen.Backlog
	// files gives each a descriptor of every socket, which it closes, by its index.
	files(each func(k int, f *os.File, err error) error) error
	// adopted is how many of the sockets a process before this one opened.
	adopted() int
	// finish ends serve where a message ends.
	finish() error
}

type datagrams struct{ *listen.Group }

func (g datagrams) serve(i int, h func([]byte, netip.AddrPort, uint32)) error {
	return g.Serve(i, func(pkt []byte, src netip.AddrPort) { h(pkt, src, 0) })
}

func (datagrams) sendFlow([]byte, uint32) error          { return stream.ErrNoFlow }
func (datagrams) peer(uint32) (_ netip.AddrPort, _ bool) { return }

func (g datagrams) stats(s *ListenerStats) {
	s.Sockets, _ = g.Stats() // without /proc the kernel's figures are zero
}

func (g datagrams) backlogs(dst []listen.Backlog) []listen.Backlog { return g.Backlogs(dst) }

type connections struct{ *stream.Group }

func (g connections) serve(i int, h func([]byte, netip.AddrPort, uint32)) error {
	return g.Serve(i, func(pkt []byte, src netip.AddrPort, flow stream.Flow) { h(pkt, src, uint32(flow)) })
}

func (g connections) sendFlow(pkt []byte, flow uint32) error {
	return g.SendFlow(pkt, stream.Flow(flow))
}

func (g connections) peer(flow uint32) (netip.AddrPort, bool) { return g.Peer(stream.Flow(flow)) }

func (g connections) stats(s *ListenerStats) {
	st := g.Stats()
	s.Connections = &st
}

// backlogs has nothing to say: connections have no queue in common, their readers wait
// for a processor.
func (g connections) backlogs(dst []listen.Backlog) []listen.Backlog { return dst }

// open opens the sockets of a listener, which shows what secrets gives.
func (e *Engine) open(i int, secrets credential.Reader) (group, error) {
	l := e.cfg.Listeners[i]
	inherited := e.adopted(i)
	if l.Datagram() {
		o := listen.Options{Inherited: inherited}
		if l.Steering == runtime.SteeringCallID {
			o.Key = listen.CallID
		}
		g, err := listen.Open(l, o)
		return datagrams{g}, err
	}
	g, err := stream.Open(l, stream.Options{
		Inherited: inherited[0],

		Admit: e.dir.faces[i].admits,
		Failed: func(to netip.AddrPort, flow stream.Flow, err error) {
			e.connectionEnded(i, to, uint32(flow), errors.Is(err, stream.ErrUnreached))
		},
		Credential: secrets,
		ServerName: peerNames(e.dests, i),

		DialTimeout: e.dialTime(i),
	})
	return connections{g}, err
}

// peerNames tell the name that who is connected to must prove to have: the host in the
// URI of a destination that is reached there now (RFC 5922 7.1). It is asked for a
// connection, not for a message.
func peerNames(dests []*destination, listener int) func(netip.AddrPort) string {
	type named struct {
		*destination
		name string
	}
	var names []named
	for _, d := range dests {
		u, err := message.ParseURI([]byte(d.URI()))
		if _, isAddress := literal(u.Host); d.listener == listener && err == nil && !isAddress {
			names = append(names, named{d, string(u.Host)})
		}
	}
	return func(to netip.AddrPort) string {
		for _, x := range names {
			if x.ReachedAt(to) {
				return x.name
			}
		}
		return ""
	}
}

// endpoint is an address by way of a listener.
func (d *directory) endpoint(a netip.AddrPort, listener int) transaction.Endpoint {
	ep := transaction.MakeEndpoint(a, listener)
	ep.Reliable = d.faces[listener].stream
	return ep
}
