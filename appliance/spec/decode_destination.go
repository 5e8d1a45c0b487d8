package spec

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
)

func (d *decoder) destination(sec *section) *Destination {
	dst := &Destination{
		Name:      sec.name,
		URI:       sec.str("uri", ""),
		Transport: TransportUDP,
		Listener:  sec.str("listener", ""),
		Weight:    d.weight(sec),
		Priority:  sec.integer("priority", 0, 1000, 0),
		State:     sec.oneOf("state", StateActive, states, nil),
		Attrs:     d.attrs(sec),
		MaxCPS:    sec.integer("max_cps", 1, maxInt, 0),
		MaxCalls:  sec.integer("max_calls", 1, maxInt, 0),
		Range:     sec.def,

		URIRange: sec.rng("uri"), ListenerRange: sec.rng("listener"),
		MaxCPSRange: sec.rng("max_cps"), MaxCallsRange: sec.rngStated("max_calls"),
		WeightRange: sec.rngStated("weight"), PriorityRange: sec.rngStated("priority"), StateRange: sec.rng("state"),
	}
	if dst.URI == "" {
		return dst
	}
	d.destinationURI(dst)
	return dst
}

// weight is from 1: what is to get no calls has a state that says so.
func (d *decoder) weight(sec *section) int {
	if v, ok := sec.value("weight"); ok {
		if n, err := whole(v, 0, 0); err == nil && n == 0 {
			d.errorf(sec.rng("weight"), "Invalid weight", "A destination that is to take no calls is disabled: write state = \"disabled\" instead of weight 0. weight takes a whole number from 1 to 1000.")
			return 1
		}
	}
	return sec.integer("weight", 1, 1000, 1)
}

// Bounds on attrs: they are labels in metrics and words in a console.
const (
	maxAttrs     = 16
	maxAttrValue = 128 // characters
)

var attrNameRule = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

// attrs reads an object of texts; nil when there is none.
func (d *decoder) attrs(sec *section) map[string]string {
	v, ok := sec.value("attrs")
	if !ok {
		return nil
	}
	if ty := v.Type(); !ty.IsObjectType() && !ty.IsMapType() {
		sec.wrong("attrs", fmt.Sprintf("attrs takes names and texts in braces, not %s.", literal(v)))
		return nil
	}
	if n := v.LengthInt(); n > maxAttrs {
		sec.wrong("attrs", fmt.Sprintf("A destination has at most %d attrs, this one has %d.", maxAttrs, n))
		return nil
	}
	out := map[string]string{}
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		name := k.AsString()
		switch {
		case !attrNameRule.MatchString(name):
			sec.wrong("attrs", fmt.Sprintf("%s is no name of an attr: write 1 to 32 lower-case letters, digits and underscores, beginning with a letter.", literal(k)))
		case !isText(e):
			sec.wrong("attrs", fmt.Sprintf("The attr %s takes text in quotes, not %s.", name, literal(e)))
		case utf8.RuneCountInString(e.AsString()) > maxAttrValue:
			sec.wrong("attrs", fmt.Sprintf("The attr %s has %d characters, and at most %d are shown.", name, utf8.RuneCountInString(e.AsString()), maxAttrValue))
		case !printable(e):
			sec.wrong("attrs", fmt.Sprintf("The attr %s holds characters that cannot be printed. Write it on one line.", name))
		default:
			out[name] = e.AsString()
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func printable(v cty.Value) bool {
	return !strings.ContainsFunc(v.AsString(), func(r rune) bool { return !unicode.IsPrint(r) })
}

// destinationURI reads sip:HOST[:PORT][;transport=T] or sips:HOST[:PORT]. A
// destination is where packets go; the Request-URI's user part stays the caller's.
func (d *decoder) destinationURI(dst *Destination) {
	place := dst.URIRange
	scheme, rest, hasScheme := strings.Cut(dst.URI, ":")
	secure := false
	switch strings.ToLower(scheme) {
	case "sip":
	case "sips": // RFC 3261 section 26.2.2: TLS, whatever carries it
		secure, dst.Transport, dst.says = true, TransportTLS, true
	default:
		if _, err := netip.ParseAddrPort(dst.URI); err == nil || !hasScheme {
			d.errorf(place, "Invalid uri", "%q has no scheme. Did you mean %q?", dst.URI, "sip:"+dst.URI)
		} else {
			d.errorf(place, "Invalid uri", "%q is not a SIP URI. For example: uri = \"sip:10.0.0.11:5060\"", dst.URI)
		}
		return
	}
	hostport, params, _ := strings.Cut(rest, ";")
	if !d.uriParams(dst, params, secure) {
		return
	}
	if user, host, hasUser := strings.Cut(hostport, "@"); hasUser {
		d.errorf(place, "User part in a destination", "A destination is an address; the number called stays in the Request-URI. Write %q instead of naming the user %q.", scheme+":"+host, user)
		return
	}
	d.hostPort(dst, scheme, hostport)
}

func (d *decoder) uriParams(dst *Destination, params string, secure bool) bool {
	if params == "" {
		return true
	}
	place := dst.URIRange
	for _, p := range strings.Split(params, ";") {
		name, value, _ := strings.Cut(strings.ToLower(p), "=")
		switch {
		case name != "transport":
			d.errorf(place, "Invalid uri", "The parameter %q means nothing in a destination. Remove it.", p)
			return false
		case secure && value == TransportUDP:
			d.errorf(place, "Invalid uri", "sips: is SIP over TLS, which UDP does not carry. Leave the parameter out, or write sip: for plain UDP.")
			return false
		case secure && value == TransportTCP: // TLS over TCP, which it is anyway
		case slices.Contains([]string{TransportUDP, TransportTCP, TransportTLS}, value):
			dst.Transport, dst.says = value, true
		case value == TransportWS || value == TransportWSS:
			d.errorf(place, "Invalid uri", "Over WebSocket clients come to a listener (RFC 7118 section 5); nobody can be called that way first. Write transport=tcp or transport=tls.")
			return false
		default:
			d.errorf(place, "Invalid uri", "There is no transport %q. Write udp, tcp or tls, or leave the parameter out.", value)
			return false
		}
	}
	return true
}

// hostPort fills Address of a literal address, Host and Port of a name.
func (d *decoder) hostPort(dst *Destination, scheme, hostport string) {
	place := dst.URIRange
	host, port, hasPort := hostport, "", false
	if strings.HasPrefix(hostport, "[") {
		inner, after, closed := strings.Cut(hostport[1:], "]")
		if !closed || after != "" && !strings.HasPrefix(after, ":") {
			d.errorf(place, "Invalid uri", "%q is not a SIP URI: an IPv6 address stands in brackets, as in \"sip:[2001:db8::11]:5060\".", dst.URI)
			return
		}
		host = inner
		if after != "" {
			port, hasPort = after[1:], true
		}
	} else if h, p, cut := strings.Cut(hostport, ":"); cut {
		if _, err := netip.ParseAddr(hostport); err == nil {
			d.errorf(place, "Invalid uri", "An IPv6 address stands in brackets: write %q.", scheme+":["+hostport+"]")
			return
		}
		host, port, hasPort = h, p, true
	}
	if hasPort && !validPort(port) {
		d.errorf(place, "Invalid uri", "%q is not a port. Write a number from 1 to 65535.", port)
		return
	}
	n, _ := strconv.ParseUint(port, 10, 16) // 0 without one
	a, err := netip.ParseAddr(host)
	switch {
	case err != nil && validHostName(host) && !strings.HasPrefix(hostport, "["):
		dst.Host, dst.Port = strings.TrimSuffix(strings.ToLower(host), "."), int(n)
	case err != nil || a.Zone() != "" || a.Is4In6():
		d.errorf(place, "Invalid uri", "%q is not an address. For example: uri = \"sip:10.0.0.11:5060\"", host)
	case a.IsUnspecified() || a.IsMulticast():
		d.errorf(place, "Invalid uri", "%s is no address of a host. Write the destination's own.", a)
	default:
		if n == 0 {
			n = uint64(defaultPorts[dst.Transport])
		}
		dst.Address = netip.AddrPortFrom(a, uint16(n))
	}
}
