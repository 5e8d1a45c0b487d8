package firewall

import (
	"net/netip"
	"time"
)

// TableName is the one table (of family inet) Trunkline owns. Other tables are
// never touched.
const TableName = "trunkline"

// Ruleset is the whole filter: sets, counters and chains of one table.
type Ruleset struct {
	// Disabled says that the spec turned the firewall off: nothing is loaded.
	Disabled bool

	Counters []string
	Addrs    []AddrSet
	Sockets  []SocketSet
	Meters   []MeterSet
	Chains   []Chain
}

// Family is an address family.
type Family uint8

// Families.
const (
	IPv4 Family = 4
	IPv6 Family = 6
)

// Range is an inclusive range of addresses of one family.
type Range struct{ From, To netip.Addr }

// AddrSet is an interval set of addresses. Its ranges are sorted and neither
// overlap nor touch, as the kernel wants them.
type AddrSet struct {
	Name   string
	Family Family
	Ranges []Range
}

// SocketSet is a set of address and port pairs.
type SocketSet struct {
	Name    string
	Family  Family
	Sockets []netip.AddrPort
}

// MeterSet is a dynamic set of source addresses, each with a rate of its own.
// Size is explicit: without one the kernel takes 65,535 and says so nowhere.
type MeterSet struct {
	Name    string
	Family  Family
	Size    int
	Timeout time.Duration
}

// Hook is the place in the packet path a base chain hangs on. Empty: a chain that
// is reached by jumps alone.
type Hook string

// Hooks.
const (
	Prerouting Hook = "prerouting"
	Input      Hook = "input"
	Forward    Hook = "forward"
	Output     Hook = "output"
)

// Priorities of base chains (enum nf_ip_hook_priorities).
const (
	PriorityRaw    = -300
	PriorityFilter = 0
)

// Chain is a list of rules. Hook, Priority and Accept (the policy) matter for base
// chains alone.
type Chain struct {
	Name     string
	Why      string // shown as a comment in the text
	Hook     Hook
	Priority int
	Accept   bool
	Rules    []Rule
}

// Rule is a verdict for the packets all Matches match; a match may also be a
// limit. Counter, when set, names the counter that counts those packets.
type Rule struct {
	Matches []Match
	Counter string
	Verdict Verdict
}

// Verdict kinds.
const (
	Accept  = "accept"
	Drop    = "drop"
	Jump    = "jump"    // to Chain
	Notrack = "notrack" // and go on with the next rule
)

// Verdict is what happens to a matching packet.
type Verdict struct{ Kind, Chain string }

// Match is one condition; the types below are all there are.
type Match interface{ match() }

// Protocol is a transport protocol by its number in an IP header.
type Protocol uint8

// Protocols.
const (
	TCP Protocol = 6
	UDP Protocol = 17
)

// String is nft's name of the protocol.
func (p Protocol) String() string {
	if p == TCP {
		return "tcp"
	}
	return "udp"
}

// End says which end of a packet a match looks at.
type End uint8

// Ends.
const (
	Source End = iota
	Destination
)

type (
	// Loopback: the packet came in by the loopback interface.
	Loopback struct{}
	// Addr: the address at End lies in Prefix.
	Addr struct {
		End    End
		Prefix netip.Prefix
	}
	// InSet: the address at End is (or, with Not, is not) in an AddrSet.
	InSet struct {
		End    End
		Family Family
		Set    string
		Not    bool
	}
	// Socket: the packet is of Protocol, and its address and port at End are Address
	// and one of First to Last.
	Socket struct {
		Protocol    Protocol
		End         End
		Address     netip.Addr
		First, Last uint16
	}
	// UDPSocketInSet: the UDP packet's address and port at End are in a SocketSet.
	UDPSocketInSet struct {
		End    End
		Family Family
		Set    string
	}
	// ICMP: an ICMP (IPv4) or ICMPv6 message of one of Types.
	ICMP struct {
		Family Family
		Types  []uint8
	}
	// HopLimit: the IPv6 hop limit is this value.
	HopLimit struct{ Value uint8 }
	// Tracked: conntrack knows the packet as established or related.
	Tracked struct{}
	// New: the packet opens a connection, as conntrack sees it.
	New struct{}
	// Limit: at most Rate packets a second, with bursts of Burst.
	Limit struct{ Rate, Burst int }
	// OverRate: the source address sends more than Rate packets a second beyond
	// bursts of Burst, as its entry in a MeterSet knows.
	OverRate struct {
		Family      Family
		Set         string
		Rate, Burst int
	}
)

func (Loopback) match()       {}
func (Addr) match()           {}
func (InSet) match()          {}
func (Socket) match()         {}
func (UDPSocketInSet) match() {}
func (ICMP) match()           {}
func (HopLimit) match()       {}
func (Tracked) match()        {}
func (New) match()            {}
func (Limit) match()          {}
func (OverRate) match()       {}

// familyOf is the family of an address; IPv4-mapped addresses count as IPv4.
func familyOf(a netip.Addr) Family {
	if a.Unmap().Is4() {
		return IPv4
	}
	return IPv6
}

// Family is the address family Addr matches.
func (m Addr) Family() Family { return familyOf(m.Prefix.Addr()) }

// Family is the address family Socket matches.
func (m Socket) Family() Family { return familyOf(m.Address) }
