package scenarios

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Messages are texts here: header lines end in CRLF, and lines are compared as they are.

// headerLines are the lines between start line and body, folded lines joined to theirs,
// each with its CRLF.
func headerLines(msg string) []string {
	head, _, ok := strings.Cut(msg, "\r\n\r\n")
	if !ok {
		return nil
	}
	var out []string
	for i, l := range strings.SplitAfter(head+"\r\n", "\r\n") {
		switch {
		case i == 0 || l == "":
		case (l[0] == ' ' || l[0] == '\t') && len(out) > 0:
			out[len(out)-1] += l
		default:
			out = append(out, l)
		}
	}
	return out
}

var long = map[string]string{"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length", "c": "content-type", "k": "supported", "s": "subject", "e": "content-encoding", "o": "event", "r": "refer-to"}

// nameOf is the long name of a header line in lower case.
func nameOf(line string) string {
	name, _, _ := strings.Cut(line, ":")
	name = strings.ToLower(strings.TrimSpace(name))
	if l, ok := long[name]; ok {
		return l
	}
	return name
}

// header is the value of the first line of a name, "" when there is none.
func header(msg, name string) string {
	for _, l := range headerLines(msg) {
		if nameOf(l) == name {
			_, v, _ := strings.Cut(l, ":")
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// all is the text of all lines of these names, name by name.
func all(msg string, names ...string) string {
	var b strings.Builder
	for _, n := range names {
		for _, l := range headerLines(msg) {
			if nameOf(l) == n {
				b.WriteString(l)
			}
		}
	}
	return b.String()
}

// values are the values of a header that lists several, over all its lines.
func values(msg, name string) []string {
	var out []string
	for _, l := range headerLines(msg) {
		if nameOf(l) == name {
			_, v, _ := strings.Cut(l, ":")
			for _, one := range strings.Split(v, ",") { // no value of ours has a comma
				out = append(out, strings.TrimSpace(one))
			}
		}
	}
	return out
}

// edit calls f with each header line; the line becomes what f returns.
func edit(msg string, f func(name, line string) string) string {
	head, body, ok := strings.Cut(msg, "\r\n\r\n")
	if !ok {
		return msg
	}
	start, _, _ := strings.Cut(head, "\r\n")
	var b strings.Builder
	b.WriteString(start + "\r\n")
	for _, l := range headerLines(msg) {
		b.WriteString(f(nameOf(l), l))
	}
	return b.String() + "\r\n" + body
}

// without is the message without the first n lines of a name, all of them when n < 0.
func without(msg, name string, n int) string {
	return edit(msg, func(is, line string) string {
		if is == name && n != 0 {
			n--
			return ""
		}
		return line
	})
}

// status is the code of a reply, 0 for a request.
func status(msg string) int {
	rest, ok := strings.CutPrefix(msg, "SIP/2.0 ")
	if !ok || len(rest) < 3 {
		return 0
	}
	n, _ := strconv.Atoi(rest[:3])
	return n
}

// method is that of a request, or of the request a reply answers.
func method(msg string) string {
	if status(msg) == 0 {
		m, _, _ := strings.Cut(msg, " ")
		return m
	}
	f := strings.Fields(header(msg, "cseq"))
	if len(f) == 0 {
		return ""
	}
	return f[len(f)-1]
}

// label names a message as scripts do: "INVITE", "180 INVITE", "CRLF".
func label(msg string) string {
	switch code := status(msg); {
	case strings.Trim(msg, "\r\n") == "":
		return "CRLF"
	case code != 0:
		return fmt.Sprintf("%d %s", code, method(msg))
	default:
		return method(msg)
	}
}

// requestURI is what stands between method and version.
func requestURI(req string) string {
	first, _, _ := strings.Cut(req, "\r\n")
	f := strings.Fields(first)
	if len(f) < 2 {
		return ""
	}
	return f[1]
}

func cseqOf(msg string) int {
	f := strings.Fields(header(msg, "cseq"))
	if len(f) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(f[0])
	return n
}

var tagParam = regexp.MustCompile(`;\s*tag=([^;\s]+)`)

// tagOf is the tag in a From or To value.
func tagOf(value string) string {
	m := tagParam.FindStringSubmatch(value)
	if m == nil {
		return ""
	}
	return m[1]
}

// uriOf is the URI of a name-addr.
func uriOf(value string) string {
	_, rest, ok := strings.Cut(value, "<")
	if !ok {
		return value
	}
	uri, _, _ := strings.Cut(rest, ">")
	return uri
}

// phrases are those of RFC 3261 section 21 that the proxy uses itself.
var phrases = map[int]string{
	100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress",
	200: "OK", 202: "Accepted", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 408: "Request Timeout",
	416: "Unsupported URI Scheme", 420: "Bad Extension", 422: "Session Interval Too Small", 430: "Flow Failed", 481: "Call/Transaction Does Not Exist", 482: "Loop Detected",
	483: "Too Many Hops", 486: "Busy Here", 487: "Request Terminated", 491: "Request Pending", 502: "Bad Gateway", 503: "Service Unavailable",
	505: "Version Not Supported", 513: "Message Too Large", 603: "Decline",
}

func phrase(code int) string {
	if p, ok := phrases[code]; ok {
		return p
	}
	return "Whatever"
}
