package scenarios

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// face is a listener of the proxy as it shows in what it writes.
type face struct {
	addr      netip.AddrPort
	transport string
}

// recordRoute is the line that brings later requests to the listener; for browsers it says
// over which connection they are reached (RFC 7118 5, RFC 5626 5.3).
func (f face) recordRoute() string {
	user, parameter := "", ""
	if f.transport != "udp" {
		parameter = ";transport=" + spoken(f.transport)
	}
	if strings.HasPrefix(f.transport, "ws") {
		user = token + "@"
	}
	return "Record-Route: <sip:" + user + regexp.QuoteMeta(f.addr.String()) + parameter + ";lr>\r\n"
}

// token is a regular expression for a name that the proxy gives to a connection.
const token = "tlflow-[0-9a-f]{32}"

// via is the Via of what leaves by the listener. Where the message came over a connection,
// a token says by which.
func (f face) via(in face) *regexp.Regexp {
	flow := ""
	if in.transport != "udp" {
		flow = ";tlflow=" + token
	}
	return regexp.MustCompile(`^Via: SIP/2\.0/` + strings.ToUpper(f.transport) + " " + regexp.QuoteMeta(f.addr.String()) + `;branch=z9hG4bKtl[0-9a-z]+` + flow + `\r\n$`)
}

// own reports whether a Route value leads to the listener.
func (f face) own(route string) bool {
	return regexp.MustCompile("^sip:(" + token + "@)?" + regexp.QuoteMeta(f.addr.String())).MatchString(uriOf(route))
}

// marked is a message with what its receiver notes in the top Via: received where the
// host is another than the source or rport was asked for, and rport (RFC 3261 18.2.1,
// RFC 3581 4).
func marked(msg string, src netip.AddrPort) string {
	top := true
	return edit(msg, func(name, line string) string {
		if name != "via" || !top {
			return line
		}
		top = false
		value, rest, several := strings.Cut(line, ",")
		if !several {
			value, rest = strings.TrimSuffix(line, "\r\n"), "\r\n"
		} else {
			rest = "," + rest
		}
		asked := regexp.MustCompile(`;\s*rport(;|$)`).MatchString(value)
		if asked {
			value = regexp.MustCompile(`;\s*rport(;|$)`).ReplaceAllString(value, fmt.Sprintf(";rport=%d$1", src.Port()))
		}
		sentBy := strings.Fields(value)[2]
		sentBy, _, _ = strings.Cut(sentBy, ";")
		host, err := netip.ParseAddrPort(sentBy)
		plain := host.Addr()
		if err != nil {
			plain, _ = netip.ParseAddr(strings.Trim(sentBy, "[]"))
		}
		if asked || plain != src.Addr() {
			value += ";received=" + src.Addr().String()
		}
		return value + rest
	})
}

// asForwarded is what a request must look like behind the proxy, but for the Via, the
// Record-Route and the lower Max-Forwards, which unforward takes out of what came.
func asForwarded(sent string, src netip.AddrPort, in, out face) string {
	msg := marked(sent, src)
	strip := 0
	return edit(msg, func(name, line string) string {
		if name != "route" {
			return line
		}
		head, v, _ := strings.Cut(line, ":")
		list := strings.Split(strings.TrimSpace(v), ",")
		n := 0
		for n < len(list) && strip < 2 && (in.own(list[n]) || out.own(list[n])) {
			n++
			strip++
		}
		switch {
		case n == 0:
			strip = 2 // only those on top
			return line
		case n == len(list):
			return ""
		}
		return head + ": " + strings.TrimSpace(strings.Join(list[n:], ",")) + "\r\n"
	})
}

// unforward takes out of a forwarded request what the proxy had to put in (RFC 3261
// 16.6): its Via, Record-Route where the request begins a dialog, Max-Forwards.
func unforward(got, sent string, in, out face) (string, error) {
	lines := all(got, "via")
	first, _, _ := strings.Cut(lines, "\r\n")
	if !out.via(in).MatchString(first + "\r\n") {
		return "", fmt.Errorf("the top Via is %q, not one of the listener %s over %s", first, out.addr, out.transport)
	}
	got = without(got, "via", 1)
	m := method(sent)
	if formsDialog(m) && tagOf(header(sent, "to")) == "" {
		want := out.recordRoute() + in.recordRoute()
		if rr := all(got, "record-route"); !regexp.MustCompile("^" + want).MatchString(rr) {
			return "", fmt.Errorf("the Record-Route is\n%swant on top\n%s", rr, want)
		}
		got = without(got, "record-route", 2)
	}
	was, is := header(sent, "max-forwards"), header(got, "max-forwards")
	switch {
	case was == "" && is == "70":
		return without(got, "max-forwards", 1), nil
	case was == "" || fmt.Sprint(number(was)-1) != is:
		return "", fmt.Errorf("Max-Forwards is %q after %q", is, was)
	}
	return edit(got, func(name, line string) string {
		if name == "max-forwards" {
			return all(sent, "max-forwards")
		}
		return line
	}), nil
}

func number(s string) int {
	n := 0
	_, _ = fmt.Sscanf(s, "%d", &n)
	return n
}

// asRelayed is what a reply must look like behind the proxy: without its Via, the first
// value of all (RFC 3261 16.7).
func asRelayed(sent string) string {
	done := false
	return edit(sent, func(name, line string) string {
		if name != "via" || done {
			return line
		}
		done = true
		head, _, _ := strings.Cut(line, ":")
		if _, rest, several := strings.Cut(line, ","); several {
			return head + ": " + strings.TrimLeft(rest, " ")
		}
		return ""
	})
}

var localTag = regexp.MustCompile(`;tag=tl[0-9a-z]+(\r\n|$)`)

// localReply is a reply that the proxy makes itself (RFC 3261 8.2.6), but for the tag in
// To, which unlocal takes out of what came.
func localReply(req string, src netip.AddrPort, code int, extra string) string {
	r := marked(req, src)
	stamp := ""
	if code == 100 {
		stamp = all(req, "timestamp")
	}
	return fmt.Sprintf("SIP/2.0 %d %s\r\n", code, phrase(code)) + all(r, "via", "from", "to", "call-id", "cseq") + stamp + extra + "Content-Length: 0\r\n\r\n"
}

func unlocal(got, req string, code int) (string, error) {
	if code == 100 || tagOf(header(req, "to")) != "" {
		return got, nil
	}
	missing := true
	got = edit(got, func(name, line string) string {
		if name == "to" && localTag.MatchString(line) {
			missing = false
			return localTag.ReplaceAllString(line, "\r\n")
		}
		return line
	})
	if missing {
		return "", fmt.Errorf("no tag of the proxy in To:\n%s", got)
	}
	return got, nil
}
