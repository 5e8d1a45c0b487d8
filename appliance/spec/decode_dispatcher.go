package spec

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// Dispatcher algorithms of this version.
const (
	AlgorithmHashCallID = "hash-callid"
	AlgorithmRoundRobin = "round-robin"
)

var (
	algorithms      = []string{AlgorithmHashCallID, AlgorithmRoundRobin}
	laterAlgorithms = []string{
		"hash-from", "hash-to", "hash-ruri", "hash-user", "weight", "relative-weight",
		"priority", "random", "call-load", "latency", "first", "parallel",
	}
)

// defaultNever are the answers of the person called, not of the gateway: busy
// here and decline (RFC 3261 sections 21.4.24, 21.6.2).
var defaultNever = []int{486, 603}

func defaultFailover() Failover {
	return Failover{
		On:        []CodeSpan{{500, 599}, {600, 699}},
		OnTimeout: true,
		Never:     append([]int(nil), defaultNever...),
	}
}

func (d *decoder) dispatchers(root *section, s *Spec) {
	for _, sec := range root.all("dispatcher") {
		set := &Dispatcher{
			Name:      sec.name,
			ID:        sec.integer("id", 1, maxInt, 0),
			Algorithm: sec.oneOf("algorithm", AlgorithmHashCallID, algorithms, laterAlgorithms),
			Failover:  defaultFailover(),
			Range:     sec.def,
			IDRange:   sec.rng("id"),
		}
		set.Failover.Range = sec.def
		if p := sec.one("probe"); p != nil {
			set.Probe = d.probe(p)
		}
		if f := sec.one("failover"); f != nil {
			set.Failover = d.failover(f)
		}
		for _, dst := range sec.all("destination") {
			set.Destinations = append(set.Destinations, d.destination(dst))
		}
		if len(set.Destinations) == 0 && sec.name != "" && !sec.typos["destination"] {
			d.errorf(sec.def, "Empty dispatcher", "Dispatcher %q has no destination, so every call sent to it gets 503. Add one: destination \"fs1\" { uri = \"sip:10.0.0.11:5060\" }", sec.name)
		}
		s.Dispatchers = append(s.Dispatchers, set)
	}
}

func (d *decoder) probe(sec *section) *Probe {
	p := &Probe{
		Interval:         sec.duration("interval", time.Second, time.Hour, 30*time.Second),
		Timeout:          sec.duration("timeout", 100*time.Millisecond, time.Minute, 4*time.Second),
		FailThreshold:    sec.integer("fail_threshold", 1, 1000, 5),
		RecoverThreshold: sec.integer("recover_threshold", 1, 1000, 5),
		From:             sec.str("from", ""),
		Range:            sec.def,
		FailRange:        sec.rng("fail_threshold"),
		IntervalRange:    sec.rng("interval"),
		RecoverRange:     sec.rng("recover_threshold"),
	}
	if p.Timeout >= p.Interval {
		d.errorf(sec.rng("timeout"), "Probe timeout too long", "A probe is given up after %s, but the next leaves after %s already. Write a timeout below the interval.", shortDuration(p.Timeout), shortDuration(p.Interval))
	}
	if p.From != "" && !validFrom(p.From) {
		sec.wrong("from", fmt.Sprintf("%q is not a SIP URI.", p.From))
	}
	if !sec.has("accept") {
		p.Accept = []CodeSpan{{200, 299}}
		return p
	}
	list, _ := sec.items("accept")
	for _, e := range list {
		span, err := codeSpan(e.value)
		switch {
		case err != nil:
			d.errorf(e.rng, "Invalid accept", "%s.", err)
		case span.First < 200:
			d.errorf(e.rng, "Invalid accept", "%s is not a final reply, so a probe cannot end with it. Write 2xx to 6xx.", literal(e.value))
		default:
			p.Accept = append(p.Accept, span)
		}
	}
	return p
}

// validFrom keeps to sip:user@host[:port], which needs no quoting in a header.
func validFrom(uri string) bool {
	rest, ok := strings.CutPrefix(uri, "sip:")
	if !ok {
		return false
	}
	if user, host, hasUser := strings.Cut(rest, "@"); hasUser {
		return user != "" && strings.Trim(user, userChars) == "" && validHostPort(host)
	}
	return validHostPort(rest)
}

// userChars are what a user part holds without escapes (RFC 3261 section 25.1:
// unreserved and user-unreserved).
const userChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.!~*'()&=+$,;?/"

// codeSpan reads "5xx", "404" or 404.
func codeSpan(v cty.Value) (CodeSpan, error) {
	want := fmt.Errorf("%s is no status code. Write a class (\"5xx\") or a code (\"503\")", literal(v))
	if n, err := whole(v, 100, 699); err == nil {
		return CodeSpan{n, n}, nil
	}
	if !isText(v) {
		return CodeSpan{}, want
	}
	text := strings.ToLower(v.AsString())
	if len(text) == 3 && text[1:] == "xx" && text[0] >= '1' && text[0] <= '6' {
		first := int(text[0]-'0') * 100
		return CodeSpan{first, first + 99}, nil
	}
	return CodeSpan{}, want
}

func (d *decoder) failover(sec *section) Failover {
	f := defaultFailover()
	f.Range = sec.def
	if sec.has("never") {
		f.Never = nil
		d.never(sec, &f)
	}
	if !sec.has("on") {
		return f
	}
	f.On, f.OnTimeout = nil, false
	list, _ := sec.items("on")
	for _, e := range list {
		if isText(e.value) && e.value.AsString() == "timeout" {
			f.OnTimeout = true
			continue
		}
		span, err := codeSpan(e.value)
		switch {
		case err != nil && isText(e.value) && closest(e.value.AsString(), []string{"timeout"}) != "":
			d.errorf(e.rng, "Invalid on", "%s is no status code. Did you mean \"timeout\"?", literal(e.value))
		case err != nil:
			d.errorf(e.rng, "Invalid on", "%s, or \"timeout\" for no answer at all.", err)
		case span.First < 300:
			d.errorf(e.rng, "Invalid on", "%s is not a failure, so a call cannot move on because of it. Write 3xx to 6xx or \"timeout\".", literal(e.value))
		default:
			f.On = append(f.On, span)
		}
	}
	for _, code := range defaultNever {
		if contains(f.On, code) && !slices.Contains(f.Never, code) {
			d.warnf(sec.rng("on"), "Failover on the called person's answer", "%d is an answer of the person called, not a fault of the gateway: calling again through the next destination rings somebody who has said no. Add %d to never.", code, code)
		}
	}
	return f
}

func (d *decoder) never(sec *section, f *Failover) {
	list, _ := sec.itemsOrNone("never") // an empty list says: whatever the code
	for _, e := range list {
		n, err := whole(e.value, 300, 699)
		if err != nil {
			d.errorf(e.rng, "Invalid never", "Each element of never is %s, not %s.", err, literal(e.value))
			continue
		}
		f.Never = append(f.Never, n)
	}
}

func contains(spans []CodeSpan, code int) bool {
	for _, s := range spans {
		if s.First <= code && code <= s.Last {
			return true
		}
	}
	return false
}

func (d *decoder) destination(sec *section) *Destination {
	dst := &Destination{
		Name:     sec.name,
		URI:      sec.str("uri", ""),
		Listener: sec.str("listener", ""),
		MaxCPS:   sec.integer("max_cps", 1, maxInt, 0),
		MaxCalls: sec.integer("max_calls", 1, maxInt, 0),
		Range:    sec.def,

		URIRange: sec.rng("uri"), ListenerRange: sec.rng("listener"),
		MaxCPSRange: sec.rng("max_cps"), MaxCallsRange: sec.rng("max_calls"),
	}
	if dst.URI != "" {
		dst.Address = d.destinationAddress(dst.URI, dst.URIRange)
	}
	return dst
}

// destinationAddress reads sip:HOST[:PORT][;transport=udp]. A destination is
// where packets go; the Request-URI's user part stays the caller's.
func (d *decoder) destinationAddress(uri string, place hcl.Range) netip.AddrPort {
	scheme, rest, hasScheme := strings.Cut(uri, ":")
	switch strings.ToLower(scheme) {
	case "sip":
	case "sips":
		d.errorf(place, "Not built yet", "sips: needs TLS, which is not built yet in this version. Write sip:, if the destination takes plain UDP.")
		return netip.AddrPort{}
	default:
		if _, err := netip.ParseAddrPort(uri); err == nil || !hasScheme {
			d.errorf(place, "Invalid uri", "%q has no scheme. Did you mean %q?", uri, "sip:"+uri)
		} else {
			d.errorf(place, "Invalid uri", "%q is not a SIP URI. For example: uri = \"sip:10.0.0.11:5060\"", uri)
		}
		return netip.AddrPort{}
	}
	hostport, params, _ := strings.Cut(rest, ";")
	if !d.uriParams(params, place) {
		return netip.AddrPort{}
	}
	if user, host, hasUser := strings.Cut(hostport, "@"); hasUser {
		d.errorf(place, "User part in a destination", "A destination is an address; the number called stays in the Request-URI. Write %q instead of naming the user %q.", "sip:"+host, user)
		return netip.AddrPort{}
	}
	return d.hostPort(hostport, uri, place)
}

func (d *decoder) uriParams(params string, place hcl.Range) bool {
	if params == "" {
		return true
	}
	for _, p := range strings.Split(params, ";") {
		name, value, _ := strings.Cut(strings.ToLower(p), "=")
		switch {
		case name == "transport" && value == "udp":
		case name == "transport" && slices.Contains(laterTransports, value):
			d.errorf(place, "Not built yet", "Transport %q belongs to the spec language but is not built yet in this version. Destinations are reached over UDP.", value)
			return false
		case name == "transport":
			d.errorf(place, "Invalid uri", "There is no transport %q. Write udp, or leave the parameter out.", value)
			return false
		default:
			d.errorf(place, "Invalid uri", "The parameter %q means nothing in a destination. Remove it.", p)
			return false
		}
	}
	return true
}

func (d *decoder) hostPort(hostport, uri string, place hcl.Range) netip.AddrPort {
	host, port := hostport, "5060"
	if strings.HasPrefix(hostport, "[") {
		inner, after, closed := strings.Cut(hostport[1:], "]")
		if !closed || after != "" && !strings.HasPrefix(after, ":") {
			d.errorf(place, "Invalid uri", "%q is not a SIP URI: an IPv6 address stands in brackets, as in \"sip:[2001:db8::11]:5060\".", uri)
			return netip.AddrPort{}
		}
		host = inner
		if after != "" {
			port = after[1:]
		}
	} else if h, p, hasPort := strings.Cut(hostport, ":"); hasPort {
		if _, err := netip.ParseAddr(hostport); err == nil {
			d.errorf(place, "Invalid uri", "An IPv6 address stands in brackets: write %q.", "sip:["+hostport+"]")
			return netip.AddrPort{}
		}
		host, port = h, p
	}
	a, err := netip.ParseAddr(host)
	switch {
	case err != nil && validHostName(host):
		d.errorf(place, "Names not built yet", "%q is a host name, and this version resolves none. Write the address itself, for example \"sip:10.0.0.11:5060\".", host)
	case err != nil || a.Zone() != "" || a.Is4In6():
		d.errorf(place, "Invalid uri", "%q is not an address. For example: uri = \"sip:10.0.0.11:5060\"", host)
	case !validPort(port):
		d.errorf(place, "Invalid uri", "%q is not a port. Write a number from 1 to 65535.", port)
	case a.IsUnspecified() || a.IsMulticast():
		d.errorf(place, "Invalid uri", "%s is no address of a host. Write the destination's own.", a)
	default:
		n, _ := strconv.ParseUint(port, 10, 16)
		return netip.AddrPortFrom(a, uint16(n))
	}
	return netip.AddrPort{}
}
