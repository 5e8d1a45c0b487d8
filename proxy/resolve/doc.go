// Package resolve turns the host names of destinations into addresses, ports and
// transports, by the rules of RFC 3263, beside the path of messages.
//
// [Names] holds the names of an appliance. Warm resolves all of them once before
// listeners bind; Run keeps them fresh. A reader takes [Name.Current], an unchanging
// [Result] put in place as a whole, and has it [Result.Order] the targets for each
// call. Nothing on that way waits, locks or asks anybody.
//
// # Rules
//
// An address is used as it is. A port in the URI leads to A and AAAA records. A
// transport in the URI leads to SRV records. Otherwise NAPTR records are asked for,
// then SRV, then A and AAAA (RFC 3263 4.1 and 4.2). Only the transports the
// destination's listener speaks are taken, and only the address families it
// has. SRV records are ordered by priority and weight for every call anew (RFC 2782);
// the addresses of one server are tried in an order drawn at random.
//
// # What is kept, and how long
//
// Records are kept as long as their TTL says, within [MinTTL] and [MaxTTL]. That
// there is none is kept as the zone's SOA says (RFC 2308 5). When no server answers,
// or none says anything of use, the last known records stay in use, whatever their
// age, and servers are asked again after 5 seconds, then after pauses that double up
// to a minute (the idea of RFC 8767 5). So a destination that was resolved once stays
// usable while DNS is down. An authoritative "there is no such name" is not a
// failure: it takes the targets away.
//
// # What is believed
//
// Questions go from a socket connected to one server, each from a port of its own
// and with a random identifier; an answer counts when identifier and question are
// those asked (RFC 5452 9.1). The answers are not signed. Therefore a name never
// decides who may reach the appliance: a target outside [Query.Within], which are the
// prefixes the firewall and the engine let in at the listener, is left out, counted
// and told.
package resolve
