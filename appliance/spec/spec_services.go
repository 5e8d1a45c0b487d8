package spec

import (
	"net/netip"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// NotBuilt is a part of the language that is used and that sbcd does not run yet:
// a block, an attribute, or one value of an attribute. It is decoded and checked
// like any other; whoever builds refuses it.
type NotBuilt struct {
	What  string // `media`, `listener "core": transport "tls"`
	Range hcl.Range
}

// Secret is a reference to a value that reaches the appliance as a systemd
// credential (systemd.exec(5), ImportCredential=). The value never enters the spec.
type Secret struct {
	Name       string
	From       string // "credential"
	Credential string // name of the credential; default: Name
	Range      hcl.Range

	CredentialRange hcl.Range
}

// Database engines.
const (
	EnginePostgres = "postgres"
	EngineSQLite   = "sqlite"
)

// Database is a server or file that caches, dynamic sockets and call records use.
// Nothing on the path of a message waits for it.
type Database struct {
	Name   string
	Engine string

	Address  string   // postgres: host[:port], a literal address or a name; port default 5432
	Database string   // postgres: name of the database; default: Name
	User     string   // postgres; default "trunkline"
	Password string   // name of a Secret; empty: none
	TLS      string   // postgres: "require" (default), "verify", "off"
	CA       string   // name of a Secret: the authority of the server's certificate; empty: those the system knows
	File     string   // sqlite: absolute path on the appliance
	Pools    []string // what uses it: "cache carriers", "sockets", "calls"; filled by the checks, sorted

	Pool           int // connections of each use on one appliance; default 2
	MaxConnections int // what the server takes in all; 0: not stated
	Appliances     int // that use the server; default: those of the fleet, else 1
	Range          hcl.Range

	AddressRange, PoolRange, MaxConnectionsRange, AppliancesRange, PasswordRange, FileRange, TLSRange, CARange hcl.Range
}

// What becomes of a call whose media no relay takes.
const (
	MediaReject = "reject" // 503, the default: no media is no call
	MediaNext   = "next"   // next instance, then reject
)

// Media is the set of rtpengine instances. Every call goes through one of them:
// the language has no way around it for single carriers (B16).
type Media struct {
	Instances []*MediaInstance
	Timeout   time.Duration // of one command, default 500ms
	OnFail    string        // default "next"
	PTime     time.Duration // of the media planned for, default 20ms
	Bitrate   uint64        // payload of one direction of a call, bits/s; default 64 kbps (G.711)
	Range     hcl.Range

	OnFailRange, TimeoutRange hcl.Range
}

// MediaInstance is one rtpengine: at a remote address, or on the appliance itself.
type MediaInstance struct {
	Name        string
	Control     []netip.AddrPort // ng control sockets (UDP); several spread the commands (seeds/003, media-proxy row)
	Local       bool             // runs on this appliance: Control are loopback addresses
	Addresses   []netip.Addr     // Local: where media arrives; addresses of a NIC, one per family at most
	PortFirst   int              // Local: of the UDP ports for media; default 30000
	PortLast    int              // Local: default 59999
	MaxSessions int              // calls it holds; 0: not stated
	MaxCPS      int              // offers it takes per second; 0: not stated
	Weight      int              // part of the calls, default 1
	Range       hcl.Range

	ControlRanges, AddressRanges              []hcl.Range // one per entry
	PortsRange, MaxSessionsRange, MaxCPSRange hcl.Range
}

// Sockets are SIP sockets that come from a table while the appliance runs
// (seeds/002): explicit addresses alone, of the NICs named.
type Sockets struct {
	Database   string // name of a Database
	Table      string // default "sockets"
	Columns    SocketColumns
	NICs       []string // whose addresses the rows may name; empty: those of the listeners
	Workers    int      // of all dynamic UDP sockets together, default 8 (S3)
	MaxSockets int      // default 100 (S4)
	Sources    []netip.Prefix
	Range      hcl.Range

	DatabaseRange, WorkersRange, MaxSocketsRange, SourcesRange hcl.Range
	NICRanges                                                  []hcl.Range
}

// SocketColumns are names of columns; each has a default of its own name in the language.
type SocketColumns struct {
	Socket, Advertised, Tag, Flags, TOS string
}

// Control is the API, console and metrics beside the local socket.
type Control struct {
	Address     netip.AddrPort // invalid: the local socket alone; port default 8443
	NIC         string         // that has Address
	Sources     []netip.Prefix // who may connect
	Certificate string         // name of a Secret: PEM chain
	Key         string         // name of a Secret
	ClientCA    string         // name of a Secret: whose clients may change things (mTLS)
	Console     bool           // the web console, default true
	Metrics     *Metrics       // nil: on Address alone
	HEP         *HEP           // nil: none
	CDR         *CDR           // nil: none
	LogLevel    string         // "info" (default), "warn", "error", "debug"
	Range       hcl.Range

	AddressRange, SourcesRange, CertificateRange, KeyRange, ClientCARange hcl.Range
}

// Metrics is a plain-HTTP listener for Prometheus, without the rest of the API.
type Metrics struct {
	Address netip.AddrPort // port default 9090
	Sources []netip.Prefix
	Range   hcl.Range

	AddressRange, SourcesRange hcl.Range
}

// HEP mirrors messages to a Homer capture server (HEP3 over UDP).
type HEP struct {
	Address   netip.AddrPort // port default 9060
	CaptureID int
	Range     hcl.Range

	AddressRange hcl.Range
}

// CDR is where records of ended calls go, off the path.
type CDR struct {
	To       string // "journal" (default), "file", "database"
	Database string // with to = "database"
	Range    hcl.Range

	DatabaseRange hcl.Range
}

// Update is where new images come from: `sbcd update` fetches them.
type Update struct {
	URL      string        // https://HOST/PATH/: a directory that `trunkline publish` writes
	Interval time.Duration // between two looks, default 1h
	Signer   string        // file beside the spec: certificate (PEM) whose signature counts
	CA       string        // file beside the spec: authorities (PEM) of the server's certificate; empty: the public ones
	Reboot   string        // "window" (default), "manual", "at-once"
	Window   *Window       // with reboot = "window"; default 02:00-04:00
	Tries    int           // boots of a new image before the old one returns, default 3
	Range    hcl.Range

	Certificate []byte   // of the signer, DER
	Authorities [][]byte // of CA, DER

	URLRange, SignerRange, CARange, WindowRange, RebootRange hcl.Range
}

// Window is a span of the day in UTC; Last before First spans midnight.
type Window struct{ First, Last time.Duration } // since midnight, whole minutes

// Length is how long the window is open.
func (w Window) Length() time.Duration {
	const day = 24 * time.Hour
	return (w.Last - w.First + day) % day
}
