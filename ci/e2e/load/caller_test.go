package load

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"trunkline/tools/sipload/wire"
)

// does is what a caller does.
type does int

const (
	hangsUp does = iota
	reinvites
	cancels
	resetsInviting // the connection, right after the INVITE
	resetsRinging  // when it rings
	resetsInCall   // and hangs up by another connection
	abandons       // the call is answered and its end never comes
	stutters       // half an INVITE, then a reset
)

// script is a kind of call.
type script struct {
	name   string
	set    string // first digits of the number
	callee byte
	caller does
	stream bool  // the caller is at TCP
	weight int   // how often, among all
	final  []int // what the INVITE may get; nil: anything, or a lost connection
}

// scripts are what is mixed. Where nothing is broken on the way, the end is known.
var scripts = []script{
	{"answered", "73", calleeAnswers, hangsUp, false, 6, []int{200}},
	{"answered, over TCP", "73", calleeAnswers, hangsUp, true, 6, []int{200}},
	{"callee hangs up", "73", calleeHangsUp, hangsUp, false, 3, []int{200}},
	{"callee hangs up, over TCP", "73", calleeHangsUp, hangsUp, true, 3, []int{200}},
	{"re-INVITE", "73", calleeAnswers, reinvites, false, 3, []int{200}},
	{"re-INVITE, over TCP", "73", calleeAnswers, reinvites, true, 3, []int{200}},
	{"busy", "73", calleeIsBusy, hangsUp, false, 3, []int{486}},
	{"busy, over TCP", "73", calleeIsBusy, hangsUp, true, 3, []int{486}},
	{"unanswered", "73", calleeRings, hangsUp, false, 1, []int{408}},
	{"unanswered, over TCP", "73", calleeRings, hangsUp, true, 1, []int{408}},
	{"cancelled", "73", calleeRings, cancels, false, 3, []int{487}},
	{"cancelled, over TCP", "73", calleeRings, cancels, true, 3, []int{487}},
	{"silent", "73", calleeIsSilent, hangsUp, false, 1, []int{408, 503}},
	{"abandoned", "73", calleeAnswers, abandons, false, 1, []int{200}},
	{"cancel meets the answer", "73", calleeAnswers, cancels, false, 2, []int{200, 487}},

	{"to failing callees", "70", calleeAnswers, hangsUp, false, 6, []int{200, 408, 503}},
	{"to failing callees, over TCP", "70", calleeAnswers, hangsUp, true, 6, []int{200, 408, 503}},
	{"refused by all", "70", calleeFails, hangsUp, false, 2, []int{503, 408}},
	{"trying and no more", "70", calleeTries, hangsUp, false, 1, []int{408, 503}},
	{"cancelled at failing callees", "70", calleeRings, cancels, false, 2, []int{487, 408, 503}},

	{"to connections that fail", "71", calleeAnswers, hangsUp, false, 6, []int{200, 408, 503}},
	{"to connections that fail, over TCP", "71", calleeAnswers, hangsUp, true, 6, []int{200, 408, 503}},
	{"callee resets", "71", calleeResets, hangsUp, false, 2, []int{200, 408, 503}},
	{"callee resets ringing", "71", calleeResetsLater, hangsUp, false, 1, []int{408, 503}},
	{"callee resets in the call", "71", calleeResetsInCall, hangsUp, false, 2, []int{200, 408, 503}},
	{"callee resets and hangs up", "71", calleeHangsUp, hangsUp, false, 2, []int{200, 408, 503}},

	{"lossy", "72", calleeAnswers, hangsUp, false, 4, []int{200, 408, 503}},
	{"lossy, callee hangs up", "72", calleeHangsUp, hangsUp, false, 2, []int{200, 408, 503}},
	{"lossy, cancelled", "72", calleeRings, cancels, false, 2, []int{487, 408, 503}},
	{"lossy, busy", "72", calleeIsBusy, hangsUp, false, 2, []int{486, 408, 503}},

	{"caller resets inviting", "73", calleeAnswers, resetsInviting, true, 1, nil},
	{"caller resets ringing", "71", calleeRings, resetsRinging, true, 1, nil},
	{"caller resets in the call", "73", calleeAnswers, resetsInCall, true, 2, nil},
	{"caller stutters", "73", calleeAnswers, stutters, true, 1, nil},
}

// pick picks a script by weight.
func pick() *script {
	total := 0
	for i := range scripts {
		total += scripts[i].weight
	}
	n := rand.IntN(total)
	for i := range scripts {
		if n -= scripts[i].weight; n < 0 {
			return &scripts[i]
		}
	}
	panic("unreachable")
}

// place places one call from a party and sees it through.
func (p *party) place(s *script, number int, proxy netip.AddrPort) {
	user := fmt.Sprintf("%s%c%06d", s.set, s.callee, number)
	p.mu.Lock()
	d := p.newDialog(fmt.Sprintf("%08x%08x@%s", number, rand.Uint32(), p.addr.Addr()))
	p.mu.Unlock()
	d.proxy, d.local, d.link = proxy, "sip:caller@"+p.addr.String(), p.udp
	d.target = "sip:" + user + "@" + proxy.String()
	d.remote = "<" + d.target + ">"
	p.w.wg.Go(func() {
		defer p.forget(d)
		if p.stream {
			if d.link = p.dial(proxy); d.link == nil {
				p.w.outcome("%s: no connection", s.name)
				return
			}
			defer func() { d.link.close() }()
		}
		d.call(s)
	})
}

// call is one call.
func (d *dialog) call(s *script) {
	w := d.p.w
	d.cseq = 1
	branch := d.newBranch()
	invite := d.request("INVITE", branch)
	isFinal := func(m *message) bool { return m.Status >= 200 && string(m.CSeq) == "1 INVITE" }
	var m *message
	switch s.caller {
	case stutters:
		d.link.send(d.proxy, invite[:len(invite)/2])
		d.link.reset()
		w.outcome("%s", s.name)
		return
	case resetsInviting:
		d.send(invite)
		d.link.reset()
		w.outcome("%s", s.name)
		return
	case cancels, resetsRinging:
		m = d.await(invite, func(m *message) bool { return m.Status > 100 && string(m.CSeq) == "1 INVITE" })
		if m == nil || m.Status >= 200 {
			break
		}
		if s.caller == resetsRinging {
			d.link.reset()
			w.outcome("%s", s.name)
			return
		}
		// The final reply may come before that of the CANCEL.
		var early *message
		d.await(d.request("CANCEL", branch), func(m *message) bool {
			if isFinal(m) {
				early = m
			}
			return early != nil || m.Status >= 200 && string(m.CSeq) == "1 CANCEL"
		})
		if m = early; m == nil {
			m = d.await(nil, isFinal)
		}
	default:
		m = d.await(invite, isFinal)
	}
	if m == nil {
		w.outcome("%s: no final reply", s.name)
		if s.final != nil {
			w.problem("%s: no final reply to call %s", s.name, d.id)
		}
		return
	}
	w.outcome("%s: %d", s.name, m.Status)
	if s.final != nil && !contains(s.final, m.Status) {
		w.problem("%s: %d, want one of %v, for call %s", s.name, m.Status, s.final, d.id)
	}
	if m.Status >= 300 {
		d.acknowledge(m)
		d.linger(time.Second)
		return
	}
	d.established(m)
	d.acknowledge(m)
	if s.caller == abandons {
		d.linger(time.Second)
		return
	}
	d.linger(500 * time.Millisecond)
	if s.caller == resetsInCall {
		d.link.reset()
	}
	if s.caller == reinvites {
		if again := d.ask("INVITE"); again != nil {
			d.acknowledge(again)
			if again.Status != 200 {
				w.problem("%s: the re-INVITE of %s got %d", s.name, d.id, again.Status)
			}
		} else {
			w.problem("%s: the re-INVITE of %s got no reply", s.name, d.id)
		}
		d.linger(200 * time.Millisecond)
	}
	if !d.ended && s.callee != calleeHangsUp {
		if bye := d.ask("BYE"); s.set == "73" && s.caller != resetsInCall && (bye == nil || bye.Status != 200) {
			w.problem("%s: the BYE of %s got no 200: %v", s.name, d.id, bye)
		}
	}
	for n := 0; s.callee == calleeHangsUp && !d.ended && n < 100; n++ {
		d.linger(100 * time.Millisecond)
	}
	d.linger(time.Second)
}

// established takes the dialog from a 2xx (12.1.2).
func (d *dialog) established(m *message) {
	d.remote = string(m.To)
	if uri := wire.AddressURI(m.Contact); len(uri) > 0 {
		d.target = string(uri)
	}
	d.routes = nil
	for i := range m.RecordRt.N {
		for value, rest := wire.NextValue(m.RecordRt.Value[i]); ; value, rest = wire.NextValue(rest) {
			d.routes = append([]string{string(value)}, d.routes...)
			if rest == nil {
				break
			}
		}
	}
}

func contains(list []int, n int) bool {
	for _, x := range list {
		if x == n {
			return true
		}
	}
	return false
}
