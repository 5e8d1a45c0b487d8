package spec

import (
	"net/netip"
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// checkMedia compares relays with NICs, listeners and each other.
func (d *decoder) checkMedia(s *Spec) {
	if s.Media == nil {
		return
	}
	type place struct {
		inst *MediaInstance
		rng  hcl.Range
	}
	first := map[netip.AddrPort]place{}
	for i, x := range s.Media.Instances {
		for j, c := range x.Control {
			if prev, dup := first[c]; dup {
				d.controlTwice(x, j, prev.inst, prev.rng)
				continue
			}
			first[c] = place{x, x.ControlRanges[j]}
			if n := nicWith(s, c.Addr()); n != nil {
				d.errorf(x.ControlRanges[j], "Own address of the appliance", "%s is an address of NIC %q, and a relay on the appliance is reached over the loopback. Write control = [\"127.0.0.1:%d\"] and addresses with where its media arrives, or the address of the host the relay runs on.", c.Addr(), n.Name, c.Port())
				continue
			}
			if !x.Local {
				d.checkPeer(s, c.Addr(), x.ControlRanges[j], "media relay")
				continue
			}
			d.checkControlFree(s, x, j)
		}
		if x.Local {
			d.checkMediaAddresses(s, x)
			d.checkMediaPorts(s, x, s.Media.Instances[:i])
		}
	}
}

func (d *decoder) controlTwice(x *MediaInstance, j int, first *MediaInstance, place hcl.Range) {
	const summary = "Control socket used twice"
	switch c, here := x.Control[j], x.ControlRanges[j]; {
	case first == x:
		d.errorf(here, summary, "%s stands in this list already (%s). Remove one of the two.", c, at(place))
	case here == x.Range: // by default
		d.errorf(here, summary, "Without control an instance on the appliance has %s, which is that of instance %q (%s). Give this one another: control = [\"127.0.0.1:2224\"]", c, first.Name, at(place))
	default:
		d.errorf(here, summary, "%s is a control socket of instance %q already (%s), and a socket belongs to one relay. Write the one of instance %q.", c, first.Name, at(place), x.Name)
	}
}

// checkControlFree reports a control socket on the appliance that a listener has.
func (d *decoder) checkControlFree(s *Spec, x *MediaInstance, j int) {
	for _, l := range s.Listeners {
		if c := x.Control[j]; !l.Stream() && l.Address == c.Addr() && l.Port == int(c.Port()) {
			d.errorf(x.ControlRanges[j], "Socket used twice", "Listener %q has %s over UDP already (%s). Give the control of instance %q another port.", l.Name, c, at(l.Range), x.Name)
		}
	}
}

// checkMediaAddresses holds where media arrives to the NICs.
func (d *decoder) checkMediaAddresses(s *Spec, x *MediaInstance) {
	seen := map[bool]netip.Addr{}
	for i, a := range x.Addresses {
		n := nicWith(s, a)
		switch prev, dup := seen[a.Is4()]; {
		case a.IsLoopback():
			d.errorf(x.AddressRanges[i], "Media on the loopback", "%s is the loopback's, and no phone or carrier reaches it. Write an address of a NIC.", a)
			continue
		case n == nil && !d.hardwareUnclear(s):
			d.errorf(x.AddressRanges[i], "Address on no NIC", "No NIC has %s, so no media arrives there. Add it to the addresses of one, or write an address that is there.", a)
			continue
		case n != nil && n.Management:
			d.errorf(x.AddressRanges[i], "Media on a management NIC", "%s is on NIC %q, which is for operating the appliance. Write an address of another NIC.", a, n.Name)
		case dup:
			d.errorf(x.AddressRanges[i], "Two media addresses of one family", "Instance %q has %s for %s already, and what it writes into SDP is one address of each. Keep one, or write a second instance.", x.Name, prev, family(a))
			continue
		}
		seen[a.Is4()] = a
	}
}

// checkMediaPorts keeps the ports of a relay off those of listeners and of other
// relays.
func (d *decoder) checkMediaPorts(s *Spec, x *MediaInstance, earlier []*MediaInstance) {
	for _, a := range x.Addresses {
		for _, l := range s.Listeners {
			if !l.Stream() && l.Address == a && x.PortFirst <= l.Port && l.Port <= x.PortLast {
				d.errorf(x.PortsRange, "Port of a listener among the media", "Listener %q has UDP port %d of %s (%s), and the media of instance %q takes %d to %d there. Write other ports, or put the media on an address of its own.", l.Name, l.Port, a, at(l.Range), x.Name, x.PortFirst, x.PortLast)
			}
		}
	}
	for _, o := range earlier {
		if !o.Local || x.PortLast == 0 || x.PortLast < o.PortFirst || o.PortLast < x.PortFirst {
			continue
		}
		if i := slices.IndexFunc(x.Addresses, func(a netip.Addr) bool { return slices.Contains(o.Addresses, a) }); i >= 0 {
			d.errorf(x.PortsRange, "Media ports used twice", "Instance %q has ports %d to %d of %s already (%s), and instance %q takes %d to %d. Give each its own ports, or its own address.", o.Name, o.PortFirst, o.PortLast, x.Addresses[i], at(o.Range), x.Name, x.PortFirst, x.PortLast)
			return
		}
	}
}

// mediaSwitches are what people write to take some calls around the relays.
var mediaSwitches = []string{
	"bypass", "bypass_media", "media_bypass", "media", "direct_media", "media_proxy", "proxy_media", "rtp_proxy",
	"rtpproxy", "rtpengine", "relay_media", "media_relay",
}

// secretValues are what people write to put the value of a secret beside its name.
var secretValues = []string{"value", "password", "content", "data", "text", "pem", "key"}

// whyNot says of an attribute the language leaves out on purpose why it does;
// empty of any other.
func whyNot(block, name string) string {
	switch block {
	case "listener", "route", "dispatcher", "destination", "carrier", "source":
		if slices.Contains(mediaSwitches, name) {
			return "With a media block every call goes through media, without it none does. A switch for some calls would make the media path of a call a matter of routing, which nobody can tell from outside when a call has no sound. Remove it; for more calls add instances to the media block."
		}
	case "secret":
		if slices.Contains(secretValues, name) {
			return "The value of a secret never stands in a spec: it reaches the appliance as a systemd credential. Remove it. If it was the real one, change it: it is in the repository now."
		}
	}
	return ""
}
