package spec

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// checkStaticRoutes finds the interface each route leaves by. A destination may hold
// a subnet of an interface (10.0.0.0/8 beside a NIC in 10.0.0.0/24: the longer prefix
// wins, so neighbours stay neighbours); the other way round the route would take
// neighbours away.
func (d *decoder) checkStaticRoutes(s *Spec, byName map[string]*NIC) {
	first := map[netip.Prefix]*StaticRoute{}
	for _, r := range s.Hardware.Routes {
		if r.Destination.IsValid() {
			if other := first[r.Destination]; other != nil {
				d.errorf(r.DestinationRange, "Two routes to one network", "Route %q leads to %s already (%s). Remove one of the two.", other.Name, r.Destination, at(other.Range))
			} else {
				first[r.Destination] = r
			}
			d.checkRouteOverSubnet(s, r)
		}
		var named *NIC
		if r.NIC != "" {
			if named = byName[r.NIC]; named == nil {
				if !d.isBroken("nic", r.NIC) {
					d.errorf(r.NICRange, "Unknown NIC", "Route %q names NIC %q. %s", r.Name, r.NIC, didYouMean(r.NIC, namesOf(s.Hardware.NICs, KindEthernet, KindBond, KindVLAN), "NIC"))
				}
				continue
			}
		}
		if r.Via.IsValid() {
			d.checkNextHop(s, r, named)
		}
	}
}

// checkRouteOverSubnet reports a route to neighbours.
func (d *decoder) checkRouteOverSubnet(s *Spec, r *StaticRoute) {
	for _, n := range s.Hardware.NICs {
		for i, p := range n.Addresses {
			if p.Bits() <= r.Destination.Bits() && p.Contains(r.Destination.Addr()) {
				d.errorf(r.DestinationRange, "Route to neighbours", "%s lies in the subnet %s of NIC %q (%s), whose hosts are reached without a router. Remove the route, or correct the prefix length of one of the two.", r.Destination, p.Masked(), n.Name, at(n.AddressRanges[i]))
				return
			}
		}
	}
}

// checkNextHop fills the NIC of a route: the one that has its next hop as a neighbour.
func (d *decoder) checkNextHop(s *Spec, r *StaticRoute, named *NIC) {
	if r.Via.IsLinkLocalUnicast() {
		d.checkLinkLocalHop(r, named)
		return
	}
	var found []*NIC
	var nets []string
	for _, n := range s.Hardware.NICs {
		inside := false
		for _, p := range n.Addresses {
			if p.Addr() == r.Via {
				d.errorf(r.ViaRange, "Next hop is the appliance itself", "%s is an address of NIC %q. Write the router's address.", r.Via, n.Name)
				return
			}
			if p.Addr().Is4() == r.Via.Is4() && (named == nil || named == n) {
				nets = append(nets, p.Masked().String())
			}
			if !p.Contains(r.Via) {
				continue
			}
			inside = true
			if why := notHost(netip.PrefixFrom(r.Via, p.Bits())); why != "" {
				d.errorf(r.ViaRange, "Next hop not usable", "%s %s", r.Via, why)
				return
			}
		}
		if inside {
			found = append(found, n)
		}
	}
	switch {
	case len(found) == 0 && d.isBroken("network", anyName): // the one that was not read may have it
	case len(found) == 0:
		where := "No NIC has an " + family(r.Via) + " address"
		if named != nil {
			where = fmt.Sprintf("NIC %q has no %s address", named.Name, family(r.Via))
		}
		if len(nets) > 0 {
			where = fmt.Sprintf("The %s subnets there: %s", family(r.Via), quoteList(unique(nets), "and"))
		}
		d.errorf(r.ViaRange, "Next hop is no neighbour", "%s lies in no subnet of %s, so packets cannot be handed to it. %s. Write the router's address in one of the appliance's subnets.", r.Via, holder(named), where)
	case named != nil && !slices.Contains(found, named):
		d.errorf(r.NICRange, "Next hop on another NIC", "%s is a neighbour of NIC %q, not of %q. Write nic = %q, or remove it: it is found by the address.", r.Via, found[0].Name, named.Name, found[0].Name)
	case named != nil:
	case len(found) > 1:
		d.errorf(r.ViaRange, "Next hop on two NICs", "%s is a neighbour of NIC %q and of NIC %q, and which of them packets take would be chance. Write nic = %q or the other.", r.Via, found[0].Name, found[1].Name, found[0].Name)
	default:
		r.NIC = found[0].Name
	}
}

// checkLinkLocalHop: such an address means another router on every interface.
func (d *decoder) checkLinkLocalHop(r *StaticRoute, named *NIC) {
	if named == nil {
		d.errorf(r.ViaRange, "Next hop without a NIC", "%s is link-local and may be there on every interface. Add nic = \"NAME\" with the one that faces the router.", r.Via)
		return
	}
	for _, p := range named.Addresses {
		if p.Addr().Is4() == r.Via.Is4() {
			return
		}
	}
	if !d.isBroken("network", anyName) {
		d.errorf(r.ViaRange, "Next hop is no neighbour", "NIC %q has no %s address, so it cannot reach %s. Add one, or name the NIC that has.", named.Name, family(r.Via), r.Via)
	}
}

func holder(named *NIC) string {
	if named == nil {
		return "any NIC"
	}
	return fmt.Sprintf("NIC %q", named.Name)
}

func hasAddress(n *NIC, a netip.Addr) bool {
	for _, p := range n.Addresses {
		if p.Addr() == a {
			return true
		}
	}
	return false
}

// mostResolvers is MAXNS of resolv.conf(5).
const mostResolvers = 3

func (d *decoder) checkResolvers(s *Spec) {
	for i, a := range s.Hardware.DNS {
		d.checkServer(s, "resolver", a, s.Hardware.DNSRanges[i])
	}
	if len(s.Hardware.DNS) > mostResolvers {
		d.warnf(s.Hardware.DNSRanges[mostResolvers], "Too many resolvers", "resolv.conf(5) takes %d; %s and what follows is never asked. Keep the %d nearest.", mostResolvers, s.Hardware.DNS[mostResolvers], mostResolvers)
	}
}

func (d *decoder) checkTimeServers(s *Spec) {
	for i, server := range s.Hardware.NTP {
		place := s.Hardware.NTPRanges[i]
		if a, err := netip.ParseAddr(server); err == nil {
			d.checkServer(s, "time server", a, place)
		} else if len(s.Hardware.DNS) == 0 && !d.isBroken("dns", anyName) {
			d.errorf(place, "Name without a resolver", "%q is a name, and the appliance has nobody to ask for its address. Add dns = [\"ADDRESS\"] to hardware, or write the server's address.", server)
		}
	}
}

// checkServer: another machine, and packets get there.
func (d *decoder) checkServer(s *Spec, what string, a netip.Addr, place hcl.Range) {
	for _, n := range s.Hardware.NICs {
		if hasAddress(n, a) {
			d.errorf(place, "Server is the appliance itself", "%s is an address of NIC %q, and the appliance runs no %s. Write the address of the machine that does.", a, n.Name, what)
			return
		}
	}
	if !reachable(s, a) && !d.isBroken("network", anyName) {
		d.errorf(place, "No route to the "+what, "%s", noRoute(a))
	}
}
