package spec

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// transports are what a listener may speak.
var transports = []string{TransportUDP, TransportTCP, TransportTLS, TransportWS, TransportWSS}

// defaultPorts: RFC 3261 section 19.1.2 for SIP, RFC 6455 section 3 for WebSocket.
var defaultPorts = map[string]int{
	TransportUDP: 5060, TransportTCP: 5060, TransportTLS: 5061, TransportWS: 80, TransportWSS: 443,
}

// socketProtocol is the protocol whose ports a transport takes: all but UDP
// share those of TCP.
func socketProtocol(transport string) string {
	if transport == TransportUDP {
		return TransportUDP
	}
	return TransportTCP
}

// dscpNames are the values of the type of service by the names of their DSCP,
// which is its upper six bits: class selectors (RFC 2474 section 4.2.2), assured
// forwarding (RFC 2597 section 6) and expedited forwarding (RFC 3246 section 2.7).
var dscpNames = func() map[string]int {
	names := map[string]int{"ef": 46 << 2}
	for class := range 8 {
		names[fmt.Sprintf("cs%d", class)] = class << 3 << 2
	}
	for class := 1; class <= 4; class++ {
		for drop := 1; drop <= 3; drop++ {
			names[fmt.Sprintf("af%d%d", class, drop)] = (class<<3 | drop<<1) << 2
		}
	}
	return names
}()

// tos reads the type of service of what a listener sends: its number, or the
// name of a DSCP.
func (d *decoder) tos(sec *section) int {
	v, ok := sec.value("tos")
	if !ok {
		return 0
	}
	if n, err := whole(v, 0, 255); err == nil {
		if ecn := n & 3; ecn != 0 {
			d.warnf(sec.rng("tos"), "ECN bits in tos", "The two lowest bits of %d are for networks to signal congestion (RFC 3168 section 5), not for senders to state. Write %d.", n, n&^3)
		}
		return n
	}
	if !isText(v) {
		sec.wrong("tos", fmt.Sprintf("tos takes a whole number from 0 to 255 or the name of a DSCP, not %s.", literal(v)))
		return 0
	}
	name := v.AsString()
	if name == "" {
		sec.wrong("tos", "tos is empty.")
		return 0
	}
	if n, known := dscpNames[strings.ToLower(name)]; known {
		return n
	}
	if c := closest(name, slices.Collect(maps.Keys(dscpNames))); c != "" {
		d.errorf(sec.rng("tos"), "Invalid tos", "There is no DSCP %q. Did you mean %q?", name, c)
	} else {
		sec.wrong("tos", fmt.Sprintf("There is no DSCP %q. Write a whole number from 0 to 255, or one of the names cs0 to cs7, af11 to af43 and ef.", name))
	}
	return 0
}

// listenerTLS reads the tls block: it is there with TLS and WSS, and with nothing
// else. sure says whether the transport is what was meant.
func (d *decoder) listenerTLS(sec *section, l *Listener, sure bool) {
	t := sec.one("tls")
	if t != nil {
		l.TLS = &TLS{MinVersion: d.minVersion(t), Range: t.def, MinVersionRange: t.rng("min_version")}
		l.TLS.Certificate, l.TLS.CertificateRange = t.secretRef("certificate")
		l.TLS.Key, l.TLS.KeyRange = t.secretRef("key")
		l.TLS.ClientCA, l.TLS.ClientCARange = t.secretRef("client_ca")
	}
	switch {
	case !sure:
	case l.Secure() && t == nil && !sec.typos["tls"]:
		d.errorf(l.TransportRange, "Missing tls", "Over %s listener %q must show a certificate. Add to it: tls { ... } with certificate = \"SECRET\" and key = \"SECRET\".", strings.ToUpper(l.Transport), l.Name)
	case !l.Secure() && t != nil:
		secure := TransportTLS
		if l.Transport == TransportWS {
			secure = TransportWSS
		}
		d.errorf(t.def, "TLS on a plain listener", "Listener %q has transport %q, which is not encrypted: nothing would use this block. Write transport = %q, or remove the block.", l.Name, l.Transport, secure)
		l.TLS = nil
	}
}

// minVersion is the least version of TLS; 1.0 and 1.1 have had their day.
func (d *decoder) minVersion(t *section) string {
	if v, ok := t.value("min_version"); ok && isText(v) && slices.Contains([]string{"1.0", "1.1"}, v.AsString()) {
		d.errorf(t.rng("min_version"), "Invalid min_version", "TLS %s must not be used (RFC 8996): its hashes are broken. Write \"1.2\" or \"1.3\".", v.AsString())
		return "1.2"
	}
	return t.oneOf("min_version", "1.2", []string{"1.2", "1.3"}, nil)
}

// Bounds on connections. maxConnections is beyond the descriptors one process is
// given anywhere; what the memory holds is a matter of the sizing.
const (
	maxConnections   = 1_000_000
	defaultMax       = 4096
	defaultPerSource = 64

	// keepAlive is the longest a client waits between two keep-alives on a
	// connection nobody told it more about (RFC 5626 section 4.4.1).
	keepAlive = 2 * time.Minute
)

// connections reads the bounds of a listener that takes connections; one without
// the block has the defaults.
func (d *decoder) connections(sec *section, l *Listener, sure bool) {
	c := sec.one("connections")
	switch {
	case c == nil && !l.Stream():
		return
	case c == nil:
		l.Conns = &Connections{Max: defaultMax, PerSource: defaultPerSource, Idle: keepAlive, Handshake: 10 * time.Second,
			Range: l.Range, MaxRange: l.Range, PerSourceRange: l.Range}
		return
	}
	n := &Connections{
		Max:       c.integer("max", 1, maxConnections, defaultMax),
		Idle:      c.duration("idle", time.Second, 24*time.Hour, keepAlive),
		Handshake: c.duration("handshake", 100*time.Millisecond, time.Minute, 10*time.Second),
		Range:     c.def,

		MaxRange: c.rng("max"), PerSourceRange: c.rng("per_source"),
	}
	n.PerSource = c.integer("per_source", 1, maxConnections, min(defaultPerSource, n.Max))
	if sure && !l.Stream() {
		d.errorf(c.def, "Connections over UDP", "Listener %q has transport \"udp\", which has no connections. Remove the block, or write another transport.", l.Name)
		return
	}
	if n.PerSource > n.Max {
		d.errorf(n.PerSourceRange, "More from one source than in all", "Listener %q takes %d connections in all (max), so one address never has %d. Write a per_source of at most %d, or a larger max.", l.Name, n.Max, n.PerSource, n.Max)
	}
	if n.Idle < keepAlive {
		d.warnf(c.rng("idle"), "Connections end between keep-alives", "Clients send keep-alives every 95 to 120 seconds unless they are told otherwise (RFC 5626 section 4.4.1), and this ends connections after %s of silence. Write \"2m\" or more.", shortDuration(n.Idle))
	}
	if sure {
		l.Conns = n
	}
}
