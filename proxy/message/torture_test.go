package message

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// torture is what a proxy makes of each RFC 4475 message. Where the RFC leaves a
// choice between refusing and passing on, what no hop on the path needs to
// understand is passed on.
var torture = []struct {
	name  string
	fault Fault
	reply int // code due, 0: forwarded or dropped
}{
	// 3.1.1 valid
	{"wsinv", FaultNone, 0},
	{"intmeth", FaultNone, 0},
	{"esc01", FaultNone, 0},
	{"escnull", FaultNone, 0},
	{"esc02", FaultNone, 0},
	{"lwsdisp", FaultNone, 0},
	{"longreq", FaultNone, 0},
	{"dblreq", FaultNone, 0},
	{"semiuri", FaultNone, 0},
	{"transports", FaultNone, 0},
	{"mpart01", FaultNone, 0},
	{"unreason", FaultNone, 0},
	{"noreason", FaultNone, 0},
	// 3.1.2 invalid
	{"badinv01", FaultVia, 400},
	{"clerr", FaultTruncated, 400},
	{"ncl", FaultContentLength, 400},
	{"scalar02", FaultCSeq, 400},
	{"scalarlg", FaultCSeq, 0}, // a reply
	{"quotbal", FaultTo, 400},
	{"ltgtruri", FaultURI, 400},
	{"lwsruri", FaultRequestLine, 400},
	{"lwsstart", FaultRequestLine, 400},
	{"trws", FaultRequestLine, 400},
	{"escruri", FaultURI, 400},
	{"baddate", FaultNone, 0},  // Date is not for proxies
	{"regbadct", FaultNone, 0}, // nor Contact
	{"badaspec", FaultNone, 0}, // meaning clear
	{"baddn", FaultNone, 0},    // meaning clear
	{"badvers", FaultVersion, 505},
	{"mismatch01", FaultCSeqMethod, 400},
	{"mismatch02", FaultCSeqMethod, 400},
	{"bigcode", FaultStatusLine, 0}, // a reply
	// 3.2 and later: the transaction layer and the application judge
	{"badbranch", FaultNone, 0},
	{"insuf", FaultNoFrom, 400}, // with neither From, To nor Call-ID
	{"unkscm", FaultNone, 0},
	{"novelsc", FaultNone, 0},
	{"unksm2", FaultNone, 0},
	{"bext01", FaultNone, 0},
	{"invut", FaultNone, 0},
	{"regaut01", FaultNone, 0},
	{"multi01", FaultDuplicate, 400},
	{"mcl01", FaultDuplicate, 400},
	{"bcast", FaultNone, 0},
	{"zeromf", FaultNone, 0},
	{"cparam01", FaultNone, 0},
	{"cparam02", FaultNone, 0},
	{"regescrt", FaultNone, 0},
	{"sdp01", FaultNone, 0},
	{"inv2543", FaultNone, 0},
}

func readTorture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "torture", name+".dat"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTortureVerdicts(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "torture", "*.dat"))
	if err != nil || len(files) != len(torture) {
		t.Fatalf("%d messages, %d verdicts (%v)", len(files), len(torture), err)
	}
	for _, tt := range torture {
		t.Run(tt.name, func(t *testing.T) {
			var v View
			err := v.Parse(readTorture(t, tt.name))
			if v.Fault() != tt.fault || (err == nil) != (tt.fault == FaultNone) {
				t.Fatalf("fault %v (error %v), want %v", v.Fault(), err, tt.fault)
			}
			reply := 0
			if v.Replyable() {
				reply = v.Fault().Status()
			}
			if err == nil {
				reply = 0
			}
			if reply != tt.reply {
				t.Fatalf("reply %d, want %d", reply, tt.reply)
			}
			if reply == 0 {
				return
			}
			out := AppendReply(nil, &v, ReplyParams{Status: reply, ToTag: []byte("tl1")})
			var r View
			// What was wrong in a field the reply repeats is still wrong in it.
			if err := r.Parse(out); err != nil && r.Fault() != tt.fault {
				t.Fatalf("the reply is malformed: %v\n%s", err, out)
			}
			if r.Status() != reply {
				t.Fatalf("status %d\n%s", r.Status(), out)
			}
		})
	}
}

// What a request lacks, the reply lacks too: nothing is made up, no To tag either.
func TestTortureReplyWithoutIdentity(t *testing.T) {
	var v View
	if err := v.Parse(readTorture(t, "insuf")); err != FaultNoFrom {
		t.Fatal(err)
	}
	got := string(AppendReply(nil, &v, ReplyParams{Status: 400, ToTag: []byte("tl1"), Received: netip.MustParseAddr("192.0.2.250")}))
	want := "SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf;received=192.0.2.250\r\n" +
		"CSeq: 193942 INVITE\r\nContent-Length: 0\r\n\r\n"
	if got != want {
		t.Fatalf("%q, want %q", got, want)
	}
}

// Every survivor is forwarded byte for byte outside what a proxy must change.
func TestTortureForwarded(t *testing.T) {
	for _, tt := range torture {
		if tt.fault != FaultNone {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			var v View
			if err := v.Parse(readTorture(t, tt.name)); err != nil {
				t.Fatal(err)
			}
			if !v.IsRequest() {
				checkRemoved(t, &v)
				return
			}
			checkInserted(t, &v)
		})
	}
}

const (
	testVia = "Via: SIP/2.0/UDP 192.0.2.99:5060;branch=z9hG4bKtest\r\n"
	testRR1 = "Record-Route: <sip:192.0.2.99;lr>\r\n"
	testRR2 = "Record-Route: <sip:192.0.2.98;lr>\r\n"
)

// checkInserted makes every insertion and undoes it in the output by text.
func checkInserted(t *testing.T, v *View) {
	t.Helper()
	e := RequestEdits{
		Via:         []byte(testVia),
		RecordRoute: [2][]byte{[]byte(testRR1), []byte(testRR2)},
		Received:    netip.MustParseAddr("192.0.2.250"),
	}
	mf, _ := v.Forwarded()
	e.MaxForwards, e.SetMaxForwards = mf, true
	out := string(AppendRequest(nil, v, &e))
	var f View
	if err := f.Parse([]byte(out)); err != nil {
		t.Fatalf("forwarded message does not parse: %v\n%s", err, out)
	}
	if got := string(f.Get(f.Via.Branch)); got != "z9hG4bKtest" {
		t.Fatalf("top branch %q", got)
	}
	if f.MaxForwards != int16(mf) {
		t.Fatalf("Max-Forwards %d, want %d", f.MaxForwards, mf)
	}
	second, ok := f.ViaAt(f.SecondVia)
	if !ok || string(f.Get(second.Received)) != "192.0.2.250" {
		t.Fatalf("received %q in the second Via", f.Get(second.Received))
	}
	back := strings.Replace(out, testVia, "", 1)
	back = strings.Replace(back, testRR1+testRR2, "", 1)
	if old := string(v.Get(v.Via.Received)); old != "" {
		back = strings.Replace(back, "192.0.2.250", old, 1)
	} else {
		back = strings.Replace(back, ";received=192.0.2.250", "", 1)
	}
	var b View
	if err := b.Parse([]byte(back)); err != nil {
		t.Fatal(err)
	}
	if v.MaxForwards < 0 {
		back = strings.Replace(back, "Max-Forwards: 70\r\n", "", 1)
	} else {
		back = back[:b.mfValue.Start] + string(v.Get(v.mfValue)) + back[b.mfValue.End:]
	}
	if !bytes.Equal([]byte(back), v.Bytes()) {
		t.Fatalf("not the same bytes:\n%q\n%q", back, v.Bytes())
	}
}

// checkRemoved removes the top Via and compares with the text around it.
func checkRemoved(t *testing.T, v *View) {
	t.Helper()
	out := AppendResponse(nil, v, &ResponseEdits{RemoveTopVia: true})
	want := string(v.buf[:v.Via.remove.Start]) + string(v.buf[v.Via.remove.End:])
	if string(out) != want || len(out) >= len(v.buf) {
		t.Fatalf("got %q", out)
	}
	var r View
	err := r.Parse(out)
	if v.SecondVia.Empty() {
		if r.Fault() != FaultNoVia {
			t.Fatalf("%v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(r.Get(r.Via.Value)), string(v.Get(v.SecondVia)); got != want {
		t.Fatalf("top Via %q, want %q", got, want)
	}
}
