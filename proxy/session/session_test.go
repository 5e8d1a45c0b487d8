package session

import (
	"strings"
	"testing"

	"trunkline/proxy/message"
)

const head = "INVITE sip:1@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n"

func TestRead(t *testing.T) {
	for _, tt := range []struct {
		lines string
		want  Fields
	}{
		{"", Fields{}},
		{"Session-Expires: 1800;refresher=uac\r\n", Fields{Asks: true, Expires: 1800}},
		{"session-expires : 90 ; refresher=uas\r\n", Fields{Asks: true, Expires: 90}},
		{"X:\r\n 100\r\n ;refresher=uac\r\n", Fields{Asks: true, Expires: 100}},
		{"x: 99999999999999999999\r\n", Fields{Asks: true, Expires: longest}},
		{"x: 1\r\nSession-Expires: 2\r\n", Fields{Asks: true, Expires: 1}},
		{"x:\r\n", Fields{Asks: true, Unreadable: true}},
		{"x: 12 34\r\n", Fields{Asks: true, Unreadable: true}},
		{"x: -5\r\n", Fields{Asks: true, Unreadable: true}},
		{"Min-SE: 120;a=b\r\n", Fields{MinSE: 120}},
		{"Min-SE: many\r\n", Fields{}},
		{"Supported: 100rel,  Timer\r\n", Fields{Timer: true}},
		{"k: timers\r\nSupported:\r\n", Fields{}},
		{"k: 100rel\r\nk: timer\r\n", Fields{Timer: true}},
		{"Require: timer\r\n", Fields{Timer: true}},
		{"Proxy-Require: timer\r\n", Fields{}},
		{"Require: 100rel\r\nSupported: timer\r\n", Fields{Timer: true}},
		{"Supported: path\r\nk: 100rel\r\nRequire: timer\r\n", Fields{Timer: true}},
		{"Require:\r\nRequire: 100rel\r\nRequire: x, timer\r\n", Fields{Timer: true}},
		{"x:\r\nx: 5\r\nMin-SE:\r\nmin-se: 5\r\n", Fields{Asks: true, Unreadable: true}},
	} {
		msg := []byte(head + tt.lines + "\r\nx: 5\r\n")
		got := Read(msg)
		var v message.View
		if err := v.Parse(msg); err != nil {
			t.Fatal(err)
		}
		if of := Of(&v); of != got {
			t.Errorf("%q: %+v of the message that was parsed, %+v of its bytes", tt.lines, of, got)
		}
		for _, s := range []*message.Span{&got.expires, &got.minSE} {
			if digits := strings.Trim(string(msg[s.Start:s.End]), "0123456789"); digits != "" {
				t.Errorf("%q: the span holds %q", tt.lines, digits)
			}
			*s = message.Span{}
		}
		if got != tt.want {
			t.Errorf("%q: %+v, want %+v", tt.lines, got, tt.want)
		}
	}
}

// Of every combination: what is refused, what goes on as it is, what is put in or raised; and that a
// proxy of the same rules behind this one has nothing to change.
func TestJudge(t *testing.T) {
	rules := Rules{MinSE: 90, Expires: 1800, Insert: true}
	for _, tt := range []struct {
		lines   string
		refused bool
		want    string // of the lines as forwarded
	}{
		{"", false, "Session-Expires: 1800\r\n"},
		{"Min-SE: 3600\r\n", false, "Session-Expires: 3600\r\nMin-SE: 3600\r\n"},
		{"Supported: timer\r\n", false, "Session-Expires: 1800\r\nSupported: timer\r\n"},
		{"Supported: timer\r\nSession-Expires: 90\r\n", false, "Supported: timer\r\nSession-Expires: 90\r\n"},
		{"Supported: timer\r\nSession-Expires: 89\r\n", true, ""},
		{"Session-Expires: 89;refresher=uac\r\n", false, "Min-SE: 90\r\nSession-Expires: 90;refresher=uac\r\n"},
		{"x: 1\r\nMin-SE: 10\r\n", false, "x: 90\r\nMin-SE: 90\r\n"},
		{"Min-SE: 100\r\nx: 1\r\n", false, "Min-SE: 100\r\nx: 100\r\n"},
		{"Session-Expires: x\r\n", false, "Session-Expires: x\r\n"},
	} {
		for range 2 {
			raw := []byte(head + tt.lines + "Content-Length: 0\r\n\r\n")
			var v message.View
			if err := v.Parse(raw); err != nil {
				t.Fatal(err)
			}
			ask := rules.Judge(Read(raw))
			if ask.Refused != tt.refused {
				t.Errorf("%q: refused %v", tt.lines, ask.Refused)
			}
			if ask.Refused {
				break
			}
			var ed message.RequestEdits
			ask.Edit(&ed, nil)
			got := string(message.AppendRequest(nil, &v, &ed))
			via, rest, _ := strings.Cut(head, "From:")
			rest = "From:" + rest
			lines := strings.TrimPrefix(got, via)
			lines = strings.Replace(lines, rest, "", 1)
			if lines = strings.TrimSuffix(lines, "Content-Length: 0\r\n\r\n"); lines != tt.want {
				t.Errorf("%q is forwarded with %q, want %q", tt.lines, lines, tt.want)
			}
			tt.lines = tt.want // again
		}
	}
	if ask := (Rules{MinSE: 90, Expires: 1800}).Judge(Fields{}); ask.Inserted || ask.Interval != 0 {
		t.Errorf("put in without Insert: %+v", ask)
	}
}

func TestAgree(t *testing.T) {
	for _, tt := range []struct {
		name  string
		ask   Ask
		reply string
		want  Agreed
	}{
		{"the callee answers", Ask{Timer: true, Interval: 600}, "Session-Expires: 300;refresher=uas\r\n", Agreed{Interval: 300}},
		{"the callee does not understand it", Ask{Timer: true, Interval: 600}, "", Agreed{Interval: 600, Answered: true}},
		{"neither does the caller", Ask{Interval: 600}, "", Agreed{}},
		{"nobody asked", Ask{Timer: true}, "", Agreed{}},
		{"the callee asks by itself", Ask{}, "x: 200\r\n", Agreed{Interval: 200}},
		{"no number", Ask{Timer: true, Interval: 600}, "x: soon\r\n", Agreed{}},
	} {
		if got := Agree(tt.ask, Read([]byte("SIP/2.0 200 OK\r\n"+tt.reply+"\r\n"))); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
	if got := Read([]byte("SIP/2.0 200 OK\r\n" + string(AppendAnswer(nil, 77)) + "\r\n")); got.Expires != 77 || !got.Timer {
		t.Errorf("the answer says %+v", got)
	}
	if got := Read([]byte("SIP/2.0 422 No\r\n" + string(Rules{MinSE: 95}.AppendTooSmall(nil)) + "\r\n")); got.MinSE != 95 {
		t.Errorf("the refusal says %+v", got)
	}
}

// Whatever comes, a message that could be read before can be read after, and asks for no less than the
// minimum or for what cannot be read.
func FuzzJudge(f *testing.F) {
	for _, s := range []string{"", "x: 5\r\n", "Session-Expires: 10;refresher=uac\r\nMin-SE: 5\r\n", "k: timer\r\nx:\r\n 7\r\n"} {
		f.Add(s)
	}
	rules := Rules{MinSE: 90, Expires: 1800, Insert: true}
	f.Fuzz(func(t *testing.T, lines string) {
		raw := []byte(head + lines + "\r\n\r\n")
		var v message.View
		if v.Parse(raw) != nil || !v.IsRequest() {
			return
		}
		fields := Read(v.Bytes())
		if of := Of(&v); of != fields {
			t.Fatalf("%q: %+v of the message that was parsed, %+v of its bytes", lines, of, fields)
		}
		ask := rules.Judge(fields)
		if ask.Refused {
			return
		}
		var ed message.RequestEdits
		ask.Edit(&ed, nil)
		out := message.AppendRequest(nil, &v, &ed)
		var again message.View
		if err := again.Parse(out); err != nil {
			t.Fatalf("%q: %v", out, err)
		}
		if got := Read(out); !got.Asks || !got.Unreadable && (got.Expires < rules.MinSE || got.Expires != ask.Interval) {
			t.Errorf("%q asks for %+v", out, got)
		}
	})
}

func TestNoAllocation(t *testing.T) {
	rules := Rules{MinSE: 90, Expires: 1800, Insert: true}
	raw := []byte(head + "x: 30\r\nContent-Length: 0\r\n\r\n")
	scratch := make([]byte, 0, 128)
	var v message.View
	if n := testing.AllocsPerRun(100, func() {
		if v.Parse(raw) != nil || Of(&v) != Read(raw) {
			t.Error("read in two ways")
		}
		var ed message.RequestEdits
		ask := rules.Judge(Of(&v))
		ask.Edit(&ed, scratch)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkFields is what an INVITE asks for, by its bytes and by what its parse noted.
func BenchmarkFields(b *testing.B) {
	raw := []byte(head + "Max-Forwards: 70\r\nContact: <sip:a@192.0.2.2>\r\nAllow: INVITE, ACK, CANCEL, BYE\r\nSupported: timer, 100rel\r\nSession-Expires: 1800\r\nUser-Agent: x\r\nContent-Length: 0\r\n\r\n")
	var v message.View
	if err := v.Parse(raw); err != nil {
		b.Fatal(err)
	}
	for name, read := range map[string]func() Fields{"bytes": func() Fields { return Read(raw) }, "parsed": func() Fields { return Of(&v) }} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if f := read(); !f.Asks || !f.Timer {
					b.Fatal(f)
				}
			}
		})
	}
}
