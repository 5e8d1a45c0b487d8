package runtime

import "net/netip"

// Secret is a reference to a systemd credential.
type Secret struct {
	Name       string `json:"name"`
	Credential string `json:"credential"` // its name, as ImportCredential= of systemd.exec(5) takes it
}

// Database is a server or file beside the path of a message.
type Database struct {
	Name     string `json:"name"`
	Engine   string `json:"engine"` // "postgres", "sqlite"
	Address  string `json:"address,omitempty"`
	Database string `json:"database,omitempty"`
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"` // name of a Secret
	TLS      string `json:"tls,omitempty"`      // "require", "verify", "off"
	CA       string `json:"ca,omitempty"`       // name of a Secret: the authority of the server's certificate, with "verify"; none: those the system knows
	File     string `json:"file,omitempty"`
	Pool     int    `json:"pool"` // connections of each use
}

// Media is the set of rtpengine instances every call goes through.
type Media struct {
	Timeout   Duration        `json:"timeout"` // of one command
	OnFail    string          `json:"on_fail"` // "reject", "next"
	Instances []MediaInstance `json:"instances"`
}

// MediaInstance is one rtpengine.
type MediaInstance struct {
	Name        string           `json:"name"`
	Control     []netip.AddrPort `json:"control"` // ng protocol over UDP
	Local       bool             `json:"local,omitempty"`
	Addresses   []netip.Addr     `json:"addresses,omitempty"`
	FirstPort   uint16           `json:"first_port,omitempty"`
	LastPort    uint16           `json:"last_port,omitempty"`
	MaxSessions int              `json:"max_sessions,omitempty"` // 0: no cap
	Weight      int              `json:"weight"`
}

// Session is RFC 4028 as the proxy keeps it.
type Session struct {
	MinSE   Duration `json:"min_se"`
	Expires Duration `json:"expires"`
	Insert  bool     `json:"insert"`
}

// Messages is what is changed in forwarded messages beyond what a proxy must.
type Messages struct {
	RemoveHeaders []string `json:"remove_headers,omitempty"`
	Codecs        []string `json:"codecs,omitempty"` // kept; empty: all
	Compact       bool     `json:"compact,omitempty"`
	UDPLimit      int      `json:"udp_limit"` // bytes beyond which a request goes over TCP, where Listener.OverTCP says by which; 0: none does
	Fallback      bool     `json:"fallback"`  // to UDP when TCP is refused
	HideTopology  bool     `json:"hide_topology,omitempty"`
}

// Sockets are SIP sockets from a table.
type Sockets struct {
	Database   string         `json:"database"`
	Table      string         `json:"table"`
	Columns    SocketColumns  `json:"columns"`
	NICs       []string       `json:"nics"`
	Sources    []netip.Prefix `json:"sources"`
	Workers    int            `json:"workers"`
	MaxSockets int            `json:"max_sockets"`
}

// SocketColumns are names of columns.
type SocketColumns struct {
	Socket     string `json:"socket"`
	Advertised string `json:"advertised"`
	Tag        string `json:"tag"`
	Flags      string `json:"flags"`
	TOS        string `json:"tos"`
}

// TLS is what a listener over TLS or WSS shows and accepts; names of Secrets.
type TLS struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
	ClientCA    string `json:"client_ca,omitempty"` // clients must show a certificate
	MinVersion  string `json:"min_version"`         // "1.2", "1.3"
}

// ScopedLimits are limits of a listener, of sources or of a carrier. Zero: none.
type ScopedLimits struct {
	Name            string         `json:"name"`
	Prefixes        []netip.Prefix `json:"prefixes,omitempty"`
	PerAddress      bool           `json:"per_address,omitempty"` // each address of the prefixes alone
	CPS             int            `json:"cps"`
	Burst           int            `json:"burst"`
	ConcurrentCalls int            `json:"concurrent_calls"`
	MessageSize     int            `json:"message_size,omitempty"` // bytes
	Refusal         *Refusal       `json:"refusal,omitempty"`      // nil: as of all limits
}

// Persistence of calls in progress.
type Persistence struct {
	To       string   `json:"to"` // "disk", "database"
	Database string   `json:"database,omitempty"`
	Mode     string   `json:"mode"` // "delayed", "at-once"
	Interval Duration `json:"interval"`
}

// Remote is the API and console beside the local socket.
type Remote struct {
	Address     netip.AddrPort `json:"address"`
	Sources     []netip.Prefix `json:"sources"`
	Certificate string         `json:"certificate"` // names of Secrets
	Key         string         `json:"key"`
	ClientCA    string         `json:"client_ca,omitempty"`
	Console     bool           `json:"console"`
}

// Metrics is a plain-HTTP listener for Prometheus.
type Metrics struct {
	Address netip.AddrPort `json:"address"`
	Sources []netip.Prefix `json:"sources"`
}

// HEP is a capture server (HEP3 over UDP).
type HEP struct {
	Address   netip.AddrPort `json:"address"`
	CaptureID int            `json:"capture_id"`
}

// CDR is where records of ended calls go.
type CDR struct {
	To       string `json:"to"` // "journal", "file", "database"
	Database string `json:"database,omitempty"`
}

// What becomes of an update that is there.
const (
	RebootWindow = "window"  // it is booted in the window
	RebootManual = "manual"  // somebody boots it
	RebootAtOnce = "at-once" // it is booted when it has come
)

// Update is where new images come from, and when they are booted. Times of the day are UTC.
type Update struct {
	URL      string   `json:"url"` // of the directory, ends in a slash
	Interval Duration `json:"interval"`
	// Offset is how long after the boot the first look waits: each appliance of a fleet
	// has its own.
	Offset Duration `json:"offset"`
	Signer string   `json:"signer"`       // path of the certificate inside the appliance
	CA     string   `json:"ca,omitempty"` // path of the authorities of the server; empty: the public ones
	Reboot string   `json:"reboot"`       // "window", "manual", "at-once"

	WindowFirst string `json:"window_first,omitempty"` // "02:00"
	WindowLast  string `json:"window_last,omitempty"`  // may be before WindowFirst: the next day
	// RebootAt is when, in the window, this appliance restarts; one that misses it may until
	// WindowLast.
	RebootAt string `json:"reboot_at,omitempty"`

	Tries int `json:"tries"` // boots of a new image before the old one returns
}
