package spec

import (
	"net/netip"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Spec is a decoded, checked specification of one appliance. Every block keeps
// the range it was declared at, so that later stages (sizing findings, plan,
// policies) can point at the line. Blocks are in source order: files by name,
// blocks by position.
type Spec struct {
	FormatVersion int
	Dir           string // as given by the caller; never part of an output
	Digest        string // "sha256:<hex>" over names and bytes of the source files, sorted by name

	Appliance   Appliance
	Hardware    Hardware
	Workload    Workload
	Listeners   []*Listener
	Dispatchers []*Dispatcher
	Routes      []*Route // when the spec has no route and one dispatcher set: one implied route to it
	Caches      []*Cache
	Limits      Limits
	Transaction Transaction
	State       State
	Firewall    Firewall
	Waivers     []*Waiver
}

// Appliance names the machine. Name is a DNS label: it becomes the host name and
// the name of the outputs.
type Appliance struct {
	Name  string
	Site  string
	Range hcl.Range
}

// Platforms.
const (
	PlatformVM        = "vm"
	PlatformBaremetal = "baremetal"
)

// Hardware is the machine the appliance is sized for.
type Hardware struct {
	Platform       string
	Memory         uint64 // bytes
	Cores          int    // physical cores
	ThreadsPerCore int
	NICs           []*NIC
	Range          hcl.Range
	MemoryRange    hcl.Range
	CPURange       hcl.Range
}

// Threads is the number of hardware threads.
func (h Hardware) Threads() int { return h.Cores * h.ThreadsPerCore }

// NIC is one interface. Name is what the interface is called inside the
// appliance; MatchMAC picks the hardware (empty: the only NIC of the machine).
type NIC struct {
	Name      string
	MatchMAC  string         // lower case, colon separated
	SpeedBits uint64         // bits per second; 0: not stated
	Queues    int            // default 1
	MTU       int            // default 1500
	Addresses []netip.Prefix // host address with prefix length
	Gateways  []netip.Addr   // at most one per family
	Range     hcl.Range

	AddressRanges, GatewayRanges []hcl.Range // one per entry
	MatchRange                   hcl.Range
	MTURange, QueuesRange        hcl.Range
}

// Workload is what the appliance must carry, on two axes.
type Workload struct {
	CPS             int           // new calls per second
	ConcurrentCalls int           // calls in progress at the peak
	CallDuration    time.Duration // mean, answered to BYE
	RingTime        time.Duration // mean, INVITE to final reply; default 8s
	Range           hcl.Range

	CPSRange, ConcurrentRange, DurationRange, RingRange hcl.Range
}

// Listener is one SIP socket.
type Listener struct {
	Name      string
	NIC       string // the NIC that has Address; empty: loopback
	Address   netip.Addr
	Port      int    // default 5060
	Transport string // "udp"
	Advertise string // host[:port], empty: Address and Port
	Sources   []netip.Prefix
	Workers   int     // 0: auto
	Share     float64 // of the offered CPS; shares of all listeners add up to 1
	Range     hcl.Range

	NICRange, AddressRange, PortRange, WorkersRange, SourcesRange, ShareRange hcl.Range
}

// Dispatcher is one dispatcher set.
type Dispatcher struct {
	Name         string
	ID           int
	Algorithm    string // "hash-callid" (default), "round-robin"
	Probe        *Probe // nil: not probed
	Failover     Failover
	Destinations []*Destination
	Range        hcl.Range

	IDRange hcl.Range
}

// Probe is OPTIONS probing. Defaults follow requirement B2: every 30 s, five
// failures to inactive, five successes to active.
type Probe struct {
	Interval, Timeout               time.Duration
	FailThreshold, RecoverThreshold int
	From                            string
	Accept                          []CodeSpan
	Range, FailRange, IntervalRange hcl.Range
	RecoverRange                    hcl.Range
}

// CodeSpan is an inclusive span of status codes; "5xx" is 500-599, "404" is 404-404.
type CodeSpan struct{ First, Last int }

// Failover lists what moves a call to the next destination.
type Failover struct {
	On        []CodeSpan
	OnTimeout bool
	Never     []int
	Range     hcl.Range
}

// Destination is one member of a set.
type Destination struct {
	Name     string
	URI      string
	Address  netip.AddrPort // issue 2 takes literal addresses only
	Listener string         // listener that reaches it; empty: chosen by subnet, else the first of its family
	MaxCPS   int            // 0: not stated
	MaxCalls int            // 0: not stated
	Range    hcl.Range

	URIRange, ListenerRange, MaxCPSRange, MaxCallsRange hcl.Range
}

// Route sends new calls to dispatcher sets.
type Route struct {
	Name   string
	From   []string
	Prefix string
	To     []string
	Cache  string
	Range  hcl.Range // zero for the implied route

	FromRanges, ToRanges    []hcl.Range // one per entry
	PrefixRange, CacheRange hcl.Range
}

// Cache is a table loaded before (sync) or after (background) the listeners open.
type Cache struct {
	Name   string
	Source string        // "file"
	File   string        // as written: relative to the spec directory when Baked, absolute inside the appliance otherwise
	Baked  bool          // Data is baked into the config layer
	Data   []byte        // the file's bytes when Baked
	Rows   int           // counted when Baked, else the spec's `rows`
	Warmup string        // "sync", "background"
	OnFail string        // "refuse"
	Within time.Duration // bound on a load; default 60s
	Range  hcl.Range

	FileRange, WarmupRange hcl.Range
}

// Limits are global admission limits. Zero: none.
type Limits struct {
	CPS, Burst, ConcurrentCalls int           // Burst defaults to CPS: one second's worth
	RetryAfter                  time.Duration // whole seconds; default 5s
	MessageSize                 int           // bytes; default 65535, the most UDP carries
	Range                       hcl.Range

	CPSRange, ConcurrentRange hcl.Range
}

// Transaction holds timers; zero values have been replaced by defaults.
type Transaction struct {
	ReplyTimeout  time.Duration // default 5s
	InviteTimeout time.Duration // default 30s (B4)
	Wait          time.Duration // default 5s
	CallLifetime  time.Duration // default 30m (B14)
	Range         hcl.Range
	InviteRange   hcl.Range

	ReplyRange, LifetimeRange hcl.Range
}

// State is the memory for per-call state.
type State struct {
	Memory      uint64 // bytes; 0: auto
	HighWater   float64
	Range       hcl.Range
	MemoryRange hcl.Range

	HighWaterRange hcl.Range
}

// Firewall tunes the computed ruleset.
type Firewall struct {
	Enabled     bool
	SourceRate  int // packets per second and source; 0: auto from the workload
	SourceBurst int
	Range       hcl.Range
}
