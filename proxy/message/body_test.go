package message

import (
	"fmt"
	"strings"
	"testing"
)

const described = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"

func withBody(headers, body string) string {
	return "INVITE sip:b@example.net SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@example.net>;tag=1\r\nTo: <sip:b@example.net>\r\nCall-ID: 1@192.0.2.1\r\nCSeq: 1 INVITE\r\n" +
		headers + "Content-Length: " + fmt.Sprint(len(body)) + "\r\n\r\n" + body
}

func TestDescription(t *testing.T) {
	mixed := func(boundary string, parts ...string) string {
		var b strings.Builder
		b.WriteString("preamble\r\n")
		for _, p := range parts {
			b.WriteString("--" + boundary + "\r\n" + p + "\r\n")
		}
		return b.String() + "--" + boundary + "--\r\n"
	}
	const typed, isup = "Content-Type: application/sdp\r\n\r\n", "Content-Type: application/isup\r\n\r\n\x01\x02\r\n\x03"
	tests := []struct {
		name, headers, body string
		want                Description
	}{
		{"sdp", "Content-Type: application/sdp\r\n", described, HasDescription},
		{"compact, with a parameter", "c:Application/SDP ;charset=utf-8\r\n", described, HasDescription},
		{"empty", "Content-Type: application/sdp\r\n", "", NoDescription},
		{"no type", "", described, NoDescription},
		{"another type", "Content-Type: application/sdpx\r\n", described, NoDescription},
		{"compressed", "Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n", described, ClosedDescription},
		{"identity", "Content-Type: application/sdp\r\ne: identity\r\n", described, HasDescription},
		{"a part", "Content-Type: multipart/mixed;boundary=x1\r\n", mixed("x1", isup, typed+described), HasDescription},
		{"first part, quoted boundary", "c: multipart/mixed; a=b; boundary=\"x 1\"\r\n", mixed("x 1", typed+described, isup), HasDescription},
		{"parts without one", "Content-Type: multipart/mixed;boundary=x1\r\n", mixed("x1", isup), NoDescription},
		{"a part in base64", "Content-Type: multipart/mixed;boundary=x1\r\n", mixed("x1", "Content-Transfer-Encoding: base64\r\n"+typed+described), ClosedDescription},
		{"no boundary", "Content-Type: multipart/mixed\r\n", mixed("x1", typed+described), ClosedDescription},
		{"parts that do not end", "Content-Type: multipart/mixed;boundary=x1\r\n", "--x1\r\n" + typed + described, ClosedDescription},
		{"parts in parts", "Content-Type: multipart/mixed;boundary=x1\r\n", mixed("x1", "Content-Type: multipart/alternative;boundary=y\r\n\r\n"+mixed("y", typed+described)), ClosedDescription},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var v View
			if err := v.Parse([]byte(withBody(tt.headers, tt.body))); err != nil {
				t.Fatal(err)
			}
			at, got := v.Description()
			if got != tt.want {
				t.Fatalf("got %d at %q, want %d", got, v.Get(at), tt.want)
			}
			if got != HasDescription {
				return
			}
			if strings.TrimSpace(string(v.Get(at))) != strings.TrimSpace(described) {
				t.Errorf("found %q", v.Get(at))
			}
			out := v.AppendWith(nil, at, []byte("v=0\r\n"))
			want := withBody(tt.headers, strings.Replace(tt.body, string(v.Get(at)), "v=0\r\n", 1))
			if string(out) != want {
				t.Errorf("got\n%s\nwant\n%s", out, want)
			}
		})
	}
}

func FuzzDescription(f *testing.F) {
	f.Add([]byte(withBody("Content-Type: multipart/mixed;boundary=x\r\n", "--x\r\nContent-Type: application/sdp\r\n\r\n"+described+"\r\n--x--\r\n")))
	f.Add([]byte(withBody("c: application/sdp\r\n", described)))
	f.Fuzz(func(t *testing.T, b []byte) {
		var v View
		if v.Parse(b) != nil {
			return
		}
		at, d := v.Description()
		if d != HasDescription {
			return
		}
		if at.Start < v.Body.Start || at.End > v.Body.End || at.Empty() {
			t.Fatalf("%v of %v", at, v.Body)
		}
		out := v.AppendWith(nil, at, []byte("v=0\r\n"))
		var again View
		if len(out) <= MaxSize {
			if err := again.Parse(out); err != nil || len(again.Bytes()) != len(out) {
				t.Fatalf("%v: %q from %q", err, out, v.Bytes())
			}
		}
		if same := v.AppendWith(nil, at, v.Get(at)); v.ContentLength < 0 && string(same) != string(v.Bytes()) {
			t.Fatalf("%q from %q", same, v.Bytes())
		}
	})
}
