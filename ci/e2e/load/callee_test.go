package load

import (
	"strings"
	"time"

	"trunkline/tools/sipload/wire"
)

// What a callee does is the third digit of the number called.
const (
	calleeAnswers      = '0' // and waits for the BYE
	calleeHangsUp      = '1' // after it answered
	calleeIsBusy       = '2' // 486
	calleeFails        = '3' // 503
	calleeRings        = '4' // and rings, until it is cancelled
	calleeIsSilent     = '5' // says nothing at all
	calleeResets       = '6' // the connection, when the INVITE comes
	calleeResetsLater  = '7' // having rung
	calleeResetsInCall = '8' // once the ACK came
	calleeTries        = '9' // says 100 and no more
)

// answer makes the dialog a callee's and runs it.
func (d *dialog) answer(m *message) {
	d.invited, d.link, d.proxy = m, m.link, m.src
	d.local, d.remote, d.target = string(wire.AddressURI(m.To)), string(m.From), string(wire.AddressURI(m.Contact))
	for i := range m.RecordRt.N {
		for value, rest := wire.NextValue(m.RecordRt.Value[i]); ; value, rest = wire.NextValue(rest) {
			d.routes = append(d.routes, string(value))
			if rest == nil {
				break
			}
		}
	}
	if len(d.routes) > 0 {
		if a, ok := wire.HostPort(wire.AddressURI([]byte(d.routes[0]))); ok {
			d.proxy = a
		}
	}
	d.p.w.wg.Go(func() {
		defer d.p.forget(d)
		d.respond(m)
		d.linger(3 * time.Second)
	})
}

// respond is what the callee does.
func (d *dialog) respond(m *message) {
	_, user, _ := strings.Cut(string(m.URI), ":")
	behaviour := byte(calleeAnswers)
	if len(user) > 2 {
		behaviour = user[2]
	}
	say := func(code int) { m.link.send(m.src, reply(m, code, d.tag, d.contact())) }
	switch behaviour {
	case calleeIsSilent:
		d.mute(10 * time.Second)
		return
	case calleeResets:
		m.link.reset()
		return
	case calleeTries:
		say(100)
		d.refuse(m, 487, 20*time.Second)
		return
	case calleeFails:
		d.refuse(m, 503, 0)
		return
	}
	say(180)
	switch behaviour {
	case calleeIsBusy:
		d.refuse(m, 486, 50*time.Millisecond)
		return
	case calleeRings:
		d.refuse(m, 487, 20*time.Second)
		return
	case calleeResetsLater:
		m.link.reset()
		return
	}
	if d.cancelled(200 * time.Millisecond) {
		d.refuse(m, 487, 0)
		return
	}
	if !d.accept(m) {
		return
	}
	switch behaviour {
	case calleeHangsUp:
		d.linger(300 * time.Millisecond)
		if !d.ended {
			d.ask("BYE")
		}
		return
	case calleeResetsInCall:
		m.link.reset()
	}
	for end := time.Now().Add(patience); !d.ended && time.Now().Before(end) && d.p.w.ctx.Err() == nil; {
		d.linger(100 * time.Millisecond)
	}
}

// mute hears and says nothing.
func (d *dialog) mute(long time.Duration) {
	end := time.After(long)
	for {
		select {
		case <-d.in:
		case <-end:
			return
		case <-d.p.w.ctx.Done():
			return
		}
	}
}

// cancelled waits and reports whether a CANCEL came meanwhile; it is answered.
func (d *dialog) cancelled(long time.Duration) bool {
	end := time.After(long)
	for {
		select {
		case m := <-d.in:
			d.other(m)
			if m.Status == 0 && m.Method == wire.CANCEL {
				return true
			}
		case <-end:
			return false
		case <-d.p.w.ctx.Done():
			return false
		}
	}
}

// refuse refuses the INVITE after a while, or with 487 as soon as it is cancelled, and
// repeats that until the ACK comes (timers G and H).
func (d *dialog) refuse(m *message, code int, after time.Duration) {
	if after > 0 && d.cancelled(after) {
		code = 487
	}
	d.final = reply(m, code, d.tag, "")
	d.repeat(m, 64*partyT1)
}

// accept answers the INVITE and repeats that until the ACK comes, whatever the
// transport (13.3.1.4). It reports whether it came.
func (d *dialog) accept(m *message) bool {
	d.final = reply(m, 200, d.tag, d.contact())
	return d.repeat(m, 64*partyT1)
}

func (d *dialog) repeat(m *message, long time.Duration) bool {
	end := time.After(long)
	interval := partyT1
	m.link.send(m.src, d.final)
	again := time.NewTimer(interval)
	defer again.Stop()
	for {
		select {
		case got := <-d.in:
			if got.Status == 0 && got.Method == wire.ACK {
				return true
			}
			d.other(got)
			if d.ended {
				return true // its ACK was lost, or is late
			}
		case <-again.C:
			m.link.send(m.src, d.final)
			interval = min(2*interval, partyT2)
			again.Reset(interval)
		case <-m.link.end:
			return false
		case <-end:
			return false
		}
	}
}
