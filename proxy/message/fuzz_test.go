package message

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

func seeds(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "torture", "*.dat"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no torture messages: %v", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(crlf(invite))
	f.Add(crlf("SIP/2.0 200 OK\nVia: SIP/2.0/UDP a, SIP/2.0/UDP b\nf: <sip:a@b>;tag=1\nt: <sip:c@d>;tag=2\ni: x\nCSeq: 1 BYE\n\n"))
}

// No input panics; every survivor is rewritten into a message that parses and says
// what was asked for; and every reply to a request carries its identity.
func FuzzMessage(f *testing.F) {
	seeds(f)
	e := RequestEdits{
		URI: []byte("sip:10.0.0.11"), Via: []byte(testVia), RecordRoute: [2][]byte{[]byte(testRR1), []byte(testRR2)},
		MaxForwards: 42, SetMaxForwards: true, Received: netip.MustParseAddr("2001:db8::1"), RPort: 5099,
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > MaxSize/2 {
			return
		}
		var v, w View
		err := v.Parse(b)
		if v.Replyable() {
			r := AppendReply(nil, &v, ReplyParams{Status: 400, ToTag: []byte("tl"), Received: e.Received, RPort: e.RPort})
			if e2 := w.Parse(r); w.Status() != 400 || (err == nil && e2 != nil) {
				t.Fatalf("reply: %v\n%q", e2, r)
			}
			if err == nil && !bytes.Equal(w.Get(w.CallID), v.Get(v.CallID)) {
				t.Fatalf("reply has Call-ID %q", w.Get(w.CallID))
			}
		}
		if err != nil {
			return
		}
		if !v.IsRequest() {
			if v.SecondVia.Empty() {
				return
			}
			out := AppendResponse(nil, &v, &ResponseEdits{RemoveTopVia: true})
			// A third Via may be one that is only judged once it is on top.
			if e2 := w.Parse(out); e2 != nil && e2 != FaultVia {
				t.Fatalf("%v\n%q", e2, out)
			} else if !bytes.Equal(w.Get(w.Via.Value), v.Get(v.SecondVia)) {
				t.Fatalf("top Via %q, want %q", w.Get(w.Via.Value), v.Get(v.SecondVia))
			}
			return
		}
		e.RemoveRoutes = len(b) % (RemovableRoutes + 1)
		out := AppendRequest(nil, &v, &e)
		// Removing Route values brings up ones not looked at before.
		if e2 := w.Parse(out); e2 != nil && !(e2 == FaultRoute && v.RouteCount > RemovableRoutes) {
			t.Fatalf("%v\n%q", e2, out)
		}
		second, ok := w.ViaAt(w.SecondVia)
		if w.MaxForwards != 42 || !bytes.Equal(w.Get(w.URI), e.URI) || !ok || string(w.Get(second.Received)) != "2001:db8::1" ||
			!bytes.Equal(w.Get(w.Body), v.Get(v.Body)) {
			t.Fatalf("%q", out)
		}
		if second.HasRPort && string(w.Get(second.RPort)) != "5099" {
			t.Fatalf("rport %q", w.Get(second.RPort))
		}
		if v.RouteCount <= RemovableRoutes && w.RouteCount != max(0, v.RouteCount-e.RemoveRoutes) {
			t.Fatalf("%d of %d Route values left after removing %d\n%q", w.RouteCount, v.RouteCount, e.RemoveRoutes, out)
		}
		for _, local := range [][]byte{AppendCancel(nil, &v), AppendAckFor(nil, &v, &v)} {
			if e2 := w.Parse(local); e2 != nil {
				t.Fatalf("%v\n%q", e2, local)
			}
		}
	})
}

func FuzzURI(f *testing.F) {
	for _, s := range []string{"sip:a:b@[::1]:5060;lr;transport=udp?x=y", "tel:+1;ext=2", "sips:h", "urn:x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		u, err := ParseURI(b)
		if err != nil || u.Scheme == SchemeOther || u.Scheme == SchemeTEL {
			return
		}
		if len(u.Host) == 0 || bytes.ContainsAny(u.Host, "@;?[] ") || !bytes.Contains(b, u.Host) {
			t.Fatalf("%q: host %q", b, u.Host)
		}
	})
}

// plain reports whether a message keeps to what sipgo reads as RFC 3261 says: no
// line ends before it, no folding, quoting, brackets of IPv6, escapes or several values in a line, and no
// field twice in the fields compared.
func plain(b []byte) bool {
	head, _, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	if !ok || bytes.HasPrefix(head, []byte("\r")) || bytes.HasPrefix(head, []byte("\n")) || bytes.ContainsAny(head, "\"\\,[]%\t\x00") || bytes.Contains(head, []byte("\r\n ")) {
		return false
	}
	for _, c := range head {
		if c > 0x7e || (c < ' ' && c != '\r' && c != '\n') {
			return false
		}
	}
	seen := map[string]bool{}
	for _, line := range strings.Split(string(head), "\r\n")[1:] {
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.ContainsAny(name, "\r\n ") || strings.ContainsAny(line, "\r\n") || strings.Contains(value, "  ") || strings.HasSuffix(value, " ") {
			return false
		}
		if len(name) > 1 && !strings.EqualFold(name, "via") && seen[strings.ToLower(name)] {
			return false
		}
		seen[strings.ToLower(name)] = true
	}
	return true
}

// sipgo is the second opinion where both take a message that is plain.
func FuzzAgainstSipgo(f *testing.F) {
	seeds(f)
	f.Add(crlf("OPTIONS sip:x@h:5 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1:5070;rport;branch=z9hG4bK1\nFrom: <sip:a@b>;tag=1\nTo: <sip:c@d>;tag=2\nCall-ID: x\nCSeq: 7 OPTIONS\nMax-Forwards: 3\nContent-Length: 0\n\n"))
	parser := sip.NewParser()
	f.Fuzz(func(t *testing.T, b []byte) {
		var v View
		if !plain(b) || v.Parse(b) != nil {
			return
		}
		m, err := parser.ParseSIP(bytes.Clone(b))
		if err != nil {
			return
		}
		same := func(what, ours, theirs string) {
			if ours != theirs {
				t.Fatalf("%s: %q, sipgo %q in\n%s", what, ours, theirs, b)
			}
		}
		if h := m.CallID(); h != nil {
			same("Call-ID", string(v.Get(v.CallID)), h.Value())
		}
		if h := m.CSeq(); h != nil {
			if h.SeqNo != v.CSeq {
				t.Fatalf("CSeq %d, sipgo %d", v.CSeq, h.SeqNo)
			}
			same("CSeq method", string(v.Get(v.CSeqMethodText)), string(h.MethodName))
		}
		if r, ok := m.(*sip.Request); ok {
			same("method", string(v.Get(v.MethodText)), string(r.Method))
		} else if r, ok := m.(*sip.Response); ok && r.StatusCode != v.Status() {
			t.Fatalf("status %d, sipgo %d", v.Status(), r.StatusCode)
		}
		h := m.Via()
		// sipgo takes white space within a Via for part of its values.
		if h == nil || bytes.Count(v.Get(v.Via.Value), []byte(" ")) != 1 || !bytes.HasPrefix(v.Get(v.Via.Value), []byte("SIP/2.0/"+string(v.Get(v.Via.Transport))+" ")) {
			return
		}
		same("Via host", string(v.Get(v.Via.Host)), h.Host)
		if h.Port != 0 && uint16(h.Port) != v.Via.Port {
			t.Fatalf("Via port %d, sipgo %d", v.Via.Port, h.Port)
		}
		if branch, ok := h.Params.Get("branch"); ok && !v.Via.Branch.Empty() {
			same("branch", string(v.Get(v.Via.Branch)), branch)
		}
	})
}
