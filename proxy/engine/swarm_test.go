package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/call"
)

// way is how a call of the swarm goes. Both its ends know it from its Call-ID.
type way int

const (
	wayBye way = iota
	wayByeOfCallee
	wayByeLost    // nobody answers the BYE
	wayReject     // by the callee
	wayRejectLost // and the ACK is lost
	wayCancelRinging
	wayCancelTrying // after the 100
	wayCancelAtOnce // before anything
	wayCancelLate   // crosses the 200
	wayRinging      // for ever
	waySilence      // of every destination
	wayRefused      // 500 by every destination
	wayAckLost      // of the 2xx: the callee hangs up
	wayLifetime     // nobody hangs up
	waySession      // agreed on and not refreshed
	wayGone         // the same, and both ends are gone
	wayLimited      // from an address with a limit of its own
	ways_
)

func wayOf(callID string) way {
	var w way
	_, _ = fmt.Sscanf(callID, "w%d-", &w)
	return w
}

// robot is one end of many calls: a socket, and what it says again until it is answered.
type robot struct {
	*agent
	s     *swarm
	mu    sync.Mutex
	again map[string]*saying // by what answers it
	ends  map[string]*end    // by Call-ID
}

type saying struct {
	raw  string
	to   netip.AddrPort
	left int
	next time.Time
}

// end is a robot's view of a call.
type end struct {
	*caller
	way       way
	invite    *sipMsg // received
	cancelled bool
	acked     bool
	hungUp    bool
}

// swarm is what the robots have in common.
type swarm struct {
	r   *rig
	end context.Context
}

const (
	sayEvery = 100 * time.Millisecond
	sayTimes = 15
)

func (s *swarm) robot(a *agent) *robot {
	return &robot{agent: a, s: s, again: map[string]*saying{}, ends: map[string]*end{}}
}

// run receives until the swarm ends, and says again what nobody has answered.
func (b *robot) run(handle func(*sipMsg)) {
	buf := make([]byte, 65536)
	for b.s.end.Err() == nil {
		_ = b.conn.SetReadDeadline(time.Now().Add(sayEvery / 5))
		n, from, err := b.conn.ReadFromUDPAddrPort(buf)
		b.mu.Lock()
		if err == nil {
			m := parseMsg(string(buf[:n]))
			m.from = from
			handle(m)
		}
		now := time.Now()
		for key, x := range b.again {
			if now.Before(x.next) {
				continue
			}
			if x.left--; x.left < 0 {
				delete(b.again, key)
				continue
			}
			x.next = now.Add(sayEvery)
			b.say(x.to, x.raw)
		}
		b.mu.Unlock()
	}
}

// say sends once. What cannot be sent while there is no proxy is lost.
func (b *robot) say(to netip.AddrPort, raw string) {
	_, _ = b.conn.WriteToUDPAddrPort([]byte(raw), to)
}

// until says something now and again, until heard.
func (b *robot) until(key string, to netip.AddrPort, raw string) {
	b.say(to, raw)
	b.again[key] = &saying{raw, to, sayTimes, time.Now().Add(sayEvery)}
}

func (b *robot) heard(key string) { delete(b.again, key) }

// request says a request of a call until its final reply.
func (b *robot) request(e *end, method string) {
	if method != "ACK" {
		e.cseq++
	}
	b.until(e.callID+method, e.proxy, e.build(method, e.newBranch(), e.cseq, "", ""))
}

// place begins a call.
func (b *robot) place(id string, w way) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := &end{caller: b.newCall(b.s.r.out), way: w}
	e.callID = id
	e.branch = e.newBranch()
	b.ends[id] = e
	extra := ""
	if w == waySession || w == wayGone {
		extra = "Supported: timer\r\nSession-Expires: 1;refresher=uac\r\n"
	}
	b.until(id+"INVITE", e.proxy, e.build("INVITE", e.branch, e.cseq, extra, sdp))
	if w == wayCancelAtOnce {
		b.cancel(e)
	}
}

func (b *robot) cancel(e *end) {
	if !e.cancelled {
		e.cancelled = true
		b.until(e.callID+"CANCEL", e.proxy, e.build("CANCEL", e.branch, 1, "", ""))
	}
}

// asCaller is what a caller makes of a message.
func (b *robot) asCaller(m *sipMsg) {
	e := b.ends[m.get("Call-ID")]
	switch _, method, _ := strings.Cut(m.get("CSeq"), " "); {
	case e == nil:
	case m.code() == 0:
		if m.method() == "BYE" && e.way != wayGone {
			b.say(m.from, b.answer(m, 200, "OK", ""))
		}
	case method == "INVITE":
		b.inviteReply(e, m)
	case m.code() >= 200:
		b.heard(e.callID + method)
	}
}

func (b *robot) inviteReply(e *end, m *sipMsg) {
	code := m.code()
	switch {
	case code == 100:
		if e.way == wayCancelTrying {
			b.cancel(e)
		}
	case code < 200:
		if e.way == wayCancelRinging {
			b.cancel(e)
		}
	case code >= 300:
		b.heard(e.callID + "INVITE")
		b.heard(e.callID + "CANCEL")
		if e.way != wayRejectLost {
			e.toTag = strings.TrimPrefix(m.get("To")[strings.Index(m.get("To"), ";tag=")+1:], "tag=")
			b.say(e.proxy, e.build("ACK", e.branch, 1, "", ""))
			e.toTag = ""
		}
	default:
		b.heard(e.callID + "INVITE")
		b.heard(e.callID + "CANCEL")
		if e.way == wayAckLost {
			return
		}
		if e.way == wayCancelLate && !e.cancelled {
			e.cancelled = true
			b.say(e.proxy, e.build("CANCEL", e.branch, 1, "", ""))
		}
		if !e.acked {
			e.acked = true
			e.established(m)
		}
		b.say(e.proxy, e.build("ACK", e.newBranch(), 1, "", ""))
		if (e.way <= wayByeLost && e.way != wayByeOfCallee || e.way == wayCancelLate || e.way == wayCancelAtOnce || e.way == wayCancelTrying || e.way == wayLimited) && !e.hungUp {
			e.hungUp = true
			b.request(e, "BYE")
		}
	}
}

// asCallee is what a callee makes of a message.
func (b *robot) asCallee(m *sipMsg) {
	id := m.get("Call-ID")
	w := wayOf(id)
	if m.code() != 0 {
		if _, method, _ := strings.Cut(m.get("CSeq"), " "); m.code() >= 200 {
			b.heard(id + method)
		}
		return
	}
	e := b.ends[id]
	reply := func(code int, text string) string {
		raw := b.answer(m, code, text, "")
		b.say(m.from, raw)
		return raw
	}
	switch m.method() {
	case "INVITE":
		if e == nil {
			e = &end{way: w, invite: m}
			b.ends[id] = e
		}
		switch w {
		case waySilence, wayCancelTrying, wayCancelAtOnce:
		case wayRinging, wayCancelRinging:
			reply(180, "Ringing")
		case wayReject, wayRejectLost:
			reply(404, "Not Found")
		case wayRefused:
			reply(500, "No")
		default:
			reply(180, "Ringing")
			extra := ""
			if w == waySession || w == wayGone {
				extra = "Require: timer\r\nSession-Expires: 1;refresher=uac\r\n"
			}
			b.until(id+"ACK", m.from, b.answer(m, 200, "OK", extra))
			if w == wayAckLost {
				b.hangUp(e)
			}
		}
	case "CANCEL":
		reply(200, "OK")
		if e != nil {
			b.until(id+"ACK", e.invite.from, b.answer(e.invite, 487, "Request Terminated", ""))
		}
	case "ACK":
		b.heard(id + "ACK")
		if w == wayByeOfCallee && e != nil {
			b.hangUp(e)
		}
	case "BYE":
		if w != wayByeLost && w != wayGone {
			reply(200, "OK")
		}
	case "OPTIONS":
		reply(200, "OK")
	}
}

// hangUp sends BYE as the callee.
func (b *robot) hangUp(e *end) {
	if e.hungUp {
		return
	}
	e.hungUp = true
	inv := e.invite
	_, tag, _ := strings.Cut(inv.get("From"), ";tag=")
	e.caller = &caller{agent: b.agent, proxy: b.s.r.in, callID: inv.get("Call-ID"), tag: b.toTag(), toTag: tag, cseq: 1,
		uri: strings.Trim(inv.get("Contact"), "<>"), routes: inv.all("Record-Route")}
	b.request(e, "BYE")
}

// Thousands of calls at a time end in every way there is, in random order, while the process is
// replaced by another again and again: at the end nothing is held in any table, at any
// destination, under any limit, of any dialog, and each call has one record.
func TestSwarm(t *testing.T) {
	t.Parallel()
	const calls, handovers = 3400, 6
	r := lastingRig(t, 2, func(a *runtime.Appliance) {
		a.Control.CDR = &runtime.CDR{To: "journal"}
		a.Session = &runtime.Session{MinSE: duration(time.Second), Expires: duration(time.Hour)}
		a.State.Calls, a.State.Transactions, a.State.MessageBytes = 4000, 20000, 128<<20
		a.Limits.ConcurrentCalls = 4000
		a.Limits.Carriers = []runtime.ScopedLimits{{Name: "telco", Prefixes: []netip.Prefix{netip.MustParsePrefix("127.0.11.0/24")}, ConcurrentCalls: 4000, CPS: 100000, Burst: 100000}}
		a.Limits.Sources = []runtime.ScopedLimits{{Name: "small", Prefixes: []netip.Prefix{netip.MustParsePrefix("127.0.11.9/32")}, ConcurrentCalls: 1, CPS: 100, Burst: 100}}
		a.Transaction.T1, a.Transaction.T2 = duration(50*time.Millisecond), duration(200*time.Millisecond)
		a.Transaction.ReplyTimeout, a.Transaction.InviteTimeout = duration(400*time.Millisecond), duration(1500*time.Millisecond)
		a.Transaction.Wait, a.Transaction.CallLifetime = duration(100*time.Millisecond), duration(4*time.Second)
	})
	ctx, cancel := context.WithCancel(t.Context())
	s := &swarm{r: r, end: ctx}
	callers := []*robot{s.robot(r.alice), s.robot(newAgent(t, "127.0.11.9"))}
	var wg sync.WaitGroup
	for _, b := range callers {
		wg.Go(func() { b.run(b.asCaller) })
	}
	for _, a := range r.uas {
		b := s.robot(a)
		wg.Go(func() { b.run(b.asCallee) })
	}
	defer wg.Wait()
	defer cancel()

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	order := make([]way, calls)
	for i := range order {
		order[i] = way(i % int(ways_))
	}
	rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	var ends [call.NumCauses]uint64
	begun := uint64(0)
	tally := func() {
		st := r.e.Stats()
		for i := range ends {
			ends[i] += st.Calls.Ended[call.Cause(i).String()]
		}
		begun += st.Counters["calls"]
	}
	for i, w := range order {
		b := callers[0]
		if w == wayLimited {
			b = callers[1]
		}
		b.place(fmt.Sprintf("w%d-%d", w, i), w)
		if i%4 == 3 {
			time.Sleep(time.Duration(rng.IntN(int(12 * time.Millisecond))))
		}
		if (i+1)%(calls/(handovers+1)) == 0 && i+1 < calls {
			r.stop() // its figures are complete then
			tally()
			r.succeed()
		}
	}
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		if st := r.e.Stats(); st.Transactions.Live == 0 && st.Calls.Live == 0 {
			break
		}
	}
	r.settle(0)
	cancel()
	wg.Wait()
	st := r.e.Stats()
	if st.Dialogs == nil || st.Dialogs.Kept != 0 || st.Dialogs.Bytes != 0 {
		t.Errorf("dialogs left: %+v", st.Dialogs)
	}
	for _, l := range st.Limits {
		if l.Live != 0 {
			t.Errorf("limit %+v still has calls", l)
		}
	}
	r.stop()
	tally()
	var sum uint64
	for i, n := range ends {
		sum += n
		cause := call.Cause(i)
		if n == 0 && !slices.Contains([]call.Cause{call.Refused, call.Shutdown, call.Broken, call.Media}, cause) {
			t.Errorf("no call ended by %s", cause)
		}
	}
	t.Logf("%d calls let in over %d processes; ends: %v", begun, handovers+1, ends)
	if sum != begun {
		t.Errorf("%d calls began, %d ended", begun, sum)
	}
	keys, ids := map[string]bool{}, map[string]int{}
	for _, x := range r.records.get() {
		if keys[x.Key] {
			t.Errorf("two records of %s", x.Key)
		}
		keys[x.Key] = true
		ids[x.CallID]++
	}
	if uint64(len(keys)) != begun {
		t.Errorf("%d records of %d calls", len(keys), begun)
	}
}
