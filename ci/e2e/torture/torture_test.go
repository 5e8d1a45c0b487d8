package torture

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every message has a verdict and every verdict a message.
func TestComplete(t *testing.T) {
	files, err := filepath.Glob("../../../proxy/message/testdata/torture/*.dat")
	if err != nil || len(files) != 49 || len(verdicts) != 49 {
		t.Fatalf("%d messages and %d verdicts (%v), RFC 4475 has 49", len(files), len(verdicts), err)
	}
	seen := map[string]bool{}
	for _, v := range verdicts {
		if seen[v.name] || seen[v.section] {
			t.Errorf("%s (%s) is there twice", v.name, v.section)
		}
		seen[v.name], seen[v.section] = true, true
		if _, err := os.Stat("../../../proxy/message/testdata/torture/" + v.name + ".dat"); err != nil {
			t.Error(err)
		}
		if (v.outcome == forwarded) != (v.counter == "") || (v.outcome == refused) != (v.status != 0) {
			t.Errorf("%s: outcome, status and counter do not fit", v.name)
		}
	}
}

// Each message over the wire, as it stands in the RFC.
func TestVerdicts(t *testing.T) {
	r := newRig(t)
	// Some messages have the same branch and sender: to a proxy, one repeats the other.
	// They go in different passes, with nothing kept in between.
	for left := verdicts; len(left) > 0; {
		var later []verdict
		used := map[string]bool{}
		for _, v := range left {
			msg := read(t, v.name)
			via, _ := header(msg, "via")
			if key := via.value + " " + method(msg); status(msg) == 0 && used[key] {
				later = append(later, v)
				continue
			} else {
				used[key] = true
			}
			t.Run(v.name, func(t *testing.T) { r.try(t, v, msg) })
		}
		r.settle(t)
		left = later
	}
}

// What the RFC's messages become with the one thing changed that keeps them from
// showing what they test.
func TestAdapted(t *testing.T) {
	r := newRig(t)
	tests := []struct {
		verdict
		change func([]byte) []byte
	}{
		// The Route leads to the callee.
		{verdict{name: "wsinv", section: "3.1.1.1"}, func(b []byte) []byte {
			return bytes.Replace(b, []byte("services.example.com"), []byte(calleeIP), 1)
		}},
		// As the archive of the RFC has it: without the empty line that ends the header.
		{verdict{name: "baddn", section: "3.1.2.15", outcome: refused, status: 400, counter: "refused_malformed"}, func(b []byte) []byte {
			return bytes.TrimSuffix(b, []byte("\r\n"))
		}},
		// A datagram may begin with line ends (RFC 3261 7.5).
		{verdict{name: "esc01", section: "3.1.1.3"}, func(b []byte) []byte {
			return append([]byte("\r\n\r\n"), b...)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := read(t, tt.name)
			msg := tt.change(b)
			if bytes.Equal(msg, b) {
				t.Fatal("nothing was changed")
			}
			r.try(t, tt.verdict, msg)
		})
	}
	r.settle(t)
}

// try sends a message and holds sbcd to a verdict.
func (r *rig) try(t *testing.T, v verdict, msg []byte) {
	before := r.figures(t)
	from := r.caller
	if status(msg) != 0 || bytes.HasPrefix(msg, []byte("SIP/")) {
		from = r.callee
	}
	from.send(t, msg)
	switch v.outcome {
	case forwarded:
		r.forwarded(t, bytes.TrimLeft(msg, "\r\n"))
	case refused:
		r.refused(t, v, msg)
	case dropped:
		r.counted(t, before, v.counter)
	}
	r.quiet(t)
	r.explained(t, before, v.counter)
}

// forwarded follows a request to the callee and the answer back.
func (r *rig) forwarded(t *testing.T, msg []byte) {
	t.Helper()
	got := r.callee.receive(t)
	want := datagramBody(msg)
	if back := undo(t, got, want); !bytes.Equal(back, want) {
		t.Fatalf("not the bytes that were sent:\n%q\n%q", back, want)
	}
	final := finalFor(got)
	r.callee.send(t, final)
	if method(msg) == "INVITE" {
		if got := r.caller.receive(t); status(got) != 100 {
			t.Fatalf("no 100 for an INVITE\n%s", got)
		}
		if got := r.callee.receive(t); method(got) != "ACK" || all(got, "call-id") != all(final, "call-id") {
			t.Fatalf("no ACK for the 486\n%s", got)
		}
	}
	via, _ := header(final, "via")
	reply := r.caller.receive(t)
	if want := cut(final, via); !bytes.Equal(reply, want) {
		t.Fatalf("not the reply that was sent:\n%q\n%q", reply, want)
	}
	if method(msg) == "INVITE" {
		r.caller.send(t, ack(requestURI(msg), reply))
	}
}

// refused checks the reply sbcd gives itself: all that a reply repeats, the sender in
// the Via, a tag in To, and nothing else (RFC 3261 8.2.6).
func (r *rig) refused(t *testing.T, v verdict, msg []byte) {
	t.Helper()
	from := r.caller
	if via, _ := header(msg, "via"); strings.Contains(via.value, ":"+otherPort) {
		from = r.other
	}
	reply := from.receive(t)
	if status(reply) != v.status {
		t.Fatalf("status %d, want %d\n%s", status(reply), v.status, reply)
	}
	got := strings.Replace(all(reply, "via"), ";received="+callerIP, "", 1)
	if want := all(msg, "via"); got != want && v.name != "badinv01" { // whose Via does not end where it should
		t.Errorf("Via %q, want %q", got, want)
	}
	for _, name := range []string{"from", "to", "call-id", "cseq"} {
		got, given := header(reply, name)
		want, due := header(msg, name)
		if name == "to" && !inDialog(msg) {
			got.value, _, _ = strings.Cut(got.value, ";tag=tl")
		}
		if given != due || got.value != want.value {
			t.Errorf("%s %q, want %q", name, got.value, want.value)
		}
	}
	if _, to := header(msg, "to"); to && !inDialog(reply) {
		t.Errorf("no To tag\n%s", reply)
	}
	if v.status == 420 { // RFC 3261 20.40: what was asked of proxies and no more
		got, _ := header(reply, "unsupported")
		if want, _ := header(msg, "proxy-require"); got.value != want.value {
			t.Errorf("Unsupported %q, want %q", got.value, want.value)
		}
	}
}

// quiet checks that sbcd lives and has nothing more to say to anybody.
func (r *rig) quiet(t *testing.T) {
	t.Helper()
	for _, a := range []*agent{r.caller, r.callee} {
		r.barrier(t, a, func(msg []byte) { t.Errorf("%s also got\n%s", a.addr, msg) })
	}
	if msg := r.other.poll(); msg != nil {
		t.Errorf("%s also got\n%s", r.other.addr, msg)
	}
}
