// Package runtime is the contract between the compiler and the appliance: the
// schema of appliance.json. The plan writes it, the config layer carries it to
// /etc/trunkline/appliance.json, and sbcd (proxy and firewall) reads nothing
// else. It holds computed figures only (nothing is "auto" any more), so reading
// it needs no sizing and no HCL.
//
// The package imports the standard library alone: everything that runs inside
// the image depends on it.
package runtime

import (
	"fmt"
	"net/netip"
	"time"
)

// FormatVersion is the version of the appliance.json schema this code reads and
// writes. A file of another version is refused.
const FormatVersion = 1

// DefaultPath is where the config layer puts the appliance.json inside the image.
const DefaultPath = "/etc/trunkline/appliance.json"

// Appliance is one appliance, fully sized.
type Appliance struct {
	FormatVersion int    `json:"format_version"`
	Name          string `json:"name"`
	Site          string `json:"site,omitempty"`
	SpecDigest    string `json:"spec_digest"` // "sha256:<hex>" over the spec's source files

	Hardware    Hardware     `json:"hardware"`
	Listeners   []Listener   `json:"listeners"`
	Dispatchers []Dispatcher `json:"dispatchers"`
	Routes      []Route      `json:"routes"`
	// Resolvers are the name servers asked for destinations by name, in this order; empty:
	// there are none such.
	Resolvers   []netip.AddrPort `json:"resolvers,omitempty"`
	Caches      []Cache          `json:"caches,omitempty"`
	Limits      Limits           `json:"limits"`
	Transaction Transaction      `json:"transaction"`
	State       State            `json:"state"`
	Control     Control          `json:"control"`
	Firewall    FirewallInput    `json:"firewall"`

	// Update is what `sbcd update` goes by; nil: the appliance asks for no updates.
	Update *Update `json:"update,omitempty"`

	// Parts of these sbcd does not run yet; it refuses them (see Unsupported).
	Media     *Media     `json:"media,omitempty"`
	Session   *Session   `json:"session,omitempty"`
	Messages  *Messages  `json:"messages,omitempty"`
	Sockets   *Sockets   `json:"sockets,omitempty"`
	Databases []Database `json:"databases,omitempty"`
	Secrets   []Secret   `json:"secrets,omitempty"`
}

// Hardware is what the spec says the machine is.
type Hardware struct {
	Threads     int    `json:"threads"`      // hardware threads
	MemoryBytes uint64 `json:"memory_bytes"` // installed memory
	NICs        []NIC  `json:"nics"`

	Platform string `json:"platform"` // "vm", "baremetal"
	Cores    int    `json:"cores"`    // physical ones
	Disks    []Disk `json:"disks,omitempty"`
	// Mismatch is what is done on a machine that is less than this: one of the Mismatch
	// constants.
	Mismatch string  `json:"mismatch"`
	Resize   *Resize `json:"resize,omitempty"` // with MismatchResize
	// Console are the kernel's, the last one is /dev/console; empty: the screen and the
	// first serial port.
	Console []string `json:"console,omitempty"`
}

// NIC is one network interface, named by the spec; inside the appliance the
// interface carries this very name.
type NIC struct {
	Name      string         `json:"name"`
	MAC       string         `json:"mac,omitempty"`
	Kind      string         `json:"kind,omitempty"` // "bond", "vlan"; empty: a card
	Addresses []netip.Prefix `json:"addresses"`
	// Queues says which CPU serves each receive queue; empty: left to the kernel.
	Queues []Queue `json:"queues,omitempty"`
	Driver string  `json:"driver,omitempty"` // of a card, as the kernel calls it; empty: any
	Speed  uint64  `json:"speed,omitempty"`  // of the link, bits per second; 0: any
}

// Queue is one receive queue of a NIC.
type Queue struct {
	Queue int   `json:"queue"`
	CPU   int   `json:"cpu"`           // takes its interrupts
	RPS   []int `json:"rps,omitempty"` // CPUs its packets are steered to; empty: they stay
}

// Listener is one SIP socket (a group of SO_REUSEPORT sockets, one per worker).
type Listener struct {
	Name      string         `json:"name"`
	NIC       string         `json:"nic,omitempty"`
	Transport string         `json:"transport"`           // "udp", "tcp", "tls", "ws", "wss"
	Address   netip.AddrPort `json:"address"`             // what the socket binds
	Advertise string         `json:"advertise,omitempty"` // host[:port] written into Via and Record-Route; empty: Address
	// Sources may send requests to this listener. Peers are the addresses of the
	// destinations reached through it: their packets are let in too.
	Sources []netip.Prefix `json:"sources"`
	Peers   []netip.Prefix `json:"peers,omitempty"`

	Workers     int    `json:"workers"`            // receive workers, at least 1
	RecvBuffer  int    `json:"recv_buffer"`        // SO_RCVBUF asked for, bytes per socket
	SendBuffer  int    `json:"send_buffer"`        // SO_SNDBUF asked for, bytes per socket
	MaxMessage  int    `json:"max_message"`        // largest SIP message taken, bytes
	Steering    string `json:"steering,omitempty"` // "call-id": packets spread over the workers by call; empty: by source address and port
	SocketCount int    `json:"socket_count"`       // sockets of the SO_REUSEPORT group (= Workers for UDP)

	// OverTCP names the listener over TCP, on the same address, by which requests too long for
	// UDP leave (RFC 3261 section 18.1.1; Messages has the limit); empty: they leave over UDP.
	OverTCP string `json:"over_tcp,omitempty"`

	TOS         int          `json:"tos,omitempty"`         // IP type of service of what is sent
	TLS         *TLS         `json:"tls,omitempty"`         // with "tls" and "wss"
	Connections *Connections `json:"connections,omitempty"` // of a transport other than UDP
}

// SteeringCallID spreads packets over the workers by Call-ID.
const SteeringCallID = "call-id"

// Datagram reports whether the listener takes datagrams, not connections.
func (l Listener) Datagram() bool { return l.Transport == "" || l.Transport == "udp" }

// Connections bounds a listener over TCP, TLS, WS or WSS.
type Connections struct {
	Max       int      `json:"max"`        // at once
	PerSource int      `json:"per_source"` // at once, of one address; new ones per second, too
	Idle      Duration `json:"idle"`       // without a message or keep-alive
	Handshake Duration `json:"handshake"`  // TLS and WebSocket together
}

// Dispatcher algorithms.
const (
	AlgorithmHashCallID = "hash-callid"
	AlgorithmRoundRobin = "round-robin"
)

// Dispatcher is one dispatcher set.
type Dispatcher struct {
	Name         string        `json:"name"`
	ID           int           `json:"id"`
	Algorithm    string        `json:"algorithm"`
	Next         string        `json:"next,omitempty"`  // set that takes the calls when this one is exhausted
	Probe        *Probe        `json:"probe,omitempty"` // nil: not probed, always active
	Failover     Failover      `json:"failover"`
	Destinations []Destination `json:"destinations"`
}

// Destination is one member of a dispatcher set, with an address or a name. Names are
// resolved beside the path of messages.
type Destination struct {
	Name     string         `json:"name"`
	URI      string         `json:"uri"`              // as the spec wrote it
	Address  netip.AddrPort `json:"address,omitzero"` // where packets go; invalid: Host is resolved
	Listener string         `json:"listener"`         // the listener whose socket reaches it

	Host      string            `json:"host,omitempty"`      // a name (RFC 3263)
	Port      int               `json:"port,omitempty"`      // of Host; 0: from the records
	Transport string            `json:"transport,omitempty"` // empty: "udp"
	Weight    int               `json:"weight,omitempty"`    // 0: 1
	Priority  int               `json:"priority,omitempty"`
	State     string            `json:"state,omitempty"` // at the start; empty: "active"
	MaxCalls  int               `json:"max_calls,omitempty"`
	MaxCPS    int               `json:"max_cps,omitempty"`
	Attrs     map[string]string `json:"attrs,omitempty"`
}

// Probe is OPTIONS probing of a set's destinations.
type Probe struct {
	Interval         Duration   `json:"interval"`
	Timeout          Duration   `json:"timeout"`           // a probe without a final reply by then has failed
	FailThreshold    int        `json:"fail_threshold"`    // consecutive failures until inactive
	RecoverThreshold int        `json:"recover_threshold"` // consecutive successes until active again
	From             string     `json:"from"`              // From URI of the OPTIONS
	Accept           []CodeSpan `json:"accept"`            // final codes that count as success
}

// Failover says which outcomes of an attempt move a call to the next destination.
type Failover struct {
	On        []CodeSpan `json:"on"`
	OnTimeout bool       `json:"on_timeout"` // local timeout and transport failure
	Never     []int      `json:"never"`      // wins over On
}

// CodeSpan is an inclusive span of SIP status codes: 5xx is {500, 599}.
type CodeSpan struct {
	First int `json:"first"`
	Last  int `json:"last"`
}

// Contains reports whether code lies in the span.
func (c CodeSpan) Contains(code int) bool { return c.First <= code && code <= c.Last }

// Matches reports whether an attempt that ended with code fails over.
func (f Failover) Matches(code int) bool {
	for _, n := range f.Never {
		if n == code {
			return false
		}
	}
	for _, s := range f.On {
		if s.Contains(code) {
			return true
		}
	}
	return false
}

// Route sends new calls of some listeners to dispatcher sets. Routes are tried
// in order; the first that matches takes the call.
type Route struct {
	Name   string   `json:"name"`
	From   []string `json:"from"`             // listener names; empty: all
	Prefix string   `json:"prefix,omitempty"` // of the Request-URI's user part; empty: any
	To     []string `json:"to,omitempty"`     // dispatcher sets, tried in order when one is exhausted
	// Cache, when set instead of To, names a cache whose longest matching prefix
	// of the user part gives the dispatcher set. No match: the next route.
	Cache string `json:"cache,omitempty"`

	Carriers []string `json:"carriers,omitempty"` // of Limits.Carriers, that the source must be of; empty: any source
	// The number is the user part up to its parameters. Pattern (RE2) must match all of it. It
	// goes on without its first Strip characters and with Add before the rest, or as Rewrite
	// says, in which $1 to $9 are groups of Pattern; Cache is searched for that.
	Pattern string `json:"pattern,omitempty"`
	Strip   int    `json:"strip,omitempty"`
	Add     string `json:"add,omitempty"`
	Rewrite string `json:"rewrite,omitempty"`
}

// Cache policies when the source cannot be loaded.
const (
	OnFailRefuse   = "refuse"    // sbcd does not start
	OnFailLastGood = "last-good" // it starts with what was loaded last, kept in its state directory
	OnFailBaked    = "baked"     // it starts with Path
)

// Cache warm-up modes.
const (
	WarmupSync       = "sync"       // loaded before any listener binds
	WarmupBackground = "background" // loaded after READY; until then it matches nothing
)

// Cache is a longest-prefix table. A file source is CSV with two columns,
// prefix and dispatcher set, no header, '#' comments allowed; a database gives the same two
// as the answer to Query.
type Cache struct {
	Name     string   `json:"name"`
	Source   string   `json:"source"` // "file", or the engine of Database
	Path     string   `json:"path"`   // of the file, absolute inside the appliance; with OnFailBaked of what to start from
	Warmup   string   `json:"warmup"`
	OnFail   string   `json:"on_fail"`
	Database string   `json:"database,omitempty"` // with a source that is one
	Query    string   `json:"query,omitempty"`
	Refresh  Duration `json:"refresh,omitempty"` // 0: at the start and on request
	Rows     int      `json:"rows"`              // rows the plan sized for; 0: unknown
	Within   Duration `json:"timeout"`           // 0: no bound on the load
}

// Limits are the global admission limits. Zero means no limit.
type Limits struct {
	CPS             int `json:"cps"`              // new calls per second, token bucket
	Burst           int `json:"burst"`            // depth of the bucket, calls
	ConcurrentCalls int `json:"concurrent_calls"` // calls between admission and release
	RetryAfter      int `json:"retry_after"`      // seconds, in the 503 a refused call gets

	// Refusal is what a refused call is told; nil: 503. A scoped limit may say another.
	Refusal *Refusal `json:"refusal,omitempty"`

	// Emergency says which calls no limit refuses; nil: none.
	Emergency *Emergency `json:"emergency,omitempty"`

	Listeners []ScopedLimits `json:"listeners,omitempty"` // by the listener's name
	Sources   []ScopedLimits `json:"sources,omitempty"`
	Carriers  []ScopedLimits `json:"carriers,omitempty"`
}

// Refusal is the final reply that a call gets which a limit refuses.
type Refusal struct {
	Code   int    `json:"code"`             // 400 to 699
	Reason string `json:"reason,omitempty"` // empty: the usual phrase of the code
}

// Emergency says which new requests are emergency calls: those to urn:service:sos
// (RFC 5031), to Numbers, and those with a Resource-Priority (RFC 4412) that is listed.
// Limits, overload, draining and the high-water mark do not refuse them; beyond that mark
// there is room for what Calls, Transactions and MessageBytes say, which are part of the
// State's figures.
type Emergency struct {
	Numbers          []string `json:"numbers,omitempty"`           // user parts, as dialled: "112"
	ResourcePriority []string `json:"resource_priority,omitempty"` // "esnet.0", or a whole namespace: "esnet"
	Calls            int      `json:"calls"`                       // slots
	Transactions     int      `json:"transactions"`                // slots
	MessageBytes     uint64   `json:"message_bytes"`
}

// Transaction holds the timers of the proxy. T1 and T2 are RFC 3261 Table 4.
type Transaction struct {
	T1            Duration `json:"t1"`             // 500 ms
	T2            Duration `json:"t2"`             // 4 s
	ReplyTimeout  Duration `json:"reply_timeout"`  // no reply at all from a destination: local timeout
	InviteTimeout Duration `json:"invite_timeout"` // INVITE without a final reply (timer C)
	Wait          Duration `json:"wait"`           // a finished transaction absorbs retransmissions for so long
	CallLifetime  Duration `json:"call_lifetime"`  // safety net: a call's accounting ends after this
	// DrainTimeout is how long a proxy that was told to stop waits for transactions to end;
	// 0: it stops at once.
	DrainTimeout Duration `json:"drain_timeout"`
}

// State is the memory for per-call state, as the plan sized it.
type State struct {
	Transactions  int     `json:"transactions"`   // slots, INVITE and non-INVITE together
	MessageBytes  uint64  `json:"message_bytes"`  // bytes of stored messages over all transactions
	Calls         int     `json:"calls"`          // slots
	HighWater     float64 `json:"high_water"`     // share of the slots (0..1] past which new calls get 503
	BudgetBytes   uint64  `json:"budget_bytes"`   // what the plan set aside in all
	ProcessMemory uint64  `json:"process_memory"` // Go soft memory limit (GOMEMLIMIT), bytes

	HugePages   uint64       `json:"huge_pages,omitempty"` // size of a page, bytes; 0: ordinary ones
	Persistence *Persistence `json:"persistence,omitempty"`
}

// Control is the local control socket.
type Control struct {
	Socket string `json:"socket"` // unix socket path; empty: no control API

	Remote   *Remote  `json:"remote,omitempty"`
	Metrics  *Metrics `json:"metrics,omitempty"`
	HEP      *HEP     `json:"hep,omitempty"`
	CDR      *CDR     `json:"cdr,omitempty"`
	LogLevel string   `json:"log_level,omitempty"` // empty: "info"
}

// FirewallInput is what the ruleset needs beyond listeners.
type FirewallInput struct {
	Enabled bool `json:"enabled"`
	// SourceRate is the packet rate one source may send to a listener before its
	// packets are dropped, packets per second. 0: unmetered.
	SourceRate  int `json:"source_rate"`
	SourceBurst int `json:"source_burst"` // packets
	MaxSources  int `json:"max_sources"`  // size of the meter's dynamic set
	// ICMPRate bounds answered echo requests, per second in all.
	ICMPRate int `json:"icmp_rate"`
	// Services are let in beside the listeners.
	Services []Service `json:"services,omitempty"`
}

// Service is what the appliance answers to beside SIP: media ports, the control
// address, metrics.
type Service struct {
	Name      string         `json:"name"`      // unique: "media-m1", "control"
	Protocol  string         `json:"protocol"`  // "udp", "tcp"
	Addresses []netip.Addr   `json:"addresses"` // ours
	FirstPort uint16         `json:"first_port"`
	LastPort  uint16         `json:"last_port"`
	Sources   []netip.Prefix `json:"sources,omitempty"`   // who may reach it; empty: everybody (media comes from anywhere)
	Untracked bool           `json:"untracked,omitempty"` // without connection tracking: media
}

// Duration is a time.Duration that reads and writes as "30s" in JSON.
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("duration %q: %w", b, err)
	}
	*d = Duration(v)
	return nil
}

// D returns d as a time.Duration.
func (d Duration) D() time.Duration { return time.Duration(d) }
