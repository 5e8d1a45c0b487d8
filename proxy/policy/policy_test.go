package policy

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trunkline/appliance/runtime"
	"trunkline/appliance/spec"
	"trunkline/proxy/message"
)

var update = flag.Bool("update", false, "write the golden files")

func compile(t testing.TB, m runtime.Messages) *Policy {
	t.Helper()
	p, err := Compile(&m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const sdpLong = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 18 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\na=rtpmap:101 telephone-event/8000\r\n"
const sdpShort = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n"

// msg writes a message: start line, method of its CSeq, header lines, body.
func msg(start, method, headers, body string) string {
	return start + "\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@example.net>;tag=1\r\nTo: <sip:b@example.net>\r\nCall-ID: 1@192.0.2.1\r\nCSeq: 1 " + method + "\r\n" +
		headers + "Content-Length: " + fmt.Sprint(len(body)) + "\r\n\r\n" + body
}

func TestApply(t *testing.T) {
	diet := runtime.Messages{RemoveHeaders: []string{"User-Agent", "Server", "Allow", "Subject", "X-*"}}
	prune := runtime.Messages{Codecs: []string{"PCMA", "telephone-event"}}
	const request, reply = "INVITE sip:b@example.net SIP/2.0", "SIP/2.0 200 OK"
	const typed = "Content-Type: application/sdp\r\n"
	tests := []struct {
		name     string
		m        runtime.Messages
		in, want string // want "": as it was
		res      Result
	}{
		{"nothing there to remove", diet, msg(request, "INVITE", "Supported: timer\r\nXavier: 1\r\n", sdpLong), "", Result{}},
		{"names in any case, first and last", diet,
			strings.Replace(msg(request, "INVITE", "USER-AGENT: x\r\nsupported: timer\r\nx-Own : 1\r\nAllow: INVITE\r\nAllow: BYE\r\n", ""), "\r\nVia", "\r\nServer: x\r\nVia", 1),
			msg(request, "INVITE", "supported: timer\r\n", ""), Result{Headers: 5}},
		{"folded", diet, msg(reply, "INVITE", "Server: a\r\n b\r\n\tc\r\nk: timer\r\n", ""), msg(reply, "INVITE", "k: timer\r\n", ""), Result{Headers: 1}},
		{"compact form of a name", diet, msg(request, "INVITE", "s: hello\r\nS : hello\r\nx: 1800\r\n", ""), msg(request, "INVITE", "x: 1800\r\n", ""), Result{Headers: 2}},
		{"a body that looks like headers", diet, msg(request, "MESSAGE", "", "\r\nUser-Agent: x\r\nX-A: 1\r\n"), "", Result{}},
		{"a longer name", diet, msg(request, "INVITE", "User-Agent-Data: x\r\nAllow-Events: dialog\r\nServers: x\r\n", ""), "", Result{}},
		{"only those with the beginning", runtime.Messages{RemoveHeaders: []string{"X-Acme-*"}}, msg(request, "INVITE", "X-Acme-1: x\r\nX-Acm: y\r\nX-Acme: z\r\n", ""), msg(request, "INVITE", "X-Acm: y\r\nX-Acme: z\r\n", ""), Result{Headers: 1}},

		{"encodings of an offer", prune, msg(request, "INVITE", typed, sdpLong), msg(request, "INVITE", typed, sdpShort), Result{Encodings: 1}},
		{"of an answer, with parameters", prune, msg(reply, "INVITE", "c:Application/SDP;charset=utf-8\r\n", sdpLong), msg(reply, "INVITE", "c:Application/SDP;charset=utf-8\r\n", sdpShort), Result{Encodings: 1}},
		{"of an UPDATE", prune, msg(reply, "UPDATE", typed, sdpLong), msg(reply, "UPDATE", typed, sdpShort), Result{Encodings: 1}},
		{"not of OPTIONS", prune, msg(reply, "OPTIONS", typed, sdpLong), "", Result{}},
		{"not of another type", prune, msg(request, "INVITE", "Content-Type: application/sdpx\r\n", sdpLong), "", Result{}},
		{"not without a type", prune, msg(request, "INVITE", "", sdpLong), "", Result{}},
		{"identity is no encoding", prune, msg(request, "INVITE", typed+"Content-Encoding: identity\r\n", sdpLong), msg(request, "INVITE", typed+"Content-Encoding: identity\r\n", sdpShort), Result{Encodings: 1}},
		{"compressed", prune, msg(request, "INVITE", typed+"e: gzip\r\n", sdpLong), "", Result{Unpruned: true}},
		{"several parts", prune, msg(request, "INVITE", "Content-Type: multipart/mixed;boundary=x\r\n", "--x\r\n"+typed+"\r\n"+sdpLong+"--x--\r\n"), "", Result{Unpruned: true}},
		{"none listed", runtime.Messages{Codecs: []string{"opus"}}, msg(request, "INVITE", typed, sdpLong), "", Result{Unpruned: true}},
		{"no body", prune, msg(request, "INVITE", typed, ""), "", Result{}},
		{"no length", prune, strings.Replace(msg(request, "INVITE", typed, sdpLong), "Content-Length: "+fmt.Sprint(len(sdpLong))+"\r\n", "", 1),
			strings.Replace(msg(request, "INVITE", typed, sdpShort), "Content-Length: "+fmt.Sprint(len(sdpShort))+"\r\n", "", 1), Result{Encodings: 1}},
		{"length first and with zeros", prune,
			strings.Replace(strings.Replace(msg(request, "INVITE", typed, sdpLong), "Content-Length: "+fmt.Sprint(len(sdpLong))+"\r\n", "", 1), "\r\nVia", "\r\nl : 00"+fmt.Sprint(len(sdpLong))+" \r\nVia", 1),
			strings.Replace(strings.Replace(msg(request, "INVITE", typed, sdpShort), "Content-Length: "+fmt.Sprint(len(sdpShort))+"\r\n", "", 1), "\r\nVia", "\r\nl : "+fmt.Sprint(len(sdpShort))+" \r\nVia", 1), Result{Encodings: 1}},

		{"compact names", runtime.Messages{Compact: true}, msg(request, "INVITE", "Supported: timer\r\nsession-expires : 90\r\nMax-Forwards: 70\r\nContact:<sip:a@192.0.2.1>\r\n", ""),
			"INVITE sip:b@example.net SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nf: <sip:a@example.net>;tag=1\r\nt: <sip:b@example.net>\r\ni: 1@192.0.2.1\r\nCSeq: 1 INVITE\r\nk: timer\r\nx : 90\r\nMax-Forwards: 70\r\nm:<sip:a@192.0.2.1>\r\nl: 0\r\n\r\n", Result{}},
		{"compact already", runtime.Messages{Compact: true}, "BYE sip:b@example.net SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.1\r\nF: <sip:a@example.net>;tag=1\r\nt: <sip:b@example.net>\r\ni: 1\r\nCSeq: 1 BYE\r\n\r\n", "", Result{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want == "" {
				tt.want = tt.in
			}
			got, res := compile(t, tt.m).Apply([]byte(tt.in))
			if string(got) != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			if res != tt.res {
				t.Errorf("result %+v, want %+v", res, tt.res)
			}
		})
	}
}

// Whole messages with everything switched on, as files to look at.
func TestGolden(t *testing.T) {
	p := compile(t, runtime.Messages{
		RemoveHeaders: []string{"Allow", "Date", "Server", "Timestamp", "User-Agent", "X-*"},
		Codecs:        []string{"PCMA", "PCMU", "telephone-event"}, Compact: true,
	})
	files, err := filepath.Glob("testdata/*.in")
	if err != nil || len(files) == 0 {
		t.Fatalf("no messages below testdata: %v", err)
	}
	for _, f := range files {
		in, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := p.Apply(bytes.Clone(in))
		golden := strings.TrimSuffix(f, ".in") + ".out"
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", f, got, want)
		}
		var v message.View
		if err := v.Parse(got); err != nil {
			t.Errorf("%s: what came out does not parse: %v", f, err)
		}
	}
}

func TestCompile(t *testing.T) {
	headers := func(h ...string) *runtime.Messages { return &runtime.Messages{RemoveHeaders: h} }
	tests := []struct {
		name string
		m    *runtime.Messages
		none bool   // no policy is needed
		want string // in the error; "": none
	}{
		{"no block", nil, true, ""},
		{"empty", &runtime.Messages{UDPLimit: 1300, Fallback: true}, true, ""},
		{"header", headers("User-Agent"), false, ""},
		{"protected", headers("Contact"), false, "calls depend on Contact, which cannot be removed"},
		{"in another case", headers("min-se"), false, "calls depend on Min-SE"},
		{"by its compact form", headers("k"), false, "calls depend on Supported"},
		{"wildcard over all", headers("*"), false, `"*" is no name of a header field`},
		{"wildcard over others", headers("P-*"), false, "only names that begin with X- may end in *"},
		{"wildcard over one letter", headers("x*"), false, "only names that begin with X- may end in *"},
		{"no name", headers("a b"), false, `"a b" is no name of a header field`},
		{"too long", headers("X-" + strings.Repeat("a", maxName)), false, "is no name of a header field"},
		{"codec", &runtime.Messages{Codecs: []string{"a b"}}, false, `"a b" is no encoding name`},
		{"no speech", &runtime.Messages{Codecs: []string{"CN"}}, false, "CN carry no speech"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Compile(tt.m)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("error %v, want one with %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if (p == nil) != tt.none {
				t.Errorf("policy %v", p)
			}
		})
	}
}

// No protected header can be removed in any form, and the compiler of the spec refuses
// the same ones.
func TestProtectedHeaders(t *testing.T) {
	if got, want := ProtectedHeaders(), spec.ProtectedHeaders(); !slices.Equal(got, want) {
		t.Errorf("protected here %v\nin the spec   %v", got, want)
	}
	for _, h := range ProtectedHeaders() {
		for _, form := range []string{h, strings.ToLower(h), strings.ToUpper(h)} {
			if _, err := Compile(&runtime.Messages{RemoveHeaders: []string{form}}); err == nil {
				t.Errorf("%s can be removed", form)
			}
		}
	}
}

func TestNilPolicyChangesNothing(t *testing.T) {
	in := msg("SIP/2.0 200 OK", "INVITE", "Server: x\r\n", sdpLong)
	var p *Policy
	if got, res := p.Apply([]byte(in)); string(got) != in || res != (Result{}) {
		t.Errorf("got %q, %+v", got, res)
	}
}

func FuzzApply(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.in")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(msg("SIP/2.0 183 Session Progress", "INVITE", "s: x\r\nC: application/sdp\r\nServer: x\r\n y\r\n", sdpLong)))
	p := compile(f, runtime.Messages{RemoveHeaders: []string{"User-Agent", "Server", "Subject", "X-*"}, Codecs: []string{"PCMA", "telephone-event"}, Compact: true})
	f.Fuzz(func(t *testing.T, b []byte) {
		var v message.View
		if v.Parse(b) != nil {
			return
		}
		in := bytes.Clone(v.Bytes())
		got, res := p.Apply(bytes.Clone(in))
		if len(got) > len(in) {
			t.Fatalf("longer: %q from %q", got, in)
		}
		var after message.View
		if err := after.Parse(got); err != nil {
			t.Fatalf("%v: %q from %q", err, got, in)
		}
		if len(after.Bytes()) != len(got) {
			t.Fatalf("bytes behind the body: %q from %q", got, in)
		}
		same := []struct {
			what string
			a, b []byte
		}{
			{"Via", v.Get(v.Via.Value), after.Get(after.Via.Value)}, {"From", v.Get(v.From.Value), after.Get(after.From.Value)},
			{"To", v.Get(v.To.Value), after.Get(after.To.Value)}, {"Call-ID", v.Get(v.CallID), after.Get(after.CallID)},
			{"Contact", v.Get(v.Contact), after.Get(after.Contact)}, {"CSeq", v.Get(v.CSeqMethodText), after.Get(after.CSeqMethodText)},
			{"Require", v.Get(v.Require), after.Get(after.Require)}, {"URI", v.Get(v.URI), after.Get(after.URI)},
		}
		for _, s := range same {
			if !bytes.Equal(s.a, s.b) {
				t.Fatalf("%s was %q and is %q", s.what, s.a, s.b)
			}
		}
		if res.Encodings == 0 && !bytes.Equal(v.Get(v.Body), after.Get(after.Body)) {
			t.Fatalf("another body: %q from %q", got, in)
		}
		again, res2 := p.Apply(bytes.Clone(got))
		if !bytes.Equal(again, got) || res2.Headers != 0 || res2.Encodings != 0 {
			t.Fatalf("a second time %q from %q", again, got)
		}
	})
}

func TestApplyAllocatesNothing(t *testing.T) {
	p := compile(t, runtime.Messages{RemoveHeaders: []string{"User-Agent", "X-*"}, Codecs: []string{"PCMA"}, Compact: true})
	in := []byte(msg("INVITE sip:b@example.net SIP/2.0", "INVITE", "User-Agent: x\r\nX-A: 1\r\nContent-Type: application/sdp\r\n", sdpLong))
	buf := make([]byte, len(in))
	if n := testing.AllocsPerRun(100, func() {
		copy(buf, in)
		if _, res := p.Apply(buf); res.Headers != 2 || res.Encodings != 2 {
			t.Fatalf("result %+v", res)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkApply(b *testing.B) {
	in, err := os.ReadFile("testdata/invite.in")
	if err != nil {
		b.Fatal(err)
	}
	for _, bm := range []struct {
		name string
		m    runtime.Messages
	}{
		{"diet", runtime.Messages{RemoveHeaders: []string{"User-Agent", "Server", "Allow", "Date", "X-*"}}},
		{"codecs", runtime.Messages{Codecs: []string{"PCMA", "telephone-event"}}},
		{"all", runtime.Messages{RemoveHeaders: []string{"User-Agent", "Server", "Allow", "Date", "X-*"}, Codecs: []string{"PCMA", "telephone-event"}, Compact: true}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			p := compile(b, bm.m)
			buf := make([]byte, len(in))
			b.ReportAllocs()
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				copy(buf, in)
				p.Apply(buf)
			}
		})
	}
}
