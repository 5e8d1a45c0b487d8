package torture

import (
	"bytes"
	"fmt"
	"testing"
)

// The responses of the RFC as answers to a request that sbcd forwarded: their Via
// lines are those of that request, every other byte is the RFC's.
func TestAnswers(t *testing.T) {
	r := newRig(t)
	for _, tt := range []struct {
		name    string
		method  string
		arrives bool   // at the caller; the RFC's answer is then the final one
		counter string // that goes up otherwise
	}{
		{"unreason", "INVITE", true, ""},
		// A 100 is not forwarded (RFC 3261 16.7 step 5).
		{"noreason", "INVITE", false, "retransmissions_absorbed"},
		{"scalarlg", "OPTIONS", false, "dropped_malformed"},
		{"bigcode", "INVITE", false, "dropped_malformed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := r.figures(t)
			req := request(tt.method, "sip:user@example.com", tt.name, "")
			r.caller.send(t, req)
			got := r.callee.receive(t)
			if tt.method == "INVITE" {
				if msg := r.caller.receive(t); status(msg) != 100 {
					t.Fatalf("no 100 for an INVITE\n%s", msg)
				}
			}
			reply := asAnswer(read(t, tt.name), all(got, "via"))
			r.callee.send(t, reply)
			if !tt.arrives {
				r.counted(t, before, tt.counter)
				reply = finalFor(got)
				r.callee.send(t, reply)
				if tt.method == "INVITE" {
					if msg := r.callee.receive(t); method(msg) != "ACK" {
						t.Fatalf("no ACK for the 486\n%s", msg)
					}
				}
			}
			via, _ := header(reply, "via")
			msg := r.caller.receive(t)
			if want := cut(reply, via); !bytes.Equal(msg, want) {
				t.Fatalf("not the reply that was sent:\n%q\n%q", msg, want)
			}
			switch {
			case tt.arrives: // a call has come about; BYE ends it
				r.caller.send(t, request("BYE", "sip:"+calleeIP, tt.name, ";tag=2229"))
				bye := r.callee.receive(t)
				r.callee.send(t, finalFor(bye))
				if msg := r.caller.receive(t); status(msg) != 200 || method(msg) != "BYE" {
					t.Fatalf("no 200 for the BYE\n%s", msg)
				}
			case tt.method == "INVITE":
				r.caller.send(t, ack("sip:user@example.com", msg))
			}
			r.quiet(t)
			want := ""
			if tt.counter != "retransmissions_absorbed" {
				want = tt.counter
			}
			r.explained(t, before, want)
		})
	}
	r.settle(t)
}

// A response that carries a Via of ours and below it the broadcast address of bcast
// is not sent there (RFC 4475 3.3.10). A CANCEL that left no state is what a proxy
// has nothing but the Via for.
func TestBroadcast(t *testing.T) {
	r := newRig(t)
	before := r.figures(t)
	r.caller.send(t, request("CANCEL", "sip:"+calleeIP, "bcast", ";tag=2229"))
	got := r.callee.receive(t)
	via, _ := header(got, "via")
	msg := read(t, "bcast")
	vias := all(msg, "via")
	old, _ := header(msg, "via")
	reply := asAnswer(msg, string(got[via.start:via.end])+vias[old.end-old.start:])
	if !bytes.Contains(reply, []byte("255.255.255.255")) {
		t.Fatalf("the broadcast address is gone\n%s", reply)
	}
	r.callee.send(t, reply)
	r.counted(t, before, "dropped_reply_target")
	r.quiet(t)
	r.explained(t, before, "dropped_reply_target")
	r.settle(t)
}

// request is one of the caller's own. toTag is empty outside of dialogs.
func request(method, uri, id, toTag string) []byte {
	return fmt.Appendf(nil, "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s%s\r\nMax-Forwards: 70\r\n"+
		"From: <sip:caller@example.net>;tag=a\r\nTo: <sip:user@example.com>%s\r\nCall-ID: %s\r\n"+
		"CSeq: 1 %s\r\nContent-Length: 0\r\n\r\n", method, uri, callerIP, method, id, toTag, id, method)
}

// asAnswer puts Via lines in the place of those of a response.
func asAnswer(reply []byte, vias string) []byte {
	via, _ := header(reply, "via")
	for {
		l, ok := header(reply, "via")
		if !ok {
			return []byte(string(reply[:via.start]) + vias + string(reply[via.start:]))
		}
		reply = cut(reply, l)
	}
}
