package engine

import (
	"net/netip"
	"strings"
	"testing"

	"trunkline/appliance/runtime"
	"trunkline/proxy/message"
)

// paths are ways of a call beside the one TestPathAllocatesNothing goes: each is a
// whole call, from its INVITE to its end.
type paths struct {
	*path
	cancel, ackRefused, reinvite, ackAgain, info template

	first      message.View // the INVITE as it was forwarded first,
	firstBytes []byte       // and its bytes
}

func newPaths(t testing.TB, change ...func(*runtime.Appliance)) *paths {
	t.Helper()
	second := newAgent(t, "127.0.21.1")
	p := &paths{path: newPath(t, append(change, func(a *runtime.Appliance) {
		// A second destination, to fail over to.
		d := &a.Dispatchers[0]
		d.Destinations = append(d.Destinations, runtime.Destination{Name: "fs2", URI: "sip:" + second.addr.String(), Address: second.addr, Listener: "in"})
	})...)}
	number := strings.Repeat("0", numberWidth)
	of := func(from template, change ...string) template {
		head, _, _ := strings.Cut(string(from.b), "Content-Type:")
		head, _, _ = strings.Cut(head, "Content-Length:")
		return newTemplate(strings.NewReplacer(change...).Replace(head)+"Content-Length: 0\r\n\r\n", number)
	}
	p.cancel = of(p.invite, "INVITE sip:", "CANCEL sip:", "1 INVITE", "1 CANCEL")
	p.ackRefused = of(p.invite, "INVITE sip:", "ACK sip:", "1 INVITE", "1 ACK")
	p.info = of(p.bye, "BYE sip:", "INFO sip:", "2 BYE", "2 INFO", "z9hG4bK-b", "z9hG4bK-n")
	p.reinvite = of(p.bye, "BYE sip:", "INVITE sip:", "2 BYE", "2 INVITE", "z9hG4bK-b", "z9hG4bK-r")
	p.ackAgain = of(p.ack, "1 ACK", "2 ACK", "z9hG4bK-a", "z9hG4bK-e")
	return p
}

func (p *paths) from(t *template) { p.w.handle(p.out, t.fill(p.n), p.alice) }

// begin sends the INVITE of the next call.
func (p *paths) begin(t testing.TB) {
	p.n++
	p.from(&p.invite)
	p.firstBytes = append(p.firstBytes[:0], p.w.out...)
	if err := p.first.Parse(p.firstBytes); err != nil || p.first.Method != message.INVITE {
		t.Fatalf("the worker forwarded no INVITE (%v):\n%s", err, p.firstBytes)
	}
}

// reply replies to the INVITE as it was forwarded first.
func (p *paths) reply(code int) {
	p.pkt = message.AppendReply(p.pkt[:0], &p.first, message.ReplyParams{Status: code, ToTag: p.tag})
	p.w.handle(p.in, p.pkt, p.bob)
}

func (p *paths) hangUp(t testing.TB) {
	p.from(&p.bye)
	p.answer(t, 200)
}

// Nothing is allocated for calls that are cancelled, refused, moved to another
// destination, or have requests within their dialog.
func TestOtherPathsAllocateNothing(t *testing.T) {
	for _, tt := range []struct {
		name    string
		call    func(t testing.TB, p *paths)
		counter string // must count each call
	}{
		{"refused", func(t testing.TB, p *paths) {
			p.begin(t)
			p.reply(180)
			p.reply(486)
			p.from(&p.ackRefused)
		}, "calls"},
		{"cancelled", func(t testing.TB, p *paths) {
			p.begin(t)
			p.reply(180)
			p.from(&p.cancel)
			p.answer(t, 200) // the CANCEL
			p.reply(487)
			p.from(&p.ackRefused)
		}, "cancelled"},
		{"moved", func(t testing.TB, p *paths) {
			p.begin(t)
			p.answer(t, 503)
			p.answer(t, 180, 200)
			p.from(&p.ack)
			p.hangUp(t)
		}, "failovers"},
		{"requests within the dialog", func(t testing.TB, p *paths) {
			p.begin(t)
			p.answer(t, 180, 200)
			p.from(&p.ack)
			p.from(&p.reinvite)
			p.answer(t, 200)
			p.from(&p.ackAgain)
			p.from(&p.info)
			p.answer(t, 200)
			p.hangUp(t)
		}, "answered"},
		{"repeated", func(t testing.TB, p *paths) {
			p.begin(t)
			p.from(&p.invite)
			p.reply(180)
			p.from(&p.invite)
			p.reply(200)
			p.reply(200)
			p.from(&p.ack)
			p.from(&p.bye)
			p.answer(t, 200)
			p.from(&p.bye)
		}, "answered"},
		{"from strangers", func(t testing.TB, p *paths) {
			p.n++
			p.w.handle(p.out, p.invite.fill(p.n), stranger)
		}, "dropped_source"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPaths(t)
			turn := func() {
				tt.call(t, p)
				if p.n%64 == 0 {
					p.e.table.Advance(p.e.now(), p.w.fire)
				}
			}
			for range 500 {
				turn() // the tables grow to their peak
			}
			if n := testing.AllocsPerRun(500, turn); n != 0 {
				t.Errorf("%v allocations per call", n)
			}
			got := sum([]*worker{p.w})
			if got[tt.counter] < p.n {
				t.Errorf("%s is %d after %d calls: %v", tt.counter, got[tt.counter], p.n, nonZero(got))
			}
			if p.e.calls.Live() != 0 {
				t.Errorf("%d calls left", p.e.calls.Live())
			}
		})
	}
}

// stranger is no source of the path's listeners.
var stranger = netip.MustParseAddrPort("192.0.2.66:5060")
