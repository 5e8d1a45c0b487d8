package stream

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// feed gives b to a framer in the pieces that cuts name and returns what came of it.
func feed(f framer, b []byte, cuts []int) []string {
	var out []string
	from := 0
	for _, to := range append(slices.Clone(cuts), len(b)) {
		for from < to {
			n := copy(f.Space(), b[from:to])
			f.Wrote(n)
			from += n
			for {
				kind, p := f.Next()
				if kind == More {
					break
				}
				out = append(out, fmt.Sprint(kind, " ", f.Fault(), " ", string(p)))
			}
		}
	}
	return out
}

func crlfs(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

func TestFramer(t *testing.T) {
	const head = "OPTIONS sip:a SIP/2.0\nVia: SIP/2.0/TCP h\n"
	msg := func(s string) string { return fmt.Sprint(Message, " none ", crlfs(s)) }
	broken := func(f Fault, s string) string { return fmt.Sprint(Broken, " ", f, " ", crlfs(s)) }
	ping := fmt.Sprint(Ping, " none ")
	for _, c := range []struct {
		name, in string
		want     []string
	}{
		{"one", head + "Content-Length: 3\n\nabc", []string{msg(head + "Content-Length: 3\n\nabc")}},
		{"compact name, folded value, case, spaces", head + "L :\n 2\n\nabl", []string{msg(head + "L :\n 2\n\nab")}},
		{"two back to back", head + "l: 1\n\nX" + head + "content-length:0\n\n", []string{msg(head + "l: 1\n\nX"), msg(head + "content-length:0\n\n")}},
		{"line ends before a message", "\n" + head + "l: 0\n\n", []string{msg(head + "l: 0\n\n")}},
		{"ping, pong and ping", "\n\n\n\n\n" + head + "l: 0\n\n", []string{ping, ping, msg(head + "l: 0\n\n")}},
		{"a body that looks like a header", head + "l: 8\n\n\n\nl: 9" + head + "l: 0\n\n", []string{msg(head + "l: 8\n\n\n\nl: 9"), msg(head + "l: 0\n\n")}},
		{"a name that begins alike", head + "Content-Lengthy: 7\nLanguage: 5\nContent-Length: 0\n\n", []string{msg(head + "Content-Lengthy: 7\nLanguage: 5\nContent-Length: 0\n\n")}},
		{"a value that is folded into another header", head + "Subject: x\n Content-Length: 9\nl: 0\n\n", []string{msg(head + "Subject: x\n Content-Length: 9\nl: 0\n\n")}},
		{"the same twice", head + "l: 1\nContent-Length: 01\n\nX", []string{msg(head + "l: 1\nContent-Length: 01\n\nX")}},
		{"none", head + "\nrest", []string{broken(FaultNoLength, head+"\n")}},
		{"negative", head + "l: -1\n\nrest", []string{broken(FaultLength, head+"l: -1\n\n")}},
		{"empty", head + "l:\n\nrest", []string{broken(FaultLength, head+"l:\n\n")}},
		{"no number", head + "l: 1, 1\n\nrest", []string{broken(FaultLength, head+"l: 1, 1\n\n")}},
		{"two that differ", head + "l: 1\nl: 2\n\nrest", []string{broken(FaultConflict, head+"l: 1\nl: 2\n\n")}},
		{"too long", head + "l: 999\n\nrest", []string{broken(FaultBodySize, head+"l: 999\n\n")}},
		{"beyond any number", head + "l: 99999999999999999999999999\n\nrest", []string{broken(FaultBodySize, head+"l: 99999999999999999999999999\n\n")}},
		{"endless header", head + "X: " + strings.Repeat("x", 300), []string{broken(FaultHeaderSize, "")}},
		{"long header", head + "X: " + strings.Repeat("x", 300) + "\nl: 0\n\n", []string{broken(FaultHeaderSize, "")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := []byte(crlfs(c.in))
			for cut := range len(in) {
				f := &Framer{MaxHeader: 256, MaxMessage: 512}
				if got := feed(f, in, []int{cut}); !slices.Equal(got, c.want) {
					t.Fatalf("cut at %d: got %q, want %q", cut, got, c.want)
				}
				f.Release()
			}
			one := make([]int, len(in))
			for i := range one {
				one[i] = i
			}
			if got := feed(&Framer{MaxHeader: 256, MaxMessage: 512}, in, one); !slices.Equal(got, c.want) {
				t.Fatalf("byte by byte: got %q, want %q", got, c.want)
			}
		})
	}
}

// Bare line feeds end a header for package message, which refuses them, and so they do here.
func TestFramerBareLineFeeds(t *testing.T) {
	for _, in := range []string{"OPTIONS sip:a SIP/2.0\nl: 1\n\nX", "OPTIONS sip:a SIP/2.0\r\nl: 1\r\n\nX"} {
		want := []string{fmt.Sprint(Message, " none ", in)}
		if got := feed(&Framer{MaxHeader: 256, MaxMessage: 512}, []byte(in), nil); !slices.Equal(got, want) {
			t.Errorf("%q: got %q", in, got)
		}
	}
}

// Messages of all sizes pass through one framer, whose memory falls back to the least.
func TestFramerSizes(t *testing.T) {
	f := &Framer{MaxHeader: 64 << 10, MaxMessage: 300 << 10}
	for _, n := range []int{0, 100, smallBlock, 16 << 10, 64 << 10, 250 << 10, 3, 8 << 10} {
		body := bytes.Repeat([]byte("b"), n)
		in := fmt.Appendf(nil, "A sip:a SIP/2.0\r\nl: %d\r\n\r\n%s", n, body)
		got := feed(f, in, []int{len(in) / 3, len(in) / 2})
		if len(got) != 1 || got[0] != fmt.Sprint(Message, " none ", string(in)) {
			t.Fatalf("body of %d bytes: %d results", n, len(got))
		}
	}
	if f.Space(); len(f.in.block.b) != smallBlock {
		t.Errorf("a framer at rest holds %d bytes", len(f.in.block.b))
	}
}

func FuzzFramer(f *testing.F) {
	f.Add([]byte(crlfs("OPTIONS sip:a SIP/2.0\nContent-Length: 3\n\nabc\n\n\n\nA B C\nl: 0\n\n")), uint64(1))
	f.Add([]byte("A\nl: 1\n\nX\r\n\r\n"), uint64(2))
	f.Add([]byte("A\r\nL\r\n : 1\r\n\r\nX"), uint64(3))
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		limits := func() *Framer { return &Framer{MaxHeader: 200, MaxMessage: 300} }
		whole := feed(limits(), b, nil)
		r := rand.New(rand.NewPCG(seed, 0))
		var cuts []int
		for at := 0; at < len(b); at += 1 + r.IntN(20) {
			cuts = append(cuts, at)
		}
		if split := feed(limits(), b, cuts); !slices.Equal(whole, split) {
			t.Fatalf("split otherwise:\n%q\n%q", whole, split)
		}
		// No byte is lost: messages, in order, with nothing but line ends between.
		rest := string(b)
		for _, x := range whole {
			if p, ok := strings.CutPrefix(x, fmt.Sprint(Message, " none ")); ok {
				rest = strings.TrimLeft(rest, "\r\n")
				if rest, ok = strings.CutPrefix(rest, p); !ok {
					t.Fatalf("message %q is not what came", p)
				}
				if len(p) > 300 {
					t.Fatalf("message of %d bytes", len(p))
				}
			}
		}
	})
}

// frame is a frame as a client sends it.
func frame(op ws.OpCode, fin bool, p string) string {
	f := ws.MaskFrameWith(ws.NewFrame(op, fin, []byte(p)), [4]byte{1, 2, 3, 4})
	return string(ws.MustCompileFrame(f))
}

func TestWSFramer(t *testing.T) {
	ok := func(p string) string { return fmt.Sprint(Message, " none ", p) }
	broken := func(f Fault) string { return fmt.Sprint(Broken, " ", f, " ") }
	long := strings.Repeat("m", 400)
	for _, c := range []struct {
		name, in string
		want     []string
		code     ws.StatusCode
	}{
		{"text and binary", frame(ws.OpText, true, "one") + frame(ws.OpBinary, true, "two\xff"), []string{ok("one"), ok("two\xff")}, 0},
		{"longer than 125", frame(ws.OpText, true, long), []string{ok(long)}, 0},
		{"fragments with a ping between", frame(ws.OpText, false, "a") + frame(ws.OpPing, true, "p") + frame(ws.OpContinuation, false, "b") + frame(ws.OpContinuation, true, "c"),
			[]string{fmt.Sprint(Ping, " none p"), ok("abc")}, 0},
		{"pong and close", frame(ws.OpPong, true, "") + frame(ws.OpClose, true, ""), []string{fmt.Sprint(Idle, " none "), fmt.Sprint(End, " none ")}, ws.StatusNormalClosure},
		{"not masked", string(ws.MustCompileFrame(ws.NewTextFrame([]byte("x")))), []string{broken(FaultWebSocket)}, ws.StatusProtocolError},
		{"reserved bits", "\xf1\x80\x01\x02\x03\x04", []string{broken(FaultWebSocket)}, ws.StatusProtocolError},
		{"continuation of nothing", frame(ws.OpContinuation, true, "x"), []string{broken(FaultWebSocket)}, ws.StatusProtocolError},
		{"message within fragments", frame(ws.OpText, false, "a") + frame(ws.OpText, true, "b"), []string{broken(FaultWebSocket)}, ws.StatusProtocolError},
		{"fragmented ping", frame(ws.OpPing, false, "a"), []string{broken(FaultWebSocket)}, ws.StatusProtocolError},
		{"too long", frame(ws.OpText, true, strings.Repeat("m", 513)), []string{broken(FaultBodySize)}, ws.StatusMessageTooBig},
		{"fragments too long together", frame(ws.OpText, false, long) + frame(ws.OpContinuation, true, long), []string{broken(FaultBodySize)}, ws.StatusMessageTooBig},
		{"length with the top bit", "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04", []string{broken(FaultBodySize)}, ws.StatusMessageTooBig},
		{"text that is not UTF-8", frame(ws.OpText, true, "\xff"), []string{broken(FaultWebSocket)}, ws.StatusInvalidFramePayloadData},
	} {
		t.Run(c.name, func(t *testing.T) {
			for cut := range len(c.in) {
				f := &WSFramer{MaxMessage: 512}
				if got := feed(f, []byte(c.in), []int{cut}); !slices.Equal(got, c.want) {
					t.Fatalf("cut at %d: got %q, want %q", cut, got, c.want)
				}
				if f.Code() != c.code {
					t.Fatalf("code %d, want %d", f.Code(), c.code)
				}
			}
		})
	}
}

func FuzzWSFramer(f *testing.F) {
	f.Add([]byte(frame(ws.OpText, false, "a")+frame(ws.OpPing, true, "p")+frame(ws.OpContinuation, true, "b")), uint64(1))
	f.Add([]byte(frame(ws.OpBinary, true, strings.Repeat("m", 200))), uint64(2))
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		whole := feed(&WSFramer{MaxMessage: 300}, b, nil)
		r := rand.New(rand.NewPCG(seed, 0))
		var cuts []int
		for at := 0; at < len(b); at += 1 + r.IntN(20) {
			cuts = append(cuts, at)
		}
		if split := feed(&WSFramer{MaxMessage: 300}, b, cuts); !slices.Equal(whole, split) {
			t.Fatalf("split otherwise:\n%q\n%q", whole, split)
		}
	})
}
