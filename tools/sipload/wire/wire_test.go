package wire

import (
	"net/netip"
	"strings"
	"testing"
)

func crlf(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r\n")) }

const invite = `INVITE sip:+4930@127.0.0.2 SIP/2.0
Via: SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bKaa
v: SIP/2.0/UDP 127.0.0.10:5070;branch=z9hG4bKbb;rport,
 SIP/2.0/UDP 127.0.0.11;branch=z9hG4bKcc
Record-Route: <sip:127.0.0.3;lr>, <sip:127.0.0.2;lr>
f: "A;tag=no" <sip:a@b>;tag=t1
To: <sip:c@d;x=1>
i: id@h
CSeq: 7 INVITE
m: "<x>" <sip:a@127.0.0.10:5070;transport=udp>;expires=1
Content-Length: 3

abc`

func TestParse(t *testing.T) {
	var m Message
	if err := m.Parse(crlf(invite)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ what, got, want string }{
		{"URI", string(m.URI), "sip:+4930@127.0.0.2"},
		{"method", m.Method.String(), "INVITE"},
		{"From tag", string(Tag(m.From)), "t1"},
		{"To tag", string(Tag(m.To)), ""},
		{"To URI", string(AddressURI(m.To)), "sip:c@d;x=1"},
		{"Call-ID", string(m.CallID), "id@h"},
		{"CSeq", string(m.CSeq), "7 INVITE"},
		{"Contact", string(AddressURI(m.Contact)), "sip:a@127.0.0.10:5070;transport=udp"},
		{"body", string(m.Body), "abc"},
		{"folded Via", string(m.Via.Full[1]), "v: SIP/2.0/UDP 127.0.0.10:5070;branch=z9hG4bKbb;rport,\r\n SIP/2.0/UDP 127.0.0.11;branch=z9hG4bKcc\r\n"},
		{"Record-Route", string(m.RecordRt.Value[0]), "<sip:127.0.0.3;lr>, <sip:127.0.0.2;lr>"},
	} {
		if c.got != c.want {
			t.Errorf("%s is %q, want %q", c.what, c.got, c.want)
		}
	}
	if n := CountVias(&m, 9); n != 3 {
		t.Errorf("%d Via values, want 3", n)
	}
	if n := CountVias(&m, 2); n != 2 {
		t.Errorf("%d Via values counted, want to stop at 2", n)
	}
	if err := m.Parse(crlf("SIP/2.0 486 \nVia: x y\nf: <a:b>\nt: <a:b>\ni: x\nCSeq: 1  BYE\n\n")); err != nil || m.Status != 486 || m.Method != BYE || m.Contact != nil {
		t.Errorf("%v, status %d, method %v, Contact %q", err, m.Status, m.Method, m.Contact)
	}
}

func TestFaults(t *testing.T) {
	must := "Via: x y\nf: <a:b>\nt: <a:b>\ni: x\nCSeq: 1 BYE\n"
	for _, c := range []struct {
		text string
		want Fault
	}{
		{"", FaultStartLine},
		{"hello\n\n", FaultStartLine},
		{"BYE  SIP/2.0\n\n", FaultStartLine},
		{"BYE sip:a SIP/3.0\n\n", FaultStartLine},
		{"SIP/2.0 99 x\n\n", FaultStartLine},
		{"SIP/2.0 700 x\n\n", FaultStartLine},
		{"SIP/2.0 200\n\n", FaultStartLine},
		{"SIP/2.0 200 OK\n" + must, FaultEnd},
		{"SIP/2.0 200 OK\n" + must + "X: y", FaultHeader},
		{"SIP/2.0 200 OK\n" + must + "novalue\n\n", FaultHeader},
		{"SIP/2.0 200 OK\n\n", FaultMissing},
		{"SIP/2.0 200 OK\n" + must + "To: <a:b>\n\n", FaultTwice},
		{"SIP/2.0 200 OK\n" + must + "l: 0\nContent-Length: 0\n\n", FaultTwice},
		{"SIP/2.0 200 OK\n" + must + "l: 1\n\n", FaultLength},
		{"SIP/2.0 200 OK\n" + must + "l: x\n\n", FaultLength},
		{"SIP/2.0 200 OK\n" + must + "l: -1\n\nabc", FaultLength},
		{"INVITE sip:a SIP/2.0\n" + must + "\n", FaultCSeq},
		{"SIP/2.0 200 OK\n" + strings.Replace(must, "1 BYE", "x BYE", 1) + "\n", FaultCSeq},
		{"SIP/2.0 200 OK\n" + strings.Replace(must, "1 BYE", "1", 1) + "\n", FaultCSeq},
		{"SIP/2.0 200 OK\n" + must + strings.Repeat("v: x\n", MaxLines) + "\n", FaultTooMany},
	} {
		var m Message
		if err := m.Parse(crlf(c.text)); err != c.want {
			t.Errorf("%q: %v, want %v", c.text, err, c.want)
		}
	}
	var m Message
	if err := m.Parse([]byte("SIP/2.0 200 OK\nVia: x\n\n")); err != FaultStartLine {
		t.Errorf("bare LF: %v", err)
	}
}

func TestParam(t *testing.T) {
	for _, c := range []struct {
		in, name, want string
		has            bool
	}{
		{"<sip:x;tag=no>;TAG=a", "tag", "a", true},
		{`"q\";tag=no" <x>;tag = a ;b`, "tag", "a", true},
		{"x;rport;b=1", "rport", "", true},
		{"x;b=1", "rport", "", false},
		{"<a>;x=1, <b>;tag=2", "tag", "", false},
		{`"never closed;tag=1`, "tag", "", false},
	} {
		if v, has := Param([]byte(c.in), c.name); string(v) != c.want || has != c.has {
			t.Errorf("%s of %q: %q, %t", c.name, c.in, v, has)
		}
	}
}

func TestHostPort(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"sip:127.0.0.1", "127.0.0.1:5060"},
		{"sip:a@127.0.0.1:99;lr?x=y", "127.0.0.1:99"},
		{"sip:[::1]:99;lr", "[::1]:99"},
		{"[::1]", "[::1]:5060"},
		{"sip:example.org", ""},
		{"sip:127.0.0.1:0", ""},
		{"sip:127.0.0.1:70000", ""},
		{"sip:[::1", ""},
		{"sip:", ""},
	} {
		got := ""
		if a, ok := HostPort([]byte(c.in)); ok {
			got = a.String()
		}
		if got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

func TestRepliesGoBackAsTheViaSays(t *testing.T) {
	src := netip.MustParseAddrPort("127.0.0.9:7000")
	for _, c := range []struct{ via, to, line string }{
		{"SIP/2.0/UDP 127.0.0.9:5080;branch=z", "127.0.0.9:5080", "SIP/2.0/UDP 127.0.0.9:5080;branch=z"},
		{"SIP/2.0/UDP 127.0.0.8;branch=z", "127.0.0.9:5060", "SIP/2.0/UDP 127.0.0.8;branch=z;received=127.0.0.9"},
		{"SIP/2.0/UDP host.example:5081;branch=z", "127.0.0.9:5081", "SIP/2.0/UDP host.example:5081;branch=z;received=127.0.0.9"},
		{"SIP/2.0/UDP 127.0.0.9;rport;branch=z", "127.0.0.9:7000", "SIP/2.0/UDP 127.0.0.9;rport=7000;branch=z;received=127.0.0.9"},
		{"SIP/2.0/UDP 127.0.0.9;branch=z;RPORT", "127.0.0.9:7000", "SIP/2.0/UDP 127.0.0.9;branch=z;RPORT=7000;received=127.0.0.9"},
		{"SIP/2.0/UDP 127.0.0.9;rport, SIP/2.0/UDP b", "127.0.0.9:7000", "SIP/2.0/UDP 127.0.0.9;rport=7000;received=127.0.0.9, SIP/2.0/UDP b"},
		{"SIP/2.0/UDP host:0", "", ""},
	} {
		to, ok := ReplyTo([]byte(c.via), src)
		if got := to.String(); ok != (c.to != "") || ok && got != c.to {
			t.Errorf("%q: reply goes to %s, want %q", c.via, got, c.to)
		}
		if !ok {
			continue
		}
		var l Lines
		l.add([]byte("Via: "+c.via+"\r\n"), []byte(c.via))
		l.add([]byte("v: second\r\n"), []byte("second"))
		if got := string(AppendVias(nil, &l, src)); got != "Via: "+c.line+"\r\nv: second\r\n" {
			t.Errorf("%q: %q", c.via, got)
		}
	}
}

func TestTemplate(t *testing.T) {
	tm := NewTemplate("a" + MarkID + "\nb" + MarkNumber + "\r\n" + MarkID)
	got := string(tm.Append([]byte("x"), 0xabc0123456789def, 123456789))
	if want := "xaabc0123456789def\r\nb3456789\r\nabc0123456789def"; got != want || tm.Len() != len(want)-1 {
		t.Errorf("%q, want %q (%d)", got, want, tm.Len())
	}
	if id, ok := ID([]byte("abc0123456789def-rest")); !ok || id != 0xabc0123456789def || string(AppendID(nil, id)) != "abc0123456789def" {
		t.Errorf("%x %t", id, ok)
	}
	for _, bad := range []string{"", "abc", "ABC0123456789DEF", "abc012345678 def"} {
		if _, ok := ID([]byte(bad)); ok {
			t.Errorf("%q is an id", bad)
		}
	}
}

func TestReadingAndWritingAllocateNothing(t *testing.T) {
	b, src := crlf(invite), netip.MustParseAddrPort("127.0.0.2:5060")
	var m Message
	tm := NewTemplate("x" + MarkID + MarkNumber)
	out := make([]byte, 0, 2000)
	if n := testing.AllocsPerRun(100, func() {
		if m.Parse(b) != nil || CountVias(&m, 9) != 3 {
			t.Fail()
		}
		if _, ok := HostPort(AddressURI(m.Contact)); !ok || len(Tag(m.From)) != 2 {
			t.Fail()
		}
		out = AppendVias(tm.Append(out[:0], 1, 2), &m.Via, src)
		if _, ok := ReplyTo(m.Via.Value[0], src); !ok {
			t.Fail()
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(crlf(invite))
	f.Add(crlf("SIP/2.0 200 OK\nVia: a;rport\nf: x\nt: y\ni: z\nCSeq: 1 BYE\n\n"))
	src := netip.MustParseAddrPort("127.0.0.1:5060")
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Message
		if m.Parse(b) != nil {
			return
		}
		Tag(m.From)
		HostPort(AddressURI(m.Contact))
		for i := range m.RecordRt.N {
			for rest := m.RecordRt.Value[i]; rest != nil; {
				_, rest = NextValue(rest)
			}
		}
		if _, ok := ReplyTo(m.Via.Value[0], src); ok {
			reply := append([]byte("SIP/2.0 200 OK\r\n"), AppendVias(nil, &m.Via, src)...)
			reply = append(reply, "f: a\r\nt: b\r\ni: c\r\nCSeq: 1 BYE\r\n\r\n"...)
			var again Message
			if err := again.Parse(reply); err != nil {
				t.Fatalf("%v\n%q", err, reply)
			}
		}
	})
}
