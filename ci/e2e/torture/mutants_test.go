package torture

import (
	"bytes"
	"fmt"
	"regexp"
	"testing"
)

const (
	cutStep  = 7
	flipStep = 11
)

// Every message cut short at every seventh byte, and with one bit turned at every
// eleventh: sbcd lives, and holds nothing afterwards.
func TestMutants(t *testing.T) {
	r := newRig(t)
	n := 0
	serial := func() int { n++; return n }
	for _, v := range verdicts {
		msg := read(t, v.name)
		size := len(fresh(msg, 0))
		for at := cutStep; at < size; at += cutStep {
			r.mutant(t, fresh(msg, serial())[:at])
		}
		for at := 0; at < size; at += flipStep {
			b := fresh(msg, serial())
			b[at] ^= 1 << (at / flipStep % 8)
			r.mutant(t, b)
		}
	}
	r.settle(t)
	f := r.figures(t).Counters
	t.Logf("%d mutants: %d forwarded, %d refused as malformed, %d dropped as malformed",
		n, f["forwarded_requests"], f["refused_malformed"], f["dropped_malformed"])
	if n > 10_000 {
		t.Errorf("%d mutants are more than this test is meant to send", n)
	}
	for _, name := range []string{"forwarded_requests", "forwarded_replies", "refused_malformed", "dropped_malformed"} {
		if f[name] == 0 {
			t.Errorf("no mutant was counted as %s: they do not reach what they are for", name)
		}
	}
}

var (
	branchValue = regexp.MustCompile(`branch\s*=\s*(z9hG4bK)?`)
	callIDValue = regexp.MustCompile(`(?i)\r\n(call-id|i)[ \t]*:[ \t]*`)
)

// fresh makes a message a transaction of its own: a number of fixed width goes into
// its first branch and its first Call-ID. A repeated one would only be absorbed.
func fresh(msg []byte, n int) []byte {
	out := bytes.Clone(msg)
	for _, where := range []*regexp.Regexp{branchValue, callIDValue} {
		if m := where.FindIndex(out); m != nil {
			out = bytes.Join([][]byte{out[:m[1]], out[m[1]:]}, fmt.Appendf(nil, "n%05x.", n))
		}
	}
	return out
}

// mutant sends a message from the side it belongs to, has it handled, and answers what
// comes out of it. The sender acknowledges what it must.
func (r *rig) mutant(t *testing.T, msg []byte) {
	t.Helper()
	from := r.caller
	if bytes.HasPrefix(msg, []byte("SIP/2.0 ")) {
		from = r.callee
	}
	from.send(t, msg)
	r.barrier(t, from, r.take(from, requestURI(msg)))
	reached := false
	for got := r.callee.poll(); got != nil; got = r.callee.poll() {
		r.take(r.callee, "")(got)
		reached = true
	}
	if !reached {
		return
	}
	r.barrier(t, r.callee, r.take(r.callee, ""))
	for got := r.caller.poll(); got != nil; got = r.caller.poll() {
		r.take(r.caller, requestURI(msg))(got)
	}
}

// serve answers what has arrived.
func (r *rig) serve() {
	for _, a := range []*agent{r.caller, r.other, r.callee} {
		for got := a.poll(); got != nil; got = a.poll() {
			r.take(a, "sip:user@example.com")(got)
		}
	}
}

// take is how an agent reacts to a datagram: a request gets its final reply, a final
// reply to an INVITE its ACK, which names uri.
func (r *rig) take(a *agent, uri string) func([]byte) {
	return func(msg []byte) {
		var out []byte
		switch code := status(msg); {
		case code == 0 && method(msg) != "ACK" && len(lines(msg)) > 0:
			out = finalFor(msg)
		case code >= 300 && method(msg) == "INVITE":
			out = ack(uri, msg)
		default:
			return
		}
		_, _ = a.conn.WriteToUDPAddrPort(out, a.to) // it comes again if this is lost
	}
}
