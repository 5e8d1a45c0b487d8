package spec

import (
	"maps"
	"net/textproto"
	"slices"
	"strings"
)

// removableHeaders may be taken out of any message: they inform people or log
// files, and no procedure of RFC 3261 reads them from a call (sections 20.5,
// 20.17, 20.35, 20.38, 20.41).
var removableHeaders = []string{"Allow", "Date", "Server", "Timestamp", "User-Agent"}

// ProtectedHeaders lists the header fields that messages.remove_headers refuses,
// by name.
func ProtectedHeaders() []string { return slices.Sorted(maps.Keys(protectedHeaders)) }

// protectedHeaders says of each what breaks without it.
var protectedHeaders = map[string]string{
	"Via":          "replies find their way back by it (RFC 3261 section 18.2.2)",
	"From":         "it identifies the call (RFC 3261 section 12)",
	"To":           "it identifies the call (RFC 3261 section 12)",
	"Call-ID":      "it identifies the call (RFC 3261 section 8.1.1.4)",
	"CSeq":         "it puts requests in order and replies to their request (RFC 3261 section 8.1.1.5)",
	"Max-Forwards": "it ends circles (RFC 3261 section 16.6)",
	"Contact":      "requests within the call go to it (RFC 3261 section 12.2.1.1)",
	"Route":        "requests within the call follow it (RFC 3261 section 16.12)",
	"Record-Route": "requests within the call come back through it (RFC 3261 section 16.7)",
	"Path":         "requests to a registered phone follow it (RFC 3327)",

	"Service-Route": "requests of a registered phone follow it (RFC 3608)",

	"Content-Type":        "without it nobody can read the body (RFC 3261 section 20.15)",
	"Content-Length":      "without it the end of the message is lost on a connection (RFC 3261 section 18.3)",
	"Content-Encoding":    "without it nobody can read the body (RFC 3261 section 20.12)",
	"Content-Disposition": "it says what the body is for (RFC 3261 section 20.11)",
	"Content-Language":    "it belongs to the body (RFC 3261 section 20.13)",
	"Content-ID":          "other headers refer to the body by it (RFC 8262)",
	"MIME-Version":        "it belongs to the body (RFC 3261 section 20.24)",

	"Supported":     "what one side supports the other may require (RFC 3261 section 8.1.1.9)",
	"Require":       "the other side must know what is required of it (RFC 3261 section 8.1.1.9)",
	"Proxy-Require": "proxies must know what is required of them (RFC 3261 section 16.3)",
	"Unsupported":   "it says why a request was refused (RFC 3261 section 8.2.2.3)",
	"Allow-Events":  "subscriptions depend on it (RFC 6665 section 8.2.2)",

	"Session-Expires": "session timers depend on it, and calls that lose it never end by themselves (RFC 4028)",
	"Min-SE":          "session timers are agreed by it (RFC 4028 section 5)",
	"Expires":         "it bounds registrations, subscriptions and invitations (RFC 3261 section 20.19)",
	"Min-Expires":     "registrations are agreed by it (RFC 3261 section 20.23)",

	"RSeq":     "reliable provisional replies are acknowledged by it (RFC 3262)",
	"RAck":     "reliable provisional replies are acknowledged by it (RFC 3262)",
	"Event":    "it says what a subscription is to (RFC 6665)",
	"Replaces": "it says which call is taken over (RFC 3891)",
	"Join":     "it says which call is joined (RFC 3911)",
	"Refer-To": "it says where a call is transferred (RFC 3515)",

	"Referred-By":              "it says who transfers a call (RFC 3892)",
	"Target-Dialog":            "it says which call a request belongs to (RFC 4538)",
	"Subscription-State":       "it says whether a subscription goes on (RFC 6665)",
	"Authorization":            "the other side would ask for it again, without end (RFC 3261 section 22)",
	"Proxy-Authorization":      "the other side would ask for it again, without end (RFC 3261 section 22)",
	"WWW-Authenticate":         "the caller could not answer the challenge (RFC 3261 section 22)",
	"Proxy-Authenticate":       "the caller could not answer the challenge (RFC 3261 section 22)",
	"Authentication-Info":      "it closes the authentication (RFC 3261 section 20.6)",
	"Retry-After":              "those who are refused must know when to come back (RFC 3261 section 20.33)",
	"Privacy":                  "without it the caller's wish to stay unknown is lost (RFC 3323)",
	"Identity":                 "it is the signature of the caller's number (RFC 8224)",
	"P-Asserted-Identity":      "calls are billed and traced by it within a trusted network (RFC 3325)",
	"P-Preferred-Identity":     "the identity of the caller is chosen by it (RFC 3325)",
	"Geolocation":              "emergency calls are routed by it (RFC 6442)",
	"Recv-Info":                "INFO packages are agreed by it (RFC 6086)",
	"Info-Package":             "it says what an INFO is about (RFC 6086)",
	"Feature-Caps":             "functions of the network are agreed by it (RFC 6809)",
	"Resource-Priority":        "calls in an emergency go first by it (RFC 4412)",
	"P-Charging-Vector":        "calls are billed by it (RFC 7315)",
	"Accept-Resource-Priority": "calls in an emergency go first by it (RFC 4412)",
}

// compactForms are the names of one letter (RFC 3261 section 7.3.3 and the IANA
// registry of SIP header fields).
var compactForms = map[string]string{
	"a": "Accept-Contact", "b": "Referred-By", "c": "Content-Type", "d": "Request-Disposition",
	"e": "Content-Encoding", "f": "From", "i": "Call-ID", "j": "Reject-Contact", "k": "Supported",
	"l": "Content-Length", "m": "Contact", "n": "Identity-Info", "o": "Event", "r": "Refer-To",
	"s": "Subject", "t": "To", "u": "Allow-Events", "v": "Via", "x": "Session-Expires", "y": "Identity",
}

// headerNames are the names above by their lower-case form.
var headerNames = func() map[string]string {
	names := map[string]string{}
	for _, n := range slices.Concat(removableHeaders, ProtectedHeaders(), slices.Collect(maps.Values(compactForms))) {
		names[strings.ToLower(n)] = n
	}
	return names
}()

// canonicalHeader gives a name as it is usually written. Names compare without
// regard to case (RFC 3261 section 7.3.1). full is the name a compact form stands
// for, empty for any other.
func canonicalHeader(name string) (canonical, full string) {
	lower := strings.ToLower(name)
	if full = compactForms[lower]; full != "" {
		return full, full
	}
	if known := headerNames[lower]; known != "" {
		return known, ""
	}
	return textproto.CanonicalMIMEHeaderKey(name), ""
}

// covers reports whether removing wide removes narrow as well.
func covers(wide, narrow string) bool {
	if beginning, isWild := strings.CutSuffix(wide, "*"); isWild {
		return strings.HasPrefix(narrow, beginning)
	}
	return wide == narrow
}
