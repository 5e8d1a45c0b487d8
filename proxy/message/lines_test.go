package message

import (
	"bytes"
	"reflect"
	"slices"
	"testing"
)

func TestLines(t *testing.T) {
	tests := []struct {
		name, raw string
		want      []string // name|value|line
		body      string   // "none" when the header does not end
	}{
		{"usual", "OPTIONS sip:a SIP/2.0\r\nTo: <sip:a>\r\nk:timer\r\n\r\nbody", []string{"To|<sip:a>|To: <sip:a>\r\n", "k|timer|k:timer\r\n"}, "body"},
		{"folded", "X SIP/2.0\r\nSubject : one\r\n\ttwo \r\nA: b\r\n\r\n", []string{"Subject|one\r\n\ttwo|Subject : one\r\n\ttwo \r\n", "A|b|A: b\r\n"}, ""},
		{"no value", "X SIP/2.0\r\nSupported:\r\n\r\n", []string{"Supported||Supported:\r\n"}, ""},
		{"no name", "X SIP/2.0\r\n: v\r\nplain\r\n\r\n", []string{"|: v|: v\r\n", "|plain|plain\r\n"}, ""},
		{"lines that end in LF", "X SIP/2.0\nA: b\n\nbody", []string{"A|b|A: b\n"}, "body"},
		{"no end", "X SIP/2.0\r\nA: b", []string{"A|b|A: b"}, "none"},
		{"no header", "X SIP/2.0\r\n\r\n", nil, ""},
		{"start line alone", "X SIP/2.0", nil, "none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := []byte(tt.raw)
			var got []string
			l := LinesOf(b)
			for {
				h, ok := l.Next()
				if !ok {
					break
				}
				got = append(got, string(b[h.Start:h.NameEnd])+"|"+string(b[h.Value:h.Stop])+"|"+string(b[h.Start:h.End]))
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			body := "none"
			if i := l.Body(); i >= 0 {
				body = tt.raw[i:]
			}
			if body != tt.body {
				t.Errorf("body %q, want %q", body, tt.body)
			}
		})
	}
}

// Lines and Parse agree on where the header ends, and the lines leave no gap.
func FuzzLines(f *testing.F) {
	f.Add([]byte("OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nTo: <sip:a>\r\nFrom: <sip:b>;tag=1\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\nbody"))
	f.Add([]byte("SIP/2.0 200 OK\r\nA\r\n b: c\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		l := LinesOf(b)
		at := bytes.IndexByte(b, '\n') + 1
		for {
			h, ok := l.Next()
			if !ok {
				break
			}
			if h.Start != at || h.NameEnd < h.Start || h.Value < h.NameEnd || h.Stop < h.Value || h.End < h.Stop || h.End <= h.Start {
				t.Fatalf("line %+v after offset %d of %q", h, at, b)
			}
			at = h.End
		}
		var v View
		if v.Parse(b) == nil && len(v.Bytes()) > 0 {
			l := LinesOf(v.Bytes())
			for ok := true; ok; _, ok = l.Next() {
			}
			if l.Body() != int(v.Body.Start) {
				t.Fatalf("body at %d, Parse says %d, of %q", l.Body(), v.Body.Start, b)
			}
		}
	})
}

func TestFind(t *testing.T) {
	l := LinesOf([]byte("INVITE x SIP/2.0\r\nResource-Priority: a\r\nVia: x\r\nRESOURCE-priority :\r\n b,\r\n\tc \r\nX-Resource-Priority: d\r\n\r\nResource-Priority: e\r\n"))
	var got []string
	for {
		v, ok := l.Find("resource-priority")
		if !ok {
			break
		}
		got = append(got, string(v))
	}
	if want := []string{"a", "b,\r\n\tc"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
