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
	Sources       []Source

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
	Media       *Media // nil: signalling alone
	Session     Session
	Messages    Messages
	Sockets     *Sockets // nil: none
	Control     Control
	Update      *Update // nil: none
	Databases   []*Database
	Secrets     []*Secret
	Waivers     []*Waiver

	NotBuilt []NotBuilt // in line order
}

// Source is one file a spec was read from, cache sources included.
type Source struct {
	Name   string // relative to the spec's directory
	SHA256 string // lower-case hexadecimal
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
	NICs           []*NIC  // Ethernet cards, then bonds, then VLANs, each in source order
	Disks          []*Disk // empty: none is needed
	Routes         []*StaticRoute
	DNS            []netip.Addr // resolvers, tried in this order
	NTP            []string     // time servers, addresses or names
	Console        []string     // consoles of the kernel, the last one is /dev/console; nil: the screen and the first serial port
	Mismatch       string       // what is done on a smaller machine: one of the Mismatch constants
	Vendor         string       // maker of the processors: one of the Vendor constants; empty: not stated
	Range          hcl.Range
	MemoryRange    hcl.Range
	CPURange       hcl.Range

	DNSRanges, NTPRanges []hcl.Range // one per entry
}

// Disk is one of the machine.
type Disk struct {
	Name string
	Path string // of the device, "/dev/vda"
	Size uint64 // bytes; 0: not stated
	// Driver of its controller, one of Drivers; empty: not stated (a virtual machine).
	Driver string
	Range  hcl.Range

	PathRange, DriverRange hcl.Range
}

// StaticRoute sends packets of a network to a neighbour of an interface.
type StaticRoute struct {
	Name        string
	Destination netip.Prefix
	Via         netip.Addr
	NIC         string // filled by the checks: the interface Via is a neighbour of
	Range       hcl.Range

	DestinationRange, ViaRange, NICRange hcl.Range
}

// Threads is the number of hardware threads.
func (h Hardware) Threads() int { return h.Cores * h.ThreadsPerCore }

// Kinds of interfaces.
const (
	KindEthernet = "ethernet" // a card
	KindBond     = "bond"     // several cards as one
	KindVLAN     = "vlan"     // one 802.1Q network of a card or bond
)

// Modes of a bond (kernel: Documentation/networking/bonding.rst).
const (
	BondLACP         = "802.3ad"       // the switch must agree; the default
	BondActiveBackup = "active-backup" // one card at a time
)

// NIC is one interface. Name is what the interface is called inside the
// appliance; MatchMAC picks the hardware (empty: the only NIC of the machine).
type NIC struct {
	Name       string
	Kind       string
	Management bool     // for operating the appliance: no SIP
	Members    []string // of a bond: names of cards
	Mode       string   // of a bond
	Parent     string   // of a VLAN: a card or bond
	VLAN       int      // of a VLAN: its id, 1 to 4094

	MemberRanges                      []hcl.Range // one per entry
	ParentRange, VLANRange, ModeRange hcl.Range

	MatchMAC  string         // lower case, colon separated
	Driver    string         // of a card, one of Drivers; empty: not stated (a virtual machine)
	SpeedBits uint64         // bits per second; 0: not stated
	Queues    int            // default 1
	MTU       int            // default 1500
	Addresses []netip.Prefix // host address with prefix length
	Gateways  []netip.Addr   // at most one per family
	Range     hcl.Range

	AddressRanges, GatewayRanges []hcl.Range // one per entry
	MatchRange                   hcl.Range
	MTURange, QueuesRange        hcl.Range
	ManagementRange, DriverRange hcl.Range
}

// Workload is what the appliance must carry, on two axes.
type Workload struct {
	WorkerWait time.Duration // what one call makes a worker wait for others; 0 unless a spec plans for code of its own

	CPS             int           // new calls per second
	ConcurrentCalls int           // calls in progress at the peak
	CallDuration    time.Duration // mean, answered to BYE
	RingTime        time.Duration // mean, INVITE to final reply; default 8s
	Range           hcl.Range

	CPSRange, ConcurrentRange, DurationRange, RingRange, WorkerWaitRange hcl.Range
}

// Transports (RFC 3261 section 18, RFC 7118).
const (
	TransportUDP = "udp"
	TransportTCP = "tcp"
	TransportTLS = "tls"
	TransportWS  = "ws"
	TransportWSS = "wss"
)

// How datagrams of one source port spread over the workers of a listener. The
// kernel gives all of them to one socket, and so to one worker.
const (
	SteeringAuto   = "auto"    // by call where one worker cannot carry the listener
	SteeringCallID = "call-id" // by call: each worker has some of the calls
	SteeringOff    = "off"     // as the kernel has it: by source address and port
)

// Listener is one SIP socket.
type Listener struct {
	Name      string
	NIC       string // the NIC that has Address; empty: loopback
	Address   netip.Addr
	Port      int    // default 5060; 5061 over TLS, 80 over WS, 443 over WSS
	Transport string // "udp", "tcp", "tls", "ws", "wss"
	TOS       int    // IP type of service of what is sent, 0 to 255; default 0
	TLS       *TLS   // with transport "tls" and "wss"
	Conns     *Connections
	Advertise string // host[:port], empty: Address and Port
	Sources   []netip.Prefix
	Workers   int     // 0: auto
	Steering  string  // one of the Steering constants; default auto
	Share     float64 // of the offered CPS; shares of all listeners add up to 1
	Range     hcl.Range

	NICRange, AddressRange, PortRange, WorkersRange, SourcesRange, ShareRange, TransportRange, TOSRange, SteeringRange hcl.Range
}

// Stream reports whether the listener takes connections.
func (l *Listener) Stream() bool { return l.Transport != "" && l.Transport != TransportUDP }

// Secure reports whether it speaks TLS.
func (l *Listener) Secure() bool { return l.Transport == TransportTLS || l.Transport == TransportWSS }

// Dispatcher is one dispatcher set.
type Dispatcher struct {
	Name         string
	ID           int
	Algorithm    string // one of the Algorithm constants; default hash-callid
	Next         string // set that takes the calls when this one is exhausted; empty: none
	Probe        *Probe // nil: not probed
	Failover     Failover
	Destinations []*Destination
	Range        hcl.Range

	IDRange, AlgorithmRange, NextRange hcl.Range
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
	Name      string
	URI       string
	Address   netip.AddrPort    // invalid: Host is a name
	Host      string            // a name to resolve (RFC 3263); empty: Address
	Port      int               // of a name; 0: from the records
	Transport string            // "udp" (default), "tcp", "tls"; of a name without one that of its listener
	says      bool              // the URI says the transport
	Weight    int               // part of the calls for the algorithms that weigh, default 1
	Priority  int               // lower is tried first for "priority", default 0
	State     string            // at the start: "active" (default), "inactive", "disabled", "probing"
	Attrs     map[string]string // for people and metrics
	Listener  string            // listener that reaches it; empty: chosen by subnet, else the first of its family
	MaxCPS    int               // 0: not stated
	MaxCalls  int               // 0: not stated
	Range     hcl.Range

	URIRange, ListenerRange, MaxCPSRange, MaxCallsRange, WeightRange, PriorityRange, StateRange hcl.Range
}

// Route sends new calls to dispatcher sets.
type Route struct {
	Name   string
	From   []string
	Prefix string
	To     []string
	Cache  string
	Range  hcl.Range // zero for the implied route

	Carriers []string // names of carriers of Limits that the source must be of; empty: any source
	// The number called: Pattern (RE2) must match all of it; it goes on without its first
	// Strip characters and with Add before the rest, or as Rewrite says ($1 to $9 are groups).
	Pattern string
	Strip   int
	Add     string
	Rewrite string

	FromRanges, ToRanges, CarrierRanges              []hcl.Range // one per entry
	PrefixRange, CacheRange                          hcl.Range
	PatternRange, StripRange, AddRange, RewriteRange hcl.Range
}

// Cache is a table loaded before (sync) or after (background) the listeners open.
type Cache struct {
	Name     string
	Source   string        // "file", "sqlite", "postgres"
	Database string        // name of a Database, with "sqlite" and "postgres"
	Query    string        // with those: gives prefix and dispatcher set
	Refresh  time.Duration // between two loads while running; 0: at the start and on request
	File     string        // as written: relative to the spec directory when Baked, absolute inside the appliance otherwise
	Baked    bool          // Data is baked into the config layer: the table, or with a Database what to start from when it is down
	Data     []byte        // the file's bytes when Baked
	Rows     int           // the spec's `rows`; counted for a file beside the spec
	Warmup   string        // "sync", "background"
	OnFail   string        // "refuse" (default), "last-good", "baked"
	Within   time.Duration // bound on a load; default 60s
	Range    hcl.Range

	FileRange, WarmupRange, DatabaseRange, QueryRange, OnFailRange, RefreshRange hcl.Range
}

// Limits are global admission limits. Zero: none.
type Limits struct {
	CPS, Burst, ConcurrentCalls int           // Burst defaults to CPS: one second's worth
	RetryAfter                  time.Duration // whole seconds; default 5s
	MessageSize                 int           // bytes; default 65535, the most UDP carries
	Range                       hcl.Range

	Refusal   Refusal    // default 503
	Emergency *Emergency // nil: no call goes first

	Listeners []*ScopedLimits // by the listener's name
	Sources   []*ScopedLimits
	Carriers  []*ScopedLimits // groups of sources

	CPSRange, ConcurrentRange hcl.Range
}

// Refusal is what a call is told that a limit refuses.
type Refusal struct {
	Code   int    // 400 to 699, none that asks for something
	Reason string // empty: the usual phrase of the code
}

// Emergency is which calls no limit refuses, beside those to urn:service:sos.
type Emergency struct {
	Numbers            []string // user parts, as dialled
	ResourcePriorities []string // RFC 4412: "namespace" or "namespace.priority"
	Reserve            int      // calls room is kept for; default 10
	Range              hcl.Range

	ReserveRange hcl.Range
}

// Transaction holds timers; zero values have been replaced by defaults.
type Transaction struct {
	ReplyTimeout  time.Duration // default 5s
	InviteTimeout time.Duration // default 30s (B4)
	Wait          time.Duration // default 5s
	CallLifetime  time.Duration // default 30m (B14)
	DrainTimeout  time.Duration // default 30s
	Range         hcl.Range
	InviteRange   hcl.Range

	ReplyRange, LifetimeRange hcl.Range
}

// State is the memory for per-call state.
type State struct {
	Memory      uint64 // bytes; 0: auto
	HighWater   float64
	HugePages   uint64       // size of the pages the state lies in, bytes; 0: ordinary ones
	Persistence *Persistence // nil: calls in progress end with the machine
	Range       hcl.Range
	MemoryRange hcl.Range

	HighWaterRange, HugePagesRange hcl.Range
}

// Firewall tunes the computed ruleset.
type Firewall struct {
	Enabled     bool
	SourceRate  int // packets per second and source; 0: auto from the workload
	SourceBurst int
	Range       hcl.Range
}
