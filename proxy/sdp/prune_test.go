package sdp

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

const session = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"

func lines(l ...string) string { return strings.Join(l, "\r\n") + "\r\n" }

func codecs(t testing.TB, names ...string) *Codecs {
	t.Helper()
	c, err := NewCodecs(names)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPrune(t *testing.T) {
	usual := []string{"PCMA", "PCMU", "telephone-event"}
	tests := []struct {
		name          string
		keep          []string
		in, want      string // below the session's lines; want "": as it was
		removed, left int
	}{
		{"all listed", usual, lines("m=audio 4000 RTP/AVP 8 0 101", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-16"), "", 0, 0},
		{"static without rtpmap", usual, lines("m=audio 4000 RTP/AVP 18 8 3 9", "a=sendrecv"), lines("m=audio 4000 RTP/AVP 8", "a=sendrecv"), 3, 0},
		{"dynamic with its lines", usual,
			lines("m=audio 4000 RTP/SAVPF 111 8 101", "a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10;useinbandfec=1", "a=rtcp-fb:111 transport-cc", "a=rtcp-fb:* nack", "a=rtpmap:8 PCMA/8000", "a=ptime:20", "a=rtpmap:101 telephone-event/8000"),
			lines("m=audio 4000 RTP/SAVPF 8 101", "a=rtcp-fb:* nack", "a=rtpmap:8 PCMA/8000", "a=ptime:20", "a=rtpmap:101 telephone-event/8000"), 1, 0},
		{"any case", usual, lines("m=audio 4000 RTP/AVP 96 97", "a=rtpmap:96 pcma/8000", "a=RTPMAP:97 speex/8000"), lines("m=audio 4000 RTP/AVP 96", "a=rtpmap:96 pcma/8000"), 1, 0},
		{"a static type mapped to something else", usual, lines("m=audio 4000 RTP/AVP 0 8", "a=rtpmap:0 AMR/8000"), lines("m=audio 4000 RTP/AVP 8"), 1, 0},
		{"mapped twice", usual, lines("m=audio 4000 RTP/AVP 96 8", "a=rtpmap:96 PCMA/8000", "a=rtpmap:96 opus/48000/2"), lines("m=audio 4000 RTP/AVP 8"), 1, 0},
		{"dynamic without rtpmap", usual, lines("m=audio 4000 RTP/AVP 8 98", "a=fmtp:98 x=1"), lines("m=audio 4000 RTP/AVP 8"), 1, 0},
		{"a name that begins alike", usual, lines("m=audio 4000 RTP/AVP 8 98", "a=rtpmap:98 PCMA-WB/16000"), lines("m=audio 4000 RTP/AVP 8"), 1, 0},
		{"digits not listed", []string{"PCMA"}, lines("m=audio 4000 RTP/AVP 8 101 13", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15"), lines("m=audio 4000 RTP/AVP 8"), 2, 0},
		{"silence listed", []string{"PCMA", "CN"}, lines("m=audio 4000 RTP/AVP 8 13 118", "a=rtpmap:118 CN/16000"), "", 0, 0},
		{"nothing would be left", usual, lines("m=audio 4000 RTP/AVP 18 9"), "", 0, 1},
		{"digits alone would be left", usual, lines("m=audio 4000 RTP/AVP 18 101", "a=rtpmap:101 telephone-event/8000"), "", 0, 1},
		{"redundancy of what goes", []string{"PCMA", "red"},
			lines("m=audio 4000 RTP/AVP 63 111 8", "a=rtpmap:63 red/48000/2", "a=fmtp:63 111/111", "a=rtpmap:111 opus/48000/2"),
			lines("m=audio 4000 RTP/AVP 8"), 2, 0},
		{"redundancy of what stays", []string{"PCMA", "red"}, lines("m=audio 4000 RTP/AVP 63 8", "a=rtpmap:63 red/8000", "a=fmtp:63 8/8"), "", 0, 0},
		{"two streams", usual,
			lines("m=audio 4000 RTP/AVP 9 8", "a=rtpmap:9 G722/8000", "m=audio 4002 RTP/AVP 96 0", "a=rtpmap:96 PCMA/8000", "a=rtpmap:9 G722/8000"),
			lines("m=audio 4000 RTP/AVP 8", "m=audio 4002 RTP/AVP 96 0", "a=rtpmap:96 PCMA/8000", "a=rtpmap:9 G722/8000"), 1, 0},
		{"video beside audio", usual,
			lines("m=audio 4000 RTP/AVP 9 8", "m=video 4002 RTP/AVP 96 9", "a=rtpmap:96 VP8/90000", "a=rtpmap:9 H264/90000"),
			lines("m=audio 4000 RTP/AVP 8", "m=video 4002 RTP/AVP 96 9", "a=rtpmap:96 VP8/90000", "a=rtpmap:9 H264/90000"), 1, 0},
		{"fax", usual, lines("m=image 4000 udptl t38", "a=T38FaxVersion:0"), "", 0, 0},
		{"audio not over RTP", usual, lines("m=audio 4000 udp 18"), "", 0, 0},
		{"number of ports", usual, lines("m=audio 4000/2 RTP/AVP 18 8"), lines("m=audio 4000/2 RTP/AVP 8"), 1, 0},
		{"a format that is no number", usual, lines("m=audio 4000 RTP/AVP 8 x"), "", 0, 1},
		{"a payload type beyond 127", usual, lines("m=audio 4000 RTP/AVP 8 128"), "", 0, 1},
		{"no format", usual, lines("m=audio 4000 RTP/AVP"), "", 0, 1},
		{"lines that end in LF", usual, "m=audio 4000 RTP/AVP 18 8\na=rtpmap:18 G729/8000\na=x\n", "m=audio 4000 RTP/AVP 8\na=x\n", 1, 0},
		{"last line without an end", usual, "m=audio 4000 RTP/AVP 8 18", "m=audio 4000 RTP/AVP 8", 1, 0},
		{"a CR within the line", usual, "m=audio 4000 RTP/AVP 8\r18\r\n", "", 0, 1},
		{"space behind the formats", usual, lines("m=audio 4000 RTP/AVP 18  8 "), lines("m=audio 4000 RTP/AVP  8 "), 1, 0},
		{"space after the colon", usual, lines("m=audio 4000 RTP/AVP 8 97", "a=rtpmap: 97 iLBC/8000"), lines("m=audio 4000 RTP/AVP 8"), 1, 0},
		{"one not known by name", []string{"PCMA", "x-new"}, lines("m=audio 4000 RTP/AVP 97 18", "a=rtpmap:97 X-New/8000"), lines("m=audio 4000 RTP/AVP 97", "a=rtpmap:97 X-New/8000"), 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want == "" {
				tt.want = tt.in
			}
			got, r := codecs(t, tt.keep...).Prune([]byte(session + tt.in))
			if string(got) != session+tt.want {
				t.Errorf("got\n%q, want\n%q", got, session+tt.want)
			}
			if r != (Report{Removed: tt.removed, Left: tt.left}) {
				t.Errorf("report %+v, want %d removed and %d left", r, tt.removed, tt.left)
			}
		})
	}
}

func TestNewCodecsErrors(t *testing.T) {
	for _, tt := range []struct {
		names []string
		want  string
	}{
		{[]string{""}, `"" is no encoding name`},
		{[]string{"PCMA/8000"}, `"PCMA/8000" is no encoding name`},
		{[]string{"telephone-event", "CN"}, "telephone-event, CN carry no speech"},
	} {
		if _, err := NewCodecs(tt.names); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: error %v, want one with %q", tt.names, err, tt.want)
		}
	}
}

// offered lists the encodings that audio over RTP offers, read in a way of its own:
// one string per stream, payload types given by their name.
func offered(text string) (out [][]string) {
	maps := map[string]string{}
	for pt, name := range static {
		if name != "" {
			maps[fmt.Sprint(pt)] = name
		}
	}
	for part := range strings.SplitSeq("\n"+text, "\nm=") {
		first, rest, _ := strings.Cut(part, "\n")
		words := strings.Fields(first)
		if len(words) < 3 || words[0] != "audio" || !strings.Contains(words[2], "RTP/") || !strings.HasPrefix(first, "audio ") {
			continue
		}
		own := map[string]string{}
		for line := range strings.SplitSeq(rest, "\n") {
			if len(line) > 9 && line[:2] == "a=" && strings.EqualFold(line[2:9], "rtpmap:") { // types are of one case (RFC 8866 section 5)
				if f := strings.Fields(line[9:]); len(f) > 1 {
					name, _, _ := strings.Cut(strings.ToLower(f[1]), "/")
					own[number(f[0])] = name
				}
			}
		}
		var names []string
		for _, f := range words[3:] {
			name := own[number(f)]
			if name == "" {
				name = maps[number(f)]
			}
			names = append(names, name)
		}
		out = append(out, names)
	}
	return out
}

// number is a payload type without leading zeros.
func number(pt string) string {
	if n, err := strconv.Atoi(pt); err == nil {
		return strconv.Itoa(n)
	}
	return pt
}

func FuzzPrune(f *testing.F) {
	f.Add([]byte(session + "m=audio 4000 RTP/AVP 111 8 101\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n"))
	f.Add([]byte("m=audio 1 RTP/AVP 18\nm=audio 1 RTP/AVP 0 18\n"))
	f.Add([]byte("m=audio 1 RTP/AVP 63 8 96\na=fmtp:63 8/96\na=rtpmap:63 red/8000\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		c := codecs(t, "PCMA", "PCMU", "red", "telephone-event")
		before := bytes.Clone(in)
		buf := bytes.Clone(in)
		got, r := c.Prune(buf)
		if len(got) > len(before) {
			t.Fatalf("longer: %q from %q", got, before)
		}
		if r.Removed == 0 && !bytes.Equal(got, before) {
			t.Fatalf("changed without a report: %q from %q", got, before)
		}
		if r.Removed > 0 && len(got) == len(before) {
			t.Fatalf("%d removed, nothing shorter: %q", r.Removed, before)
		}
		// What remains is what was there, in its order.
		i := 0
		for _, c := range got {
			for i < len(before) && before[i] != c {
				i++
			}
			if i == len(before) {
				t.Fatalf("%q is not made of %q", got, before)
			}
			i++
		}
		again, r2 := c.Prune(bytes.Clone(got))
		if r2.Removed != 0 || !bytes.Equal(again, got) || r2.Left != r.Left {
			t.Fatalf("a second time: %q (%+v) from %q (%+v)", again, r2, got, r)
		}
		text := string(got)
		// Left alone is left alone; and what is white space elsewhere, or a CR within a
		// line, is read otherwise by the simple reader.
		if r.Left > 0 || strings.ContainsAny(strings.ReplaceAll(text, "\r\n", "\n"), "\r\v\f\u0085\u00a0\u2028") || strings.Contains(text, "a=rtpmap: ") {
			return
		}
		for _, stream := range offered(text) {
			for _, name := range stream {
				switch name {
				case "pcma", "pcmu", "red", "telephone-event":
				default:
					t.Fatalf("%q is still offered in %q, made of %q", name, got, before)
				}
			}
		}
	})
}

func TestPruneAllocatesNothing(t *testing.T) {
	c := codecs(t, "PCMA", "telephone-event")
	in := []byte(session + lines("m=audio 4000 RTP/AVP 111 18 8 101", "a=rtpmap:111 opus/48000/2", "a=rtpmap:101 telephone-event/8000"))
	buf := make([]byte, len(in))
	if n := testing.AllocsPerRun(100, func() {
		copy(buf, in)
		if out, _ := c.Prune(buf); len(out) == len(in) {
			t.Fatal("nothing was removed")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPrune(b *testing.B) {
	c := codecs(b, "PCMA", "telephone-event")
	in := []byte(session + lines("m=audio 4000 RTP/AVP 111 18 8 101", "a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10", "a=rtpmap:18 G729/8000", "a=rtpmap:8 PCMA/8000", "a=rtpmap:101 telephone-event/8000", "a=sendrecv"))
	buf := make([]byte, len(in))
	b.ReportAllocs()
	for b.Loop() {
		copy(buf, in)
		c.Prune(buf)
	}
}
