package stream

import (
	"crypto/x509"
	"errors"
	"net/netip"
	"os"
	"time"
)

// Handler takes one received message. pkt belongs to the connection and is overwritten
// after the call; src is the peer's address and port, never an IPv4-mapped address, and
// flow the connection it came by.
type Handler func(pkt []byte, src netip.AddrPort, flow Flow)

// Flow is one connection of a group (RFC 5626 section 3.1), counted as they are
// made, from a random number on: a later connection from the same address and port is another,
// and so, but for chance, is one of the next process. 0 is none. Numbers are used again after
// MaxFlow connections, but none while its connection stands.
type Flow uint32

const (
	// MaxFlow is the highest number of a connection.
	MaxFlow = 1<<24 - 2
	// GoneFlow is a connection that is no more: none ever has this number.
	GoneFlow Flow = 1<<24 - 1
)

// Options are what a group needs beside its listener. The zero value serves TCP for
// everybody.
type Options struct {
	// Admit says who may connect. It is asked before anything is allocated for a
	// connection. nil: everybody.
	Admit func(netip.Addr) bool
	// Failed is told, on a goroutine that may take its time, of an address whose
	// connection could not be made or ended without our doing: what was sent there and not
	// answered is lost. nil: nobody asks.
	Failed func(to netip.AddrPort, flow Flow, err error)
	// Credential returns the content of a credential by the name of its secret:
	// certificates and keys as PEM. TLS and WSS need it.
	Credential func(name string) ([]byte, error)
	// ServerName is whom a peer we connect to must prove to be: the host of its URI (RFC
	// 5922 7.1). "" or nil: the address itself.
	ServerName func(to netip.AddrPort) string
	// Roots verify the peers we connect to. nil: the client CA of the listener, and
	// without one those of the system.
	Roots *x509.CertPool
	// Path is where WebSocket clients connect; other paths get 404. "": any.
	Path string
	// Inherited is the listening socket that a process before this one left. It fits (Fits),
	// and belongs to the group from now on; nil: a new one is opened. Connections that were
	// made and not accepted are there; accepted ones ended with their process.
	Inherited *os.File

	// DialTimeout bounds how long a TCP connection may take to be made, within Connections.Handshake,
	// which bounds TLS too. 0: no less than that.
	DialTimeout time.Duration

	MaxHeader      int           // bytes; 0: 64 KiB
	MessageTimeout time.Duration // from a message's first byte to its last; 0: 10 s
	WriteTimeout   time.Duration // that a peer may take for nothing of what waits; 0: 10 s
	OutBuffer      int           // bytes that may wait for a connection; 0: 256 KiB
	MaxDials       int           // under way at one time; 0: 128
	MaxHandshakes  int           // of accepted connections under way at one time; 0: 512
}

func (o Options) withDefaults() Options {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&o.MaxHeader, 64<<10)
	def(&o.OutBuffer, 256<<10)
	def(&o.MaxDials, 128)
	def(&o.MaxHandshakes, 512)
	if o.MessageTimeout <= 0 {
		o.MessageTimeout = 10 * time.Second
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = 10 * time.Second
	}
	return o
}

// Bounds where the listener sets none.
const (
	// DefaultMaxMessage is the largest message, bytes: what package message takes.
	DefaultMaxMessage = 65535
	defaultMax        = 4096
	defaultPerSource  = 64
	defaultIdle       = 2 * time.Minute
	defaultHandshake  = 10 * time.Second
)

// Errors of Send, and of what is told to Options.Failed.
var (
	// ErrNoConnection says that a WebSocket client is not connected, or no longer.
	ErrNoConnection = errors.New("there is no connection to the address, and none is made to WebSocket clients")
	// ErrUnreached is told to Options.Failed of a peer to which no connection could be made.
	ErrUnreached = errors.New("the connection could not be made")
	// ErrNoFlow says that the connection asked for is no more.
	ErrNoFlow = errors.New("the connection is no more")
	// ErrDials says that too many connections are being made at this moment.
	ErrDials = errors.New("too many connections are being made")
	// ErrMax says that the listener has as many connections as it may.
	ErrMax = errors.New("the listener has as many connections as it may")
	// ErrFull says that too much waits for a connection that is being made.
	ErrFull = errors.New("too much waits for the connection that is being made")
	// ErrFamily says that an IPv4 listener was asked to reach an IPv6 address, or the
	// other way round.
	ErrFamily = errors.New("the listener is of the other IP version")
)

// Causes of connections that we end.
var (
	errIdle      = errors.New("nothing came for as long as a connection may be idle")
	errTooSlow   = errors.New("a message took too long to come")
	errMessage   = errors.New("what came is not cut into messages")
	errHandshake = errors.New("the handshake failed")
)
