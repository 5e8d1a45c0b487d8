package spec

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Defaults of a relay on the appliance itself.
const (
	mediaFirstPort = 30000
	mediaLastPort  = 59999
	// minMediaPort keeps media off the ports other services listen on by custom
	// (RFC 6335 section 6: the system ports end at 1023).
	minMediaPort = 1024
)

// localControl is where a relay on the appliance listens when nothing is written.
var localControl = netip.MustParseAddrPort("127.0.0.1:2223")

func (d *decoder) media(root *section, s *Spec) {
	sec := root.one("media")
	if sec == nil {
		return
	}
	m := &Media{
		Timeout: sec.duration("timeout", 50*time.Millisecond, 5*time.Second, 500*time.Millisecond),
		OnFail:  sec.oneOf("on_fail", MediaNext, []string{MediaReject, MediaNext}, nil),
		PTime:   sec.duration("ptime", 10*time.Millisecond, 60*time.Millisecond, 20*time.Millisecond),
		Bitrate: sec.rate("bitrate", 5_000, 10_000_000, 64_000),
		Range:   sec.def,

		OnFailRange: sec.rng("on_fail"), TimeoutRange: sec.rng("timeout"),
	}
	for _, inst := range sec.all("instance") {
		m.Instances = append(m.Instances, d.mediaInstance(inst))
	}
	if len(m.Instances) == 1 && sec.stated("on_fail") && m.OnFail == MediaNext {
		d.warnf(m.OnFailRange, "No next instance", "With one instance there is none to try next: a call it does not take is rejected all the same. Add an instance, or write on_fail = \"reject\".")
	}
	s.Media = m
}

func (d *decoder) mediaInstance(sec *section) *MediaInstance {
	x := &MediaInstance{
		Name:        sec.name,
		MaxSessions: sec.integer("max_sessions", 1, maxInt, 0),
		MaxCPS:      sec.integer("max_cps", 1, maxInt, 0),
		Weight:      sec.integer("weight", 1, 1000, 1),
		Range:       sec.def,

		PortsRange: sec.rng("ports"), MaxSessionsRange: sec.rng("max_sessions"), MaxCPSRange: sec.rng("max_cps"),
	}
	d.mediaControl(sec, x)
	values, places := sec.texts("addresses")
	for i, v := range values {
		if a := d.listenAddress(v, places[i]); a.IsValid() {
			x.Addresses, x.AddressRanges = append(x.Addresses, a), append(x.AddressRanges, places[i])
		}
	}
	first, last, ok := d.mediaPorts(sec)
	switch {
	case !sec.stated("control") && !sec.stated("addresses") && !sec.typos["control"] && !sec.typos["addresses"]:
		d.errorf(sec.def, "Media instance nowhere", "The %s says neither where a relay is reached nor where media arrives on this appliance. Write control = [\"10.0.0.31:2223\"] for a relay on another host, or addresses = [\"203.0.113.12\"] for one on the appliance itself.", sec.what)
	case x.Local:
		x.PortFirst, x.PortLast = first, last
		if !sec.stated("addresses") && !sec.typos["addresses"] {
			d.errorf(sec.def, "Missing addresses", "The relay of the %s runs on the appliance (its control is a loopback address), so the spec says where media arrives. Write addresses = [\"203.0.113.12\"] with an address of a NIC, one per family.", sec.what)
		}
		if ok {
			d.checkPortsSuffice(x)
		}
	case len(x.Control) > 0:
		for _, name := range []string{"addresses", "ports"} {
			if sec.stated(name) {
				d.errorf(sec.attrs[name].NameRange, "Media of another host", "The relay at %s runs on another host, whose own configuration says where its media arrives. Remove %s, or write a loopback address in control if the relay runs on the appliance.", x.Control[0].Addr(), name)
			}
		}
		x.Addresses, x.AddressRanges = nil, nil
	}
	return x
}

// mediaControl reads the control sockets and says whether they are on the
// appliance.
func (d *decoder) mediaControl(sec *section, x *MediaInstance) {
	if !sec.stated("control") {
		if !sec.stated("addresses") || sec.typos["control"] {
			return // nothing is known of it
		}
		x.Control, x.ControlRanges, x.Local = []netip.AddrPort{localControl}, []hcl.Range{sec.def}, true
		return
	}
	values, places := sec.texts("control")
	for i, v := range values {
		e, ok := d.endpoint("control", v, places[i], 0, false)
		if !ok {
			continue
		}
		if len(x.Control) > 0 && x.Control[0].Addr().IsLoopback() != e.addr.IsLoopback() {
			d.errorf(places[i], "Control here and elsewhere", "%s and %s are on two hosts, and an instance is one relay on one of them. Write an instance for each.", x.Control[0], e)
			continue
		}
		x.Control, x.ControlRanges = append(x.Control, e.addrPort()), append(x.ControlRanges, places[i])
	}
	x.Local = len(x.Control) > 0 && x.Control[0].Addr().IsLoopback()
}

// mediaPorts reads "FIRST-LAST".
func (d *decoder) mediaPorts(sec *section) (first, last int, ok bool) {
	text := sec.str("ports", "")
	if text == "" {
		if sec.stated("ports") { // reported
			return 0, 0, false
		}
		return mediaFirstPort, mediaLastPort, true
	}
	a, b, isSpan := strings.Cut(text, "-")
	first, errFirst := strconv.Atoi(a)
	last, errLast := strconv.Atoi(b)
	switch {
	case !isSpan || errFirst != nil || errLast != nil || first > 65535 || last > 65535:
		sec.wrong("ports", "ports takes the first and the last UDP port with a hyphen between them, each at most 65535.")
	case first < minMediaPort:
		sec.wrong("ports", "Ports below "+strconv.Itoa(minMediaPort)+" belong to other services (RFC 6335 section 6).")
	case first >= last:
		sec.wrong("ports", "The first port lies below the last.")
	case first%2 != 0:
		sec.wrong("ports", "RTP takes the even port of each pair and RTCP the odd one after it (RFC 3550 section 11), so the first port is even.")
	default:
		return first, last, true
	}
	return 0, 0, false
}

// portsOfCall is what one call takes of the ports of a relay: RTP and RTCP, towards
// each of the two sides (RFC 3550 section 11). rtcp-mux would take half, but only
// where both sides agree to it.
const portsOfCall = 4

func (d *decoder) checkPortsSuffice(x *MediaInstance) {
	ports := x.PortLast - x.PortFirst + 1
	if need := portsOfCall * x.MaxSessions; need > ports {
		d.errorf(x.MaxSessionsRange, "Too few ports for media", "%d calls take %d x %d = %d ports (RTP and RTCP, towards both sides), and %d-%d are %d: enough for %d calls. Write more ports, or max_sessions = %d.", x.MaxSessions, x.MaxSessions, portsOfCall, need, x.PortFirst, x.PortLast, ports, ports/portsOfCall, ports/portsOfCall)
	}
}
