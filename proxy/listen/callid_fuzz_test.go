package listen

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/emiago/sipgo/sip"
)

// callIDLine is the first Call-ID line with a value, its name in either form.
var callIDLine = regexp.MustCompile(`(?i)^(?:i|call-id)[ \t]*:(.*)$`)

// slowCallID is CallID as one would write it without thought of time.
func slowCallID(pkt []byte) []byte {
	lines := bytes.SplitAfter(pkt, []byte("\n"))
	for _, line := range lines[1:] {
		if !bytes.HasSuffix(line, []byte("\n")) && len(line) < 2 || bytes.HasPrefix(line, []byte("\r")) || bytes.HasPrefix(line, []byte("\n")) {
			return nil
		}
		if m := callIDLine.FindSubmatch(bytes.ReplaceAll(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"), []byte(" "))); m != nil {
			if v := bytes.TrimSpace(m[1]); len(v) > 0 {
				return v
			}
			return nil
		}
	}
	return nil
}

// The key found is the value of the first Call-ID line, as a simple reader finds it
// and as sipgo does in a message it takes.
func FuzzCallID(f *testing.F) {
	const message = "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n%From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
	for _, line := range []string{"Call-ID: x@y\r\n", "i:x\r\n", "CALL-id \t:  x  \r\n", "Call-ID:\r\n", "Call-Info: y\r\nI: z\n", "Call-IDx: n\r\nCall-ID: q\r\n", "Call-ID:\r\n folded\r\n", ""} {
		f.Add(bytes.ReplaceAll([]byte(message), []byte("%"), []byte(line)))
	}
	f.Add([]byte("SIP/2.0 200 OK\ni:"))
	f.Add([]byte("\n\ni: body"))
	parser := sip.NewParser()
	f.Fuzz(func(t *testing.T, pkt []byte) {
		in := bytes.Clone(pkt)
		got := CallID(pkt)
		if !bytes.Equal(in, pkt) {
			t.Fatal("the packet was changed")
		}
		for _, c := range pkt {
			// Line ends that are none, and what the simple reader takes for white space.
			if c >= 0x80 || c < ' ' && c != '\r' && c != '\n' && c != '\t' {
				return
			}
		}
		if bytes.Contains(bytes.ReplaceAll(pkt, []byte("\r\n"), nil), []byte("\r")) {
			return
		}
		if want := slowCallID(pkt); !bytes.Equal(got, want) {
			t.Fatalf("%q, want %q in %q", got, want, pkt)
		}
		if bytes.Count(pkt, []byte("\n")) != bytes.Count(pkt, []byte("\r\n")) || bytes.Contains(pkt, []byte("\n ")) || bytes.Contains(pkt, []byte("\n\t")) || bytes.HasPrefix(pkt, []byte("\r")) || bytes.HasPrefix(pkt, []byte("\n")) {
			return // sipgo takes CRLF alone for a line end; folding and line ends before the message are for a parser
		}
		if m, err := parser.ParseSIP(bytes.Clone(pkt)); err == nil && m.CallID() != nil && len(m.GetHeaders("Call-ID")) == 1 {
			if theirs := bytes.TrimSpace([]byte(m.CallID().Value())); len(theirs) > 0 && !bytes.Equal(got, theirs) {
				t.Fatalf("%q, sipgo %q in %q", got, theirs, pkt)
			}
		}
	})
}
