package engine

import (
	"fmt"
	goruntime "runtime"
	"strings"
	"testing"

	"trunkline/appliance/runtime"
)

// storm makes packets with one new branch each: requests of every kind, of every
// size, with many Call-IDs and with one.
func storm(r *rig, from *agent, i int) string {
	c := &caller{agent: from, proxy: r.out, callID: "same@storm", tag: "storm", uri: "sip:+1555@" + r.out.String()}
	if i%3 > 0 {
		c.callID = fmt.Sprintf("%d@storm", i)
	}
	branch := fmt.Sprintf("z9hG4bK-storm-%d", i)
	body := strings.Repeat("x", []int{0, 300, 1200, 7000, 20000, 60000}[i/9%6])
	inDialog := func(method string) string {
		c.toTag, c.uri = "t", "sip:"+r.uas[1].addr.String()
		c.routes = []string{"<sip:" + r.out.String() + ";lr>", "<sip:" + r.in.String() + ";lr>"}
		return c.build(method, branch, i+1, "", body)
	}
	switch i % 9 {
	case 0, 1, 2:
		return c.build("INVITE", branch, 1, "", body)
	case 3:
		return c.build("MESSAGE", branch, 1, "", body)
	case 4:
		return c.build("CANCEL", branch, 1, "", "")
	case 5:
		return inDialog("ACK")
	case 6:
		return inDialog("BYE")
	case 7:
		return inDialog("INVITE")
	}
	return inDialog("INFO")
}

// A source that is let in and sends nothing but new branches takes what the plan
// set aside and no more, and calls in progress do not notice.
func TestStorm(t *testing.T) {
	r := newRig(t, 1, func(a *runtime.Appliance) {
		a.State = runtime.State{Transactions: 1024, MessageBytes: 4 << 20, Calls: 512, HighWater: 0.8}
		a.Routes = append([]runtime.Route{{Name: "storm", From: []string{"out"}, Prefix: "+1", To: []string{"overflow"}}}, a.Routes...)
		a.Transaction.CallLifetime = duration(0)
	})
	answered, uas, _ := r.answerCall()
	ringing := r.alice.newCall(r.out)
	ringing.invite("")
	inv := uas.request("INVITE")
	uas.respond(inv, 180, "Ringing")
	ringing.reply(180, "INVITE")

	mallory := newAgent(t, "127.0.11.2")
	before := heap()
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		w := r.e.newWorker() // straight into the engine: the kernel drops nothing
		for i := 0; ; i++ {
			select {
			case <-stop:
				done <- i
				return
			default:
			}
			w.handle(r.e.dir.faces[0], []byte(storm(r, mallory, i)), mallory.addr)
		}
	}()
	r.atLeast("dialog_requests_without_state", 1)
	r.atLeast("refused_high_water", 1000)

	uas.respond(inv, 200, "OK")
	ringing.established(ringing.reply(200, "INVITE"))
	ringing.inDialog("ACK", "", "")
	uas.request("ACK")
	for range 20 {
		answered.inDialog("INVITE", "", sdp)
		again := uas.request("INVITE")
		uas.respond(again, 200, "OK")
		answered.reply(200, "INVITE")
		answered.inDialog("ACK", "", "")
		uas.request("ACK")
	}
	for _, c := range []*caller{answered, ringing} {
		c.inDialog("BYE", "", "")
		uas.respond(uas.request("BYE"), 200, "OK")
		c.reply(200, "BYE")
	}
	close(stop)
	n := <-done

	st := r.e.Stats()
	if st.Transactions.Peak > int64(st.Transactions.Capacity) || st.Transactions.BytesPeak > st.Transactions.BytesLimit || st.Calls.Peak > int64(st.Calls.Capacity) {
		t.Errorf("beyond what was set aside: %+v %+v", st.Transactions, st.Calls)
	}
	if more := st.Transactions.BytesReserved - st.Transactions.BytesLimit; more > 1<<20 {
		t.Errorf("%d bytes of memory taken for messages beyond the budget of %d", more, st.Transactions.BytesLimit)
	}
	if grown := heap() - before; grown > st.Transactions.BytesLimit+2<<20 {
		t.Errorf("%d packets made the heap grow by %d bytes", n, grown)
	}
	if lost := st.Counters["replies_not_stored"]; lost != 0 {
		t.Errorf("%d replies found no room, and would not be repeated", lost)
	}
	if ended := st.Calls.Ended["bye"]; ended < 2 {
		t.Errorf("calls ended: %v", st.Calls.Ended)
	}
	t.Logf("%d packets; %+v", n, st.Transactions)
}

// heap is what is in use on the heap.
func heap() int64 {
	var m goruntime.MemStats
	goruntime.GC()
	goruntime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
