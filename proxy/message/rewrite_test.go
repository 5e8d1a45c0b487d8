package message

import (
	"net/netip"
	"strings"
	"testing"
)

func TestAppendRequestWholly(t *testing.T) {
	v := parsed(t, crlf(invite))
	got := string(AppendRequest(nil, v, &RequestEdits{
		URI:            []byte("sip:10.0.0.11"),
		RemoveRoutes:   1,
		Via:            []byte(testVia),
		RecordRoute:    [2][]byte{[]byte(testRR1), []byte(testRR2)},
		MaxForwards:    68,
		SetMaxForwards: true,
		Received:       netip.MustParseAddr("198.51.100.8"),
		RPort:          5071,
	}))
	want := strings.NewReplacer(
		"INVITE sip:+4930123@203.0.113.10:5060;user=phone", "INVITE sip:10.0.0.11",
		"Via: SIP/2.0/UDP 198.51.100.7:5070;rport;branch=z9hG4bKa1", strings.TrimSuffix(testVia, "\r\n")+"\nVia: SIP/2.0/UDP 198.51.100.7:5070;rport=5071;branch=z9hG4bKa1;received=198.51.100.8",
		"<sip:203.0.113.10;lr>, ", "",
		"Record-Route: <sip:198.51", strings.ReplaceAll(testRR1+testRR2, "\r\n", "\n")+"Record-Route: <sip:198.51",
		"Forwards: 69", "Forwards: 68",
	).Replace(strings.TrimSuffix(invite, "\n") + "\n")
	if want = strings.TrimSuffix(string(crlf(want)), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestNoEdits(t *testing.T) {
	v := parsed(t, crlf(invite))
	if got := AppendRequest([]byte("x"), v, &RequestEdits{}); string(got) != "x"+string(v.Bytes()) {
		t.Errorf("%q", got)
	}
	if got := AppendResponse([]byte("x"), v, &ResponseEdits{}); string(got) != "x"+string(v.Bytes()) {
		t.Errorf("%q", got)
	}
}

func TestRemoveRoutes(t *testing.T) {
	const head = "BYE sip:x SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\n"
	const tail = "From: <sip:a@b>;tag=1\nTo: <sip:c@d>;tag=2\nCall-ID: x\nCSeq: 1 BYE\n\n"
	for _, tt := range []struct {
		name, in string
		n        int
		want     string
	}{
		{"none there", "", 2, ""},
		{"alone", "Route: <sip:1>\n", 1, ""},
		{"first of line", "Route: <sip:1> , <sip:2>\n", 1, "Route: <sip:2>\n"},
		{"folded", "ROUTE :\n <sip:1;lr>\n ,\n <sip:2>\n", 1, "ROUTE :\n <sip:2>\n"},
		{"two lines", "Route: <sip:1>\nX: y\nRoute: <sip:2>\nRoute: <sip:3>\n", 2, "X: y\nRoute: <sip:3>\n"},
		{"line and a half", "Route: <sip:1>\nRoute: <sip:2>, <sip:3>\n", 2, "Route: <sip:3>\n"},
		{"three of four", "Route: <sip:1>,<sip:2>,<sip:3>,<sip:4>\n", 3, "Route: <sip:4>\n"},
		{"three of five", "Route: <sip:1>,<sip:2>,<sip:3>,<sip:4>,<sip:5>\n", 3, "Route: <sip:4>,<sip:5>\n"},
		{"more than there", "Route: <sip:1>,<sip:2>\n", 3, ""},
		{"quoted comma", "Route: \"a,<b\\\"\" <sip:1>;p=\",\",<sip:2>\n", 1, "Route: <sip:2>\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := parsed(t, crlf(head+tt.in+tail))
			got := string(AppendRequest(nil, v, &RequestEdits{RemoveRoutes: tt.n}))
			if want := string(crlf(head + tt.want + tail)); got != want {
				t.Errorf("got %q\nwant %q", got, want)
			}
		})
	}
}

func TestReceived(t *testing.T) {
	const tail = "From: <sip:a@b>;tag=1\nTo: <sip:c@d>\nCall-ID: x\nCSeq: 1 BYE\n\n"
	for _, tt := range []struct {
		name, via, want string
		addr            string
		rport           uint16
	}{
		{"not asked", "h;branch=z9hG4bK1", "h;branch=z9hG4bK1", "", 5070},
		{"no parameters", "h", "h;received=192.0.2.1", "192.0.2.1", 0},
		{"last", "h;branch=z9hG4bK1;rport", "h;branch=z9hG4bK1;rport=5070;received=192.0.2.1", "192.0.2.1", 5070},
		{"forged", "h;received=6.6.6.6;rport=66;branch=z9hG4bK1", "h;received=192.0.2.1;rport=5070;branch=z9hG4bK1", "192.0.2.1", 5070},
		{"spaced", "h ; RPORT ;branch=z9hG4bK1  ", "h ; RPORT=5070 ;branch=z9hG4bK1;received=2001:db8::1  ", "2001:db8::1", 5070},
		{"shared line", "h;rport, SIP/2.0/UDP g", "h;rport=1;received=192.0.2.1, SIP/2.0/UDP g", "192.0.2.1", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const head = "BYE sip:x SIP/2.0\nVia: SIP/2.0/UDP "
			v := parsed(t, crlf(head+tt.via+"\n"+tail))
			e := RequestEdits{RPort: tt.rport}
			if tt.addr != "" {
				e.Received = netip.MustParseAddr(tt.addr)
			}
			got := string(AppendRequest(nil, v, &e))
			if want := string(crlf(head + tt.want + "\n" + tail)); got != want {
				t.Errorf("got %q\nwant %q", got, want)
			}
		})
	}
}

func TestInsertWhereNoneIs(t *testing.T) {
	v := parsed(t, crlf("BYE sip:x SIP/2.0\nFrom: <sip:a@b>;tag=1\nVia: SIP/2.0/UDP h\nv: SIP/2.0/UDP g\nRoute: <sip:1>\nVia: SIP/2.0/UDP f\nTo: <sip:c@d>\nCall-ID: x\nCSeq: 1 BYE\n\n"))
	mf, ok := v.Forwarded()
	got := string(AppendRequest(nil, v, &RequestEdits{
		Via: []byte(testVia), RecordRoute: [2][]byte{[]byte(testRR1)}, MaxForwards: mf, SetMaxForwards: true, RemoveRoutes: 1,
	}))
	want := string(crlf("BYE sip:x SIP/2.0\nFrom: <sip:a@b>;tag=1\n")) + testVia + string(crlf("Via: SIP/2.0/UDP h\nv: SIP/2.0/UDP g\n")) +
		testRR1 + string(crlf("Max-Forwards: 70\nVia: SIP/2.0/UDP f\nTo: <sip:c@d>\nCall-ID: x\nCSeq: 1 BYE\n\n"))
	if got != want || !ok {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRemoveTopVia(t *testing.T) {
	const head, tail = "SIP/2.0 200 OK\n", "From: <sip:a@b>;tag=1\nTo: <sip:c@d>;tag=2\nCall-ID: x\nCSeq: 1 BYE\n\n"
	for in, want := range map[string]string{
		"Via: SIP/2.0/UDP a\nVia: SIP/2.0/UDP b\n":            "Via: SIP/2.0/UDP b\n",
		"Via: SIP/2.0/UDP a , SIP/2.0/UDP b\n":                "Via: SIP/2.0/UDP b\n",
		"v:SIP/2.0/UDP a;x=\",\",\n SIP/2.0/UDP b\nX: y\n":    "v:SIP/2.0/UDP b\nX: y\n",
		"X: y\nVia: SIP/2.0/UDP a;branch=z\n\nVia: no longer": "X: y\n\nVia: no longer",
	} {
		var v View
		_ = v.Parse(crlf(head + in + tail))
		got := string(AppendResponse(nil, &v, &ResponseEdits{RemoveTopVia: true}))
		if got != string(crlf(head+want+tail)) {
			t.Errorf("%q: got %q", in, got)
		}
	}
}

func TestLocalMessages(t *testing.T) {
	v := parsed(t, crlf(strings.Replace(invite, "Max-Forwards: 69\n", "Max-Forwards: 69\nv: SIP/2.0/UDP 10.9.9.9\n", 1)))
	const vias = "Via: SIP/2.0/UDP 198.51.100.7:5070;rport=5071;branch=z9hG4bKa1;received=198.51.100.8\nVia: SIP/2.0/UDP 10.1.1.1;branch=z9hG4bKa0;received=192.0.2.4\nv: SIP/2.0/UDP 10.9.9.9\n"
	const from = "From: \"Bob \\\"x\\\" ;tag=no\" <sip:bob@example.net;tag=no>;tag=f-1\n"
	p := ReplyParams{Status: 100, Received: netip.MustParseAddr("198.51.100.8"), RPort: 5071}
	check := func(name string, got []byte, want string) {
		t.Helper()
		if string(got) != string(crlf(want)) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, crlf(want))
		}
	}
	check("100", AppendReply(nil, v, p), "SIP/2.0 100 Trying\n"+vias+from+"To: <sip:+4930123@example.net>\nCall-ID: 7f@198.51.100.7\nCSeq: 17 INVITE\nTimestamp: 12.5\nContent-Length: 0\n\n")
	p.Status, p.ToTag, p.Extra, p.Reason = 503, []byte("tl9"), []byte("Retry-After: 5\r\n"), "Full"
	check("503", AppendReply(nil, v, p), "SIP/2.0 503 Full\n"+vias+from+"To: <sip:+4930123@example.net>;tag=tl9\nCall-ID: 7f@198.51.100.7\nCSeq: 17 INVITE\nRetry-After: 5\nContent-Length: 0\n\n")

	const top = "INVITE sip:+4930123@203.0.113.10:5060;user=phone"
	const middle = " sip:+4930123@203.0.113.10:5060;user=phone SIP/2.0\nVia: SIP/2.0/UDP 198.51.100.7:5070;rport;branch=z9hG4bKa1\nMax-Forwards: 70\nRoute: <sip:203.0.113.10;lr>, \"a, b\" <sip:203.0.113.11;lr>;x=\"<,>\"\nRoute: <sip:203.0.113.12;lr>\n" + from
	check("CANCEL", AppendCancel(nil, v), "CANCEL"+middle+"To: <sip:+4930123@example.net>\nCall-ID: 7f@198.51.100.7\nCSeq: 17 CANCEL\nContent-Length: 0\n\n")
	reply := parsed(t, crlf("SIP/2.0 486 Busy\nVia: SIP/2.0/UDP h\nFrom: <sip:a@b>;tag=1\nt: <sip:c@d>;tag=uas\nCall-ID: 7f@198.51.100.7\nCSeq: 17 INVITE\n\n"))
	check("ACK", AppendAckFor(nil, v, reply), "ACK"+middle+"t: <sip:c@d>;tag=uas\nCall-ID: 7f@198.51.100.7\nCSeq: 17 ACK\nContent-Length: 0\n\n")
	for _, b := range [][]byte{AppendCancel(nil, v), AppendAckFor(nil, v, reply), AppendReply(nil, v, p)} {
		parsed(t, b)
	}
	if !strings.HasPrefix(invite, top) {
		t.Fatal("the test's message changed")
	}
}

// Forwarding allocates nothing when there is room.
func TestAllocations(t *testing.T) {
	in := crlf(invite)
	out := make([]byte, 0, 4096)
	var v View
	e := RequestEdits{
		URI: []byte("sip:10.0.0.11"), RemoveRoutes: 2, Via: []byte(testVia),
		RecordRoute: [2][]byte{[]byte(testRR1), []byte(testRR2)},
		MaxForwards: 68, SetMaxForwards: true, Received: netip.MustParseAddr("198.51.100.8"), RPort: 5071,
	}
	broken := crlf(strings.Replace(invite, "CSeq: 17", "CSeq: x", 1))
	for name, f := range map[string]func(){
		"parse":    func() { _ = v.Parse(in) },
		"fault":    func() { _ = v.Parse(broken) },
		"uri":      func() { _ = v.Parse(in); _, _ = ParseURI(v.Get(v.URI)) },
		"request":  func() { _ = v.Parse(in); out = AppendRequest(out[:0], &v, &e) },
		"response": func() { _ = v.Parse(in); out = AppendResponse(out[:0], &v, &ResponseEdits{RemoveTopVia: true}) },
		"reply": func() {
			out = AppendReply(out[:0], &v, ReplyParams{Status: 503, ToTag: e.Via[:4], Received: e.Received, RPort: 1})
		},
		"cancel": func() { out = AppendCancel(out[:0], &v) },
		"ack":    func() { out = AppendAckFor(out[:0], &v, &v) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	in := crlf(invite)
	var v View
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		_ = v.Parse(in)
	}
}

func BenchmarkForward(b *testing.B) {
	v := parsed(b, crlf(invite))
	out := make([]byte, 0, 4096)
	e := RequestEdits{Via: []byte(testVia), RecordRoute: [2][]byte{[]byte(testRR1)}, MaxForwards: 68, SetMaxForwards: true, RPort: 5071, RemoveRoutes: 1}
	b.ReportAllocs()
	for b.Loop() {
		out = AppendRequest(out[:0], v, &e)
	}
}
