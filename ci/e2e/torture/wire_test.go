package torture

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// read returns a message of the RFC.
func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../../proxy/message/testdata/torture", name+".dat"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// line is one header line, folded lines included.
type line struct {
	start, end int    // in the message, with the CRLF
	name       string // long form, in lower case
	value      string // without white space around it
}

var compact = map[string]string{"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length"}

// lines splits the header of a message, the start line left out.
func lines(msg []byte) []line {
	var out []line
	pos := bytes.Index(msg, []byte("\r\n"))
	if pos < 0 {
		return nil
	}
	for pos += 2; ; {
		start := pos
		for {
			n := bytes.Index(msg[pos:], []byte("\r\n"))
			if n < 0 {
				return out
			}
			pos += n + 2
			if pos == len(msg) || (msg[pos] != ' ' && msg[pos] != '\t') {
				break
			}
		}
		if pos == start+2 {
			return out
		}
		name, value, _ := strings.Cut(string(msg[start:pos]), ":")
		name = strings.ToLower(strings.TrimSpace(name))
		if long, ok := compact[name]; ok {
			name = long
		}
		out = append(out, line{start, pos, name, strings.TrimSpace(value)})
	}
}

// header is the first line of a name; ok is false when there is none.
func header(msg []byte, name string) (line, bool) {
	for _, l := range lines(msg) {
		if l.name == name {
			return l, true
		}
	}
	return line{}, false
}

// all is the text of all lines of these names, in the order of the names.
func all(msg []byte, names ...string) string {
	var b strings.Builder
	for _, name := range names {
		for _, l := range lines(msg) {
			if l.name == name {
				b.Write(msg[l.start:l.end])
			}
		}
	}
	return b.String()
}

// cut is a message without one of its lines.
func cut(msg []byte, l line) []byte {
	return append(append([]byte{}, msg[:l.start]...), msg[l.end:]...)
}

// status is the code of a reply, 0 for a request.
func status(msg []byte) int {
	rest, ok := bytes.CutPrefix(msg, []byte("SIP/2.0 "))
	if !ok || len(rest) < 3 {
		return 0
	}
	n, _ := strconv.Atoi(string(rest[:3]))
	return n
}

// method is that of a request, or of the request a reply answers.
func method(msg []byte) string {
	if status(msg) == 0 {
		m, _, _ := strings.Cut(string(msg), " ")
		return m
	}
	l, _ := header(msg, "cseq")
	f := strings.Fields(l.value)
	if len(f) == 0 {
		return ""
	}
	return f[len(f)-1]
}

// answer is a reply to a received request, without a body.
func answer(req []byte, code int, phrase string) []byte {
	return fmt.Appendf(nil, "SIP/2.0 %d %s\r\n%sContent-Length: 0\r\n\r\n", code, phrase,
		all(req, "via", "from", "to", "call-id", "cseq"))
}

// finalFor is how the callee answers a request: no call comes about.
func finalFor(req []byte) []byte {
	if method(req) == "INVITE" {
		return answer(req, 486, "Busy Here")
	}
	return answer(req, 200, "OK")
}

// ack is the ACK for a final reply other than 2xx, by the sender of the request
// (RFC 3261 17.1.1.3).
func ack(uri string, reply []byte) []byte {
	via, _ := header(reply, "via")
	cseq, _ := header(reply, "cseq")
	return fmt.Appendf(nil, "ACK %s SIP/2.0\r\n%s%sCSeq: %s\r\nContent-Length: 0\r\n\r\n", uri,
		strings.Replace(string(reply[via.start:via.end]), ";received="+callerIP, "", 1),
		all(reply, "from", "to", "call-id"), strings.Replace(cseq.value, "INVITE", "ACK", 1))
}

// requestURI is what stands between the first space of a request and its version.
func requestURI(req []byte) string {
	first, _, _ := strings.Cut(string(req), "\r\n")
	_, uri, _ := strings.Cut(first, " ")
	return strings.TrimSuffix(uri, " SIP/2.0")
}

var ourVia = regexp.MustCompile(`^Via: SIP/2\.0/UDP ` + regexp.QuoteMeta(core) + `;branch=z9hG4bKtl[0-9a-z]+\r\n$`)

// Record-Route lines of a request that came in by one listener and left by the other.
var recordRoutes = []string{
	"Record-Route: <sip:" + core + ";lr>\r\n",
	"Record-Route: <sip:" + carrier + ";lr>\r\n",
}

// undo takes out of a forwarded request what the proxy had to put in: its Via, the
// source of the Via below, Max-Forwards, Record-Route. sent is the request as it was
// sent. What is left must be the same bytes.
func undo(t *testing.T, got, sent []byte) []byte {
	t.Helper()
	via, ok := header(got, "via")
	if !ok || !ourVia.Match(got[via.start:via.end]) {
		t.Fatalf("the top Via is not that of the listener %s\n%s", core, got)
	}
	out := cut(got, via)
	if m := method(got); (m == "INVITE" || m == "SUBSCRIBE" || m == "REFER") && !inDialog(sent) {
		for _, want := range recordRoutes {
			rr, ok := header(out, "record-route")
			if !ok || string(out[rr.start:rr.end]) != want {
				t.Fatalf("the topmost Record-Route is not %q\n%s", want, got)
			}
			out = cut(out, rr)
		}
	}
	received := ";received=" + callerIP
	if strings.Count(string(out), received) != 1 {
		t.Fatalf("the sender's Via has no %s, or it is given twice\n%s", received, got)
	}
	out = []byte(strings.Replace(string(out), received, "", 1))
	if bytes.Contains(sent, []byte(";rport\r\n")) {
		out = []byte(strings.Replace(string(out), ";rport="+sipPort+"\r\n", ";rport\r\n", 1))
	}
	mf, ok := header(out, "max-forwards")
	was, had := header(sent, "max-forwards")
	switch {
	case !ok:
		t.Fatalf("no Max-Forwards\n%s", got)
	case !had && string(out[mf.start:mf.end]) != "Max-Forwards: 70\r\n":
		t.Fatalf("Max-Forwards %q instead of 70", mf.value)
	case !had:
		out = cut(out, mf)
	default:
		n, err := strconv.Atoi(was.value)
		if err != nil || mf.value != strconv.Itoa(n-1) {
			t.Fatalf("Max-Forwards %q after %q", mf.value, was.value)
		}
		restored := append(append([]byte{}, out[:mf.start]...), sent[was.start:was.end]...)
		out = append(restored, out[mf.end:]...)
	}
	return out
}

var toTag = regexp.MustCompile(`;\s*tag\s*=`)

// inDialog reports whether a request has a To tag.
func inDialog(req []byte) bool {
	l, ok := header(req, "to")
	return ok && toTag.MatchString(l.value)
}

// datagramBody cuts off the octets behind the body (RFC 3261 18.3).
func datagramBody(msg []byte) []byte {
	l, ok := header(msg, "content-length")
	end := bytes.Index(msg, []byte("\r\n\r\n"))
	if !ok || end < 0 {
		return msg
	}
	n, err := strconv.Atoi(l.value)
	if err != nil || n < 0 || end+4+n > len(msg) {
		return msg
	}
	return msg[:end+4+n]
}
