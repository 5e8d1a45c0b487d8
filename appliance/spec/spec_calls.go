package spec

import (
	"net/netip"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Session is RFC 4028 as the proxy keeps it.
type Session struct {
	Enabled bool          // a session block is there
	MinSE   time.Duration // default 90s, the least RFC 4028 section 5 allows; calls with less get 422
	Expires time.Duration // asked for on behalf of peers that ask for nothing, default 30m; MinSE to Transaction.CallLifetime
	Insert  bool          // whether it is, default true
	Range   hcl.Range

	MinSERange, ExpiresRange, InsertRange hcl.Range
}

// Messages is what may be changed in forwarded messages beyond what a proxy must.
type Messages struct {
	RemoveHeaders []string // canonical names, "X-*" for all with that beginning; never one of ProtectedHeaders
	Codecs        []string // encoding names kept in SDP; empty: all
	Compact       bool     // compact header names (RFC 3261 section 7.3.3)
	UDPLimit      int      // bytes of a request beyond which it goes over TCP (RFC 3261 section 18.1.1); 0: auto, from the MTU
	Fallback      bool     // to UDP when TCP is refused (same section), default true
	HideTopology  bool     // Via and Record-Route of the inner side are kept here
	Range         hcl.Range

	RemoveRanges, CodecRanges                             []hcl.Range // one per entry
	UDPLimitRange, FallbackRange, HideRange, CompactRange hcl.Range
}

// ScopedLimits are limits of a listener, of sources or of a carrier. Zero: none.
type ScopedLimits struct {
	Name            string
	Sources         []netip.Prefix // of a source or carrier
	PerAddress      bool           // of a source: for each address of the prefixes alone
	CPS             int            // new calls per second
	Burst           int            // default CPS
	ConcurrentCalls int
	MessageSize     int      // of a listener, bytes; 0: as the global one
	Refusal         *Refusal // nil: as of all limits
	Range           hcl.Range

	CPSRange, ConcurrentRange, SourcesRange, NameRange hcl.Range
	SourceRanges                                       []hcl.Range // one per entry
}

// TLS is what a listener over TLS or WSS shows and accepts.
type TLS struct {
	Certificate string // name of a Secret: PEM chain
	Key         string // name of a Secret
	ClientCA    string // name of a Secret; with it clients must show a certificate (mTLS)
	MinVersion  string // "1.2" (default), "1.3"; "1.0" and "1.1" are refused
	Range       hcl.Range

	CertificateRange, KeyRange, ClientCARange, MinVersionRange hcl.Range
}

// Connections bounds a listener over TCP, TLS, WS or WSS.
type Connections struct {
	Max       int           // at once, default 4096
	PerSource int           // of one address, at most Max; default 64
	Idle      time.Duration // without a message or keep-alive, default 2m
	Handshake time.Duration // TLS and WebSocket together, default 10s
	Range     hcl.Range

	MaxRange, PerSourceRange hcl.Range
}

// Persistence of calls in progress.
type Persistence struct {
	To       string        // "disk" (state partition), "database"
	Database string        // with "database"
	Mode     string        // "delayed" (default): batches off the path; "at-once": each change is on its way when it happens
	Interval time.Duration // of the batches, default 10s; 0 with "at-once"
	Range    hcl.Range

	DatabaseRange, ModeRange hcl.Range
}
