package resolve

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"trunkline/appliance/runtime"
)

// Transports a destination by name can have.
const (
	UDP = "udp"
	TCP = "tcp"
	TLS = "tls"
)

// Query is a destination as its URI names it.
type Query struct {
	Host string // a name or an address
	Port uint16 // of the URI; 0: from the records
	// Transport is that of the URI; empty: from the records.
	Transport string
	Secure    bool // a sips: URI: TLS alone will do (RFC 3261 26.2.2)

	// Transports are those that can be used, the preferred one first.
	Transports []string
	IPv4, IPv6 bool // address families that can be used
	// Within are the prefixes a target must be in; nil: any.
	Within []netip.Prefix
}

// FromDestination is the query of a destination that is reached through listener l:
// with the transport and the address family of the listener, and within the prefixes
// that are let in there.
func FromDestination(d runtime.Destination, l runtime.Listener) (Query, error) {
	uri := strings.ToLower(d.URI)
	q := Query{Host: d.Host, Secure: strings.HasPrefix(uri, "sips:"), Within: slices.Concat(l.Sources, l.Peers)}
	if q.Within == nil {
		q.Within = []netip.Prefix{}
	}
	if d.Port < 0 || d.Port > 65535 {
		return q, fmt.Errorf("port %d is not one: write a number from 1 to 65535", d.Port)
	}
	q.Port = uint16(d.Port)
	transport := l.Transport
	if transport == "" {
		transport = UDP
	}
	q.Transports = []string{transport}
	// The configuration says udp also where the URI says nothing.
	if _, params, _ := strings.Cut(uri, ";"); slices.ContainsFunc(strings.Split(params, ";"), func(p string) bool { return strings.HasPrefix(p, "transport=") }) {
		if q.Transport = d.Transport; q.Transport == "" {
			q.Transport = UDP
		}
	}
	// A socket binds one address, and sends to those of its family.
	q.IPv4 = l.Address.Addr().Unmap().Is4()
	q.IPv6 = !q.IPv4
	return q, q.check()
}

// check reports what no answer could make usable.
func (q *Query) check() error {
	if _, err := netip.ParseAddr(q.Host); err != nil {
		if _, ok := dns.IsDomainName(q.Host); !ok || q.Host == "" || q.Host == "." {
			return fmt.Errorf("%q is neither an address nor a name of a host", q.Host)
		}
	}
	for _, t := range q.Transports {
		if !slices.Contains([]string{UDP, TCP, TLS}, t) {
			return fmt.Errorf("a destination by name cannot be reached over %q: use a listener over %s, %s or %s", t, UDP, TCP, TLS)
		}
	}
	switch {
	case q.Transport != "" && !q.usable(q.Transport):
		return fmt.Errorf("%s is to be reached over %s, and its listener speaks %s: name a listener over %s, or change the transport in the URI", q.Host, q.Transport, strings.Join(q.Transports, ", "), q.Transport)
	case q.Secure && !q.usable(TLS):
		return fmt.Errorf("%s is to be reached by sips:, and its listener speaks %s: name a listener over TLS, or write the scheme sip", q.Host, strings.Join(q.Transports, ", "))
	case !q.usable(UDP) && !q.usable(TCP) && !q.usable(TLS):
		return fmt.Errorf("%s: there is no transport to reach it over: name its listener", q.Host)
	case !q.IPv4 && !q.IPv6:
		return fmt.Errorf("%s: there is no address family to reach it over: name its listener", q.Host)
	}
	return nil
}

// usable reports whether a transport can be used.
func (q *Query) usable(transport string) bool {
	return slices.Contains(q.Transports, transport) && (!q.Secure || transport == TLS)
}

// plain is the transport where neither URI nor records say one (RFC 3263 4.1): TLS
// for sips:, else UDP, else what there is.
func (q *Query) plain() string {
	switch {
	case q.Transport != "":
		return q.Transport
	case q.Secure:
		return TLS
	case q.usable(UDP):
		return UDP
	}
	return q.Transports[0]
}

// service is the name SRV records of a transport have (RFC 3263 4.1).
func service(transport, host string) string {
	switch transport {
	case UDP:
		return "_sip._udp." + host
	case TCP:
		return "_sip._tcp." + host
	}
	return "_sips._tcp." + host
}

// transportOf is the transport of a NAPTR service field; empty: none of ours.
func transportOf(service string) string {
	switch strings.ToUpper(service) {
	case "SIP+D2U":
		return UDP
	case "SIP+D2T":
		return TCP
	case "SIPS+D2T":
		return TLS
	}
	return ""
}

// defaultPort is the port of a transport (RFC 3261 19.1.2).
func defaultPort(transport string) uint16 {
	if transport == TLS {
		return 5061
	}
	return 5060
}
