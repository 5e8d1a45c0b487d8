package transaction

import (
	"fmt"
	"strings"
	"testing"
)

func (a Action) String() string {
	return names(uint8(a), "ack", "cancel", "cancel-current", "relay", "final")
}

func (e Event) String() string {
	return names(uint8(e), "resend-request", "resend-cancel", "resend-response", "no-reply", "no-final", "done")
}

func names(v uint8, of ...string) string {
	var out []string
	for i, n := range of {
		if v&(1<<i) != 0 {
			out = append(out, n)
		}
	}
	return strings.Join(out, "+")
}

// A step is one input at a time (ms); got is what the machine said.
type step struct {
	at   int64
	what string
	want string
}

// drive runs a script against one slot. Inputs: start, abandon, extend,
// "reply A CODE", "cancel", "cancel-sent A", "cancel-reply A", "complete CODE",
// "ack", and "tick": everything due until then, with its times.
func drive(t *testing.T, invite bool, steps []step) {
	t.Helper()
	tm := &Timers{T1: 500, T2: 4000, Reply: 5000, Invite: 30000, Wait: 5000}
	s := &Slot{}
	s.begin(0, invite, tm)
	for i, st := range steps {
		var got string
		var a, code int
		f := strings.Fields(st.what)
		if len(f) > 1 {
			fmt.Sscan(f[1], &a)
		}
		if len(f) > 2 {
			fmt.Sscan(f[2], &code)
		}
		switch f[0] {
		case "start":
			n, ok := s.Start(st.at, Endpoint{}, tm.Reply, tm)
			got = fmt.Sprint(n, " ", ok)
		case "abandon":
			s.Abandon()
		case "extend":
			got = fmt.Sprint(s.Extend(st.at, tm))
		case "reply":
			got = s.OnReply(st.at, a, code, tm).String()
		case "cancel":
			got = fmt.Sprint(s.OnCancel())
		case "cancel-sent":
			s.CancelSent(st.at, a, tm)
		case "cancel-reply":
			s.OnCancelReply(a)
		case "complete":
			s.Complete(st.at, a, tm)
		case "ack":
			got = fmt.Sprint(s.OnAck(st.at, tm))
		case "tick":
			var fired []string
			for {
				at := s.earliest()
				if at == 0 || at > st.at {
					break
				}
				ev := s.due(at, tm)
				if ev == 0 {
					t.Fatalf("step %d: due at %d said nothing", i, at)
				}
				fired = append(fired, fmt.Sprintf("%d:%v", at, ev))
				if ev&Done != 0 {
					s.State = Free
					s.endsAt, s.resendAt, s.cancelAt, s.replyBy = 0, 0, 0, 0
				}
			}
			got = strings.Join(fired, " ")
		case "state":
			got = s.State.String()
		default:
			t.Fatalf("unknown step %q", st.what)
		}
		if got != st.want {
			t.Fatalf("step %d at %d: %s gave %q, want %q", i, st.at, st.what, got, st.want)
		}
	}
}

func TestInvite(t *testing.T) {
	for name, steps := range map[string][]step{
		"answered; 2xx retransmissions relayed": {
			{0, "start", "0 true"}, {10, "reply 0 100", ""}, {20, "reply 0 180", "relay"}, {30, "state", "proceeding"},
			{40, "reply 0 200", "relay+final"}, {40, "complete 200", ""}, {40, "state", "accepted"},
			{600, "reply 0 200", "relay"}, {700, "ack", "false"}, {6000, "tick", "5040:done"}, {6000, "state", "free"},
		},
		"timer A doubles until a reply": {
			{0, "start", "0 true"}, {4000, "tick", "500:resend-request 1500:resend-request 3500:resend-request"},
			{4100, "reply 0 100", ""}, {29000, "tick", ""},
		},
		"rejected, ACK lost: timer G, then H": {
			{0, "start", "0 true"}, {10, "reply 0 486", "ack+final"}, {10, "complete 486", ""},
			{20, "reply 0 486", "ack"}, {9000, "tick", "510:resend-response 1510:resend-response 3510:resend-response 7510:resend-response"},
			{9000, "ack", "true"}, {9000, "state", "confirmed"}, {9010, "ack", "true"}, {20000, "tick", "14000:done"},
		},
		"never acknowledged": {
			{0, "start", "0 true"}, {0, "reply 0 500", "ack+final"}, {0, "complete 500", ""},
			{40000, "tick", "500:resend-response 1500:resend-response 3500:resend-response 7500:resend-response 11500:resend-response 15500:resend-response 19500:resend-response 23500:resend-response 27500:resend-response 31500:resend-response 32000:done"},
		},
		"no reply, next destination, late replies of the first": {
			{0, "start", "0 true"}, {5000, "tick", "500:resend-request 1500:resend-request 3500:resend-request 5000:no-reply"},
			{5000, "abandon", ""}, {5000, "start", "1 true"}, {5010, "reply 1 180", "relay"},
			{5100, "reply 0 100", "cancel"}, {5100, "cancel-sent 0", ""}, {5110, "reply 0 180", ""},
			{5200, "reply 0 487", "ack"}, {5300, "reply 1 200", "relay+final"}, {5300, "complete 200", ""},
			{5300, "tick", ""}, {11000, "tick", "10300:done"},
		},
		"an abandoned destination answers: its 200 counts, the other is cancelled": {
			{0, "start", "0 true"}, {5000, "abandon", ""}, {5000, "start", "1 true"}, {5010, "reply 1 180", "relay"},
			{5100, "reply 0 200", "cancel-current+relay+final"}, {5100, "cancel-sent 1", ""}, {5100, "complete 200", ""},
			{5200, "reply 1 200", "relay"}, {5300, "reply 1 180", ""},
		},
		// CANCEL would have no effect on what has ended (RFC 3261 9.2).
		"a final reply overtakes a provisional one of the same destination": {
			{0, "start", "0 true"}, {10, "reply 0 503", "ack+final"}, {10, "start", "1 true"}, {20, "reply 0 180", ""},
			{30, "reply 1 200", "relay+final"}, {30, "complete 200", ""}, {40, "reply 1 180", ""}, {6000, "tick", "5030:done"},
		},
		"timer C": {
			{0, "start", "0 true"}, {10, "reply 0 180", "relay"}, {30000, "tick", "30000:no-final"},
			{30000, "cancel-sent 0", ""}, {30000, "complete 408", ""},
			{30400, "reply 0 487", "ack"}, {30500, "tick", "30500:resend-response"}, {30600, "ack", "true"}, {40000, "tick", "35600:done"},
		},
		"extended once": {
			{0, "start", "0 true"}, {10, "reply 0 100", ""}, {30000, "tick", "30000:no-final"}, {30000, "extend", "true"},
			{30000, "abandon", ""}, {30000, "cancel-sent 0", ""}, {30000, "start", "1 true"}, {30100, "reply 1 100", ""},
			{30200, "reply 0 487", "ack"}, {61000, "tick", "60000:no-final"}, {60000, "extend", "false"},
		},
		"cancel while ringing": {
			{0, "start", "0 true"}, {10, "reply 0 180", "relay"}, {20, "cancel", "true"}, {20, "cancel-sent 0", ""},
			{25, "cancel", "false"}, {2000, "tick", "520:resend-cancel 1520:resend-cancel"}, {2000, "cancel-reply 0", ""},
			{9000, "tick", ""}, {9000, "reply 0 487", "ack+final"},
		},
		"cancel before any reply waits for the first": {
			{0, "start", "0 true"}, {20, "cancel", "false"}, {600, "tick", "500:resend-request"},
			{700, "reply 0 100", "cancel"}, {700, "cancel-sent 0", ""}, {710, "reply 0 180", "relay"},
			{720, "reply 0 487", "ack+final"},
		},
		"a 200 overtakes the CANCEL": {
			{0, "start", "0 true"}, {10, "reply 0 180", "relay"}, {20, "cancel", "true"}, {20, "cancel-sent 0", ""},
			{30, "reply 0 200", "relay+final"}, {30, "complete 200", ""}, {31, "cancel-reply 0", ""}, {40, "state", "accepted"},
		},
		"cancelled and silent": {
			{0, "start", "0 true"}, {10, "reply 0 180", "relay"}, {20, "cancel", "true"}, {20, "cancel-sent 0", ""},
			{30, "cancel-reply 0", ""}, {40000, "tick", "32020:no-final"},
		},
		"200 after our 408": {
			{0, "start", "0 true"}, {0, "complete 408", ""}, {10, "reply 0 200", "relay"},
		},
		"a provisional reply overtaken by the final one": {
			{0, "start", "0 true"}, {10, "reply 0 486", "ack+final"}, {10, "complete 486", ""}, {20, "reply 0 180", ""},
		},
		"unknown attempt": {
			{0, "start", "0 true"}, {10, "reply 7 200", ""}, {10, "state", "calling"},
		},
	} {
		t.Run(name, func(t *testing.T) { drive(t, true, steps) })
	}
}

func TestNonInvite(t *testing.T) {
	for name, steps := range map[string][]step{
		"answered": {
			{0, "start", "0 true"}, {10, "reply 0 200", "final"}, {10, "complete 200", ""}, {20, "reply 0 200", ""},
			{6000, "tick", "5010:done"},
		},
		"timer E doubles to T2; silence is NoReply": {
			{0, "start", "0 true"}, {5000, "tick", "500:resend-request 1500:resend-request 3500:resend-request 5000:no-reply"},
		},
		"provisional: every T2, until timer F": {
			{0, "start", "0 true"}, {100, "reply 0 100", ""}, {9000, "tick", "500:resend-request 4500:resend-request 8500:resend-request"},
			{33000, "tick", "12500:resend-request 16500:resend-request 20500:resend-request 24500:resend-request 28500:resend-request 32000:no-final"},
		},
		"CANCEL does not apply": {{0, "start", "0 true"}, {1, "cancel", "false"}},
	} {
		t.Run(name, func(t *testing.T) { drive(t, false, steps) })
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	tm := &Timers{T1: 500, T2: 4000, Invite: 30000}
	s := &Slot{}
	s.begin(0, true, tm)
	for i := range MaxAttempts {
		if n, ok := s.Start(0, Endpoint{}, 1, tm); !ok || n != i {
			t.Fatalf("attempt %d: %d %v", i, n, ok)
		}
	}
	if _, ok := s.Start(0, Endpoint{}, 1, tm); ok {
		t.Error("one attempt too many")
	}
}
