package message

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
)

// layout writes the values of one header field in one of the ways RFC 3261 7.3.1
// holds equal: on lines of their own, in a list, folded, with white space about,
// in compact form.
type layout struct{ r *rand.Rand }

func (l layout) space() string {
	return []string{"", "", " ", "\t", "  ", "\r\n ", " \r\n\t"}[l.r.IntN(7)]
}

// must is white space that may not be missing.
func (l layout) must() string {
	return []string{" ", "\t", "   ", "\r\n ", " \r\n\t"}[l.r.IntN(5)]
}

// lines writes values as header lines; between are other lines that may come between.
func (l layout) lines(names []string, values []string, between []string) string {
	var b strings.Builder
	for i := 0; i < len(values); {
		if len(between) > 0 && i > 0 && l.r.IntN(3) == 0 {
			b.WriteString(between[l.r.IntN(len(between))])
		}
		b.WriteString(names[l.r.IntN(len(names))] + strings.Repeat(" ", l.r.IntN(2)) + ":" + l.space() + values[i])
		for i++; i < len(values) && l.r.IntN(2) == 0; i++ {
			b.WriteString(l.space() + "," + l.space() + values[i])
		}
		b.WriteString(strings.Repeat(" ", l.r.IntN(2)) + "\r\n")
	}
	return b.String()
}

// isToken is the reference: token of RFC 3261 25.1.
func isToken(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~") == ""
}

// isHost is the reference: what may stand for a host name, or an address with brackets.
func isHost(s string) bool {
	if rest, ok := strings.CutPrefix(s, "["); ok {
		rest, ok = strings.CutSuffix(rest, "]")
		return ok && rest != "" && strings.Trim(rest, "0123456789abcdefABCDEF:.") == ""
	}
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") == ""
}

func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(s) {
		if c == '"' || c == '\\' {
			b.WriteByte('\\')
		}
		if c != '\r' && c != '\n' {
			b.WriteByte(c)
		}
	}
	return b.String() + `"`
}

// rest is the message around the field under test.
const rest = "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n"

// A Via made of parts is read as these parts, however it is laid out, whatever follows
// it; taking it away leaves the next one, and received and rport go where they belong.
func FuzzVia(f *testing.F) {
	f.Add("UDP", "192.0.2.1", uint16(5060), "z9hG4bK1", "note", "a,b;c=\"d", "tls", "[2001:db8::1]", uint64(1))
	f.Add("tcp", "h_1.example", uint16(0), "", "rport", "", "UDP", "b", uint64(2))
	f.Add("x", "a", uint16(65535), "z", "ttl", "16", "SCTP", "10.0.0.1", uint64(3))
	f.Fuzz(func(t *testing.T, transport, host string, port uint16, branch, name, value, transport2, host2 string, seed uint64) {
		if len(transport)+len(host)+len(branch)+len(name)+len(value)+len(transport2)+len(host2) > 2000 {
			return
		}
		r := rand.New(rand.NewPCG(seed, 1))
		l := layout{r}
		via := func(transport, host string, port uint16, params ...string) string {
			s := "SIP" + l.space() + "/" + l.space() + "2.0" + l.space() + "/" + l.space() + transport + l.must() + host
			if port != 0 {
				s += l.space() + ":" + l.space() + fmt.Sprint(port)
			}
			for _, p := range params {
				s += l.space() + ";" + l.space() + p
			}
			return s
		}
		var params []string
		if branch != "" {
			params = append(params, "branch"+l.space()+"="+l.space()+branch)
		}
		rport, received := r.IntN(3), r.IntN(3)
		switch rport {
		case 1:
			params = append(params, "rport")
		case 2:
			params = append(params, "RPort=7")
		}
		if received == 1 {
			params = append(params, "received=198.51.100.7")
		}
		switch {
		case value == "":
			params = append(params, name)
		default:
			params = append(params, name+l.space()+"="+l.space()+quote(value))
		}
		r.Shuffle(len(params), func(i, k int) { params[i], params[k] = params[k], params[i] })
		first, second := via(transport, host, port, params...), via(transport2, host2, 0, "branch=below")
		raw := "INVITE sip:c@d SIP/2.0\r\n" + l.lines([]string{"Via", "v", "VIA"}, []string{first, second}, []string{"Subject: Via: x\r\n", "X:\r\n y\r\n"}) + rest + "\r\n"

		reserved := strings.EqualFold(name, "branch") || strings.EqualFold(name, "received") || strings.EqualFold(name, "maddr") || strings.EqualFold(name, "rport")
		if reserved || strings.ContainsAny(transport+host+transport2+host2+name, " \t\r\n") || strings.ContainsAny(branch, ";,\" \t\r\n") || strings.ContainsAny(value, "\r\n") {
			return // one of these twice is refused; white space about a part is none of it; the other cannot be written so
		}
		good := isToken(transport) && isToken(transport2) && isHost(host) && isHost(host2) && isToken(name)
		var v View
		err := v.Parse([]byte(raw))
		if good != (err == nil) {
			t.Fatalf("%v, valid is %v\n%q", err, good, raw)
		}
		if !good {
			return
		}
		check := func(what, got, want string) {
			t.Helper()
			if got != want {
				t.Fatalf("%s %q, want %q in\n%q", what, got, want, raw)
			}
		}
		check("value", string(v.Get(v.Via.Value)), first)
		check("transport", string(v.Get(v.Via.Transport)), transport)
		check("host", string(v.Get(v.Via.Host)), strings.Trim(host, "[]"))
		check("branch", string(v.Get(v.Via.Branch)), branch)
		if v.Via.Port != port || v.Via.HasRPort != (rport > 0) || v.Via.Received.Empty() != (received != 1) {
			t.Fatalf("port %d, rport %v, received %q of\n%q", v.Via.Port, v.Via.HasRPort, v.Get(v.Via.Received), raw)
		}
		check("second", string(v.Get(v.SecondVia)), second)
		below, ok := v.ViaAt(v.SecondVia)
		if !ok {
			t.Fatalf("the second is not read: %q", second)
		}
		check("second host", string(v.Get(below.Host)), strings.Trim(host2, "[]"))

		// Forwarded, it is the second, with where it came from; all else is as it was.
		out := AppendRequest(nil, &v, &RequestEdits{Via: []byte(testVia), Received: netip.MustParseAddr("203.0.113.9"), RPort: 4242})
		var w View
		if err := w.Parse(out); err != nil {
			t.Fatalf("%v\n%q", err, out)
		}
		moved, ok := w.ViaAt(w.SecondVia)
		if !ok || string(w.Get(moved.Received)) != "203.0.113.9" || moved.HasRPort && string(w.Get(moved.RPort)) != "4242" || string(w.Get(moved.Branch)) != branch || moved.Port != port {
			t.Fatalf("forwarded as %q", out)
		}
		// And a reply to it comes back to what it was: the Via of ours away.
		back := AppendResponse(nil, reply(t, &w), &ResponseEdits{RemoveTopVia: true})
		if err := w.Parse(back); err != nil || string(w.Get(w.Via.Branch)) != branch || string(w.Get(w.SecondVia)) != second {
			t.Fatalf("a reply comes back as %q: %v", back, err)
		}
	})
}

// reply is a reply to a request, parsed.
func reply(t *testing.T, req *View) *View {
	var v View
	if err := v.Parse(AppendReply(nil, req, ReplyParams{Status: 200})); err != nil {
		t.Fatal(err)
	}
	return &v
}

// Route values made of parts are read as these, however they are laid out; taking the
// first n away leaves the others, each as it was.
func FuzzRoute(f *testing.F) {
	f.Add("sip:10.0.0.1;lr", "sip:b.example:5070;lr", "Doe, \"J\"", "x=1", uint8(3), uint8(1), uint64(1))
	f.Add("sip:a", "sip:a,b;c@h", "", "", uint8(2), uint8(2), uint64(2))
	f.Add("tel:+1", "sips:h?x=y>", "a", "lr", uint8(4), uint8(3), uint64(3))
	f.Fuzz(func(t *testing.T, uri1, uri2, display, param string, count, remove uint8, seed uint64) {
		if len(uri1)+len(uri2)+len(display)+len(param) > 1000 || strings.ContainsAny(display, "\r\n") {
			return
		}
		for _, uri := range []string{uri1, uri2} {
			if uri == "" || strings.ContainsAny(uri, "<>\r\n\t ") {
				return // cannot be written so
			}
		}
		if name, value, ok := strings.Cut(param, "="); param != "" && (!isToken(name) || ok && !isToken(value) || strings.EqualFold(name, "tag")) {
			return
		}
		r := rand.New(rand.NewPCG(seed, 2))
		l := layout{r}
		var values, uris []string
		for i := range int(count%4) + 1 {
			uri := []string{uri1, uri2}[r.IntN(2)]
			s := "<" + l.space() + uri + l.space() + ">"
			if display != "" && r.IntN(2) == 0 {
				s = quote(display) + l.space() + s
			}
			if param != "" && r.IntN(2) == 0 {
				s += l.space() + ";" + l.space() + param + fmt.Sprint(i)
			}
			values, uris = append(values, s), append(uris, uri)
		}
		raw := "INVITE sip:c@d SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n" + l.lines([]string{"Route", "ROUTE", "route"}, values, []string{"Subject: Route\r\n", "Record-Route: <sip:r;lr>\r\n"}) + rest + "\r\n"
		var v View
		if err := v.Parse([]byte(raw)); err != nil {
			t.Fatalf("%v\n%q", err, raw)
		}
		same := func(v *View, values, uris []string) {
			t.Helper()
			if v.RouteCount != len(values) {
				t.Fatalf("%d values, want %d in\n%q", v.RouteCount, len(values), v.Bytes())
			}
			for i := range values {
				value, uri := v.Route(i)
				if string(v.Get(value)) != values[i] || string(v.Get(uri)) != uris[i] {
					t.Fatalf("value %d is %q of %q, want %q of %q in\n%q", i, v.Get(uri), v.Get(value), uris[i], values[i], v.Bytes())
				}
			}
		}
		same(&v, values, uris)
		n := min(int(remove)%(RemovableRoutes+1), len(values))
		out := AppendRequest(nil, &v, &RequestEdits{RemoveRoutes: n})
		var w View
		if err := w.Parse(out); err != nil {
			t.Fatalf("%v\n%q", err, out)
		}
		same(&w, values[n:], uris[n:])
		// Nothing but Route lines has changed.
		if a, b := others(raw), others(string(out)); a != b {
			t.Fatalf("other lines were\n%q\nand are\n%q", a, b)
		}
	})
}

// others is a message without its Route lines.
func others(raw string) string {
	var b strings.Builder
	l := LinesOf([]byte(raw))
	for {
		h, ok := l.Next()
		if !ok {
			return b.String()
		}
		if name := raw[h.Start:h.NameEnd]; !strings.EqualFold(name, "route") {
			b.WriteString(raw[h.Start:h.End])
		}
	}
}

// A URI put together from parts is read as these parts.
func FuzzURIParts(f *testing.F) {
	f.Add("alice", "secret", "h.example", uint16(5070), "lr;transport=tcp", "a=b", uint64(0))
	f.Add("", "", "[2001:db8::1]", uint16(0), "Transport=UDP;maddr=239.0.0.1;LR=on", "", uint64(3))
	f.Add("+49-30;x=1", "", "10.0.0.1", uint16(1), "", "?", uint64(1))
	f.Fuzz(func(t *testing.T, user, password, host string, port uint16, params, headers string, seed uint64) {
		if strings.ContainsAny(user, "@:") || strings.Contains(password, "@") || strings.ContainsAny(params, "?@") || strings.Contains(headers, "@") ||
			user == "" && password != "" || !isHost(host) {
			return
		}
		raw := []string{"sip:", "SIPS:", "Sip:"}[seed%3]
		if user != "" {
			raw += user
			if password != "" {
				raw += ":" + password
			}
			raw += "@"
		}
		raw += host
		if port != 0 {
			raw += ":" + fmt.Sprint(port)
		}
		if params != "" {
			raw += ";" + params
		}
		if headers != "" {
			raw += "?" + headers
		}
		u, err := ParseURI([]byte(raw))
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		if string(u.User) != user || string(u.Host) != strings.Trim(host, "[]") || u.Port != port || string(u.Params) != params || string(u.Headers) != headers {
			t.Fatalf("%q is read as %+v", raw, u)
		}
		lr, transport, maddr := false, "", ""
		for _, p := range strings.Split(params, ";") {
			switch name, value, _ := strings.Cut(p, "="); {
			case strings.EqualFold(name, "lr") && isToken(name):
				lr = true
			case transport == "" && strings.EqualFold(name, "transport") && isToken(name):
				transport = value
			case maddr == "" && strings.EqualFold(name, "maddr") && isToken(name):
				maddr = value
			}
		}
		if u.LR != lr || transport != "" && !bytes.Equal(u.Transport, []byte(transport)) || maddr != "" && !bytes.Equal(u.MAddr, []byte(maddr)) {
			t.Fatalf("%q: lr %v, transport %q, maddr %q; want %v, %q, %q", raw, u.LR, u.Transport, u.MAddr, lr, transport, maddr)
		}
	})
}
