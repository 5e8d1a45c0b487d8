package engine

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"trunkline/appliance/runtime"
	"trunkline/proxy/call"
	"trunkline/proxy/record"
)

// keptRecords is a sink that keeps records, over processes.
type keptRecords struct {
	mu  sync.Mutex
	all []record.Record
}

func (k *keptRecords) Batch() int { return 64 }

func (k *keptRecords) Write(_ context.Context, r []record.Record) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all = append(k.all, r...)
	return nil
}

func (k *keptRecords) get() []record.Record {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.all)
}

func (*keptRecords) Tend(context.Context)    {}
func (*keptRecords) Stats() record.SinkStats { return record.SinkStats{Name: "kept"} }
func (*keptRecords) Close() error            { return nil }

// record has the engine's records kept, if it is to have any.
func (r *rig) record() {
	if r.cfg.Control.CDR == nil {
		return
	}
	if r.records == nil {
		r.records = &keptRecords{}
	}
	r.e.RecordTo(r.records)
}

// oneRecordEach ends the engine and sees that each of so many calls has one record.
func (r *rig) oneRecordEach(calls int) []record.Record {
	r.t.Helper()
	r.stop()
	all := r.records.get()
	keys, ids := map[string]bool{}, map[string]int{}
	for _, x := range all {
		if keys[x.Key] {
			r.t.Errorf("two records of %s", x.Key)
		}
		keys[x.Key] = true
		ids[x.CallID]++
	}
	for id, n := range ids {
		if n != 1 {
			r.t.Errorf("%d records of call %s", n, id)
		}
	}
	if calls != len(ids) {
		r.t.Errorf("%d calls have a record, there were %d", len(ids), calls)
	}
	if st := r.e.Stats().Records; st.Waiting != 0 || st.Open != 0 || st.Lost != 0 {
		r.t.Errorf("records: %+v", st)
	}
	return all
}

// A call that is refused once it was let in has a record, one that a limit refuses has none.
func TestRecordOfRefusal(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, func(a *runtime.Appliance) {
		a.Control.CDR = &runtime.CDR{To: "journal"}
		a.Routes = []runtime.Route{{Name: "all", From: []string{"out"}, Prefix: "+1", To: []string{"core"}}}
		a.Limits.ConcurrentCalls = 1
		a.Limits.Carriers = []runtime.ScopedLimits{{Name: "telco", Prefixes: []netip.Prefix{netip.MustParsePrefix("127.0.11.0/24")}}}
	})
	c := r.alice.newCall(r.out)
	c.uri = "sip:none@" + r.out.String()
	c.invite("")
	if m := c.final(); m.code() != 404 {
		t.Fatalf("%d", m.code())
	}
	held := r.alice.newCall(r.out)
	held.uri = "sip:+1555:secret@" + r.out.String()
	held.invite("")
	uas, inv := r.find("INVITE", held.callID)
	uas.respond(inv, 200, "OK")
	held.established(held.final())
	held.inDialog("ACK", "", "")
	over := r.alice.newCall(r.out)
	over.uri = held.uri
	over.invite("")
	if m := over.final(); m.code() != 503 {
		t.Fatalf("%d", m.code())
	}
	held.inDialog("BYE", "", "")
	uas, bye := r.find("BYE", held.callID)
	uas.respond(bye, 200, "OK")
	r.settle(0)
	r.stop()
	var got []string
	for _, x := range r.records.get() {
		got = append(got, strings.Join([]string{x.Called, x.Cause, x.EndedBy, x.Carrier, x.Dispatcher, x.Destination}, " "))
	}
	if want := []string{"none refused proxy telco  ", "+1555 bye caller telco core core1"}; !slices.Equal(got, want) {
		t.Errorf("records %q, want %q", got, want)
	}
}

// Wherever a call ends, with thousands in random order, there is one record of its cause.
func TestRecordsAtRandom(t *testing.T) {
	e := newPath(t, func(a *runtime.Appliance) { a.Control.CDR = &runtime.CDR{To: "journal"} }).e
	k := &keptRecords{}
	e.RecordTo(k)
	want := map[string]int{}
	var live []call.ID
	now := int64(0)
	for i := range 20000 {
		now++
		if i%3 > 0 || len(live) == 0 {
			w := e.timerWorker
			w.begun = record.Fields{CallID: []byte("x"), Source: netip.MustParseAddrPort("192.0.2.1:5060")}
			if id, ok := e.calls.RegisterWith(uint64(i)*0x9E3779B97F4A7C15, now, 0, w.keeper()); ok {
				live = append(live, id)
			}
		}
		if i%3 == 0 || len(live) > 500 {
			n := i * 7919 % len(live)
			cause := call.Cause(i % int(call.NumCauses))
			if !e.calls.Release(live[n], cause) || e.calls.Release(live[n], cause) {
				t.Fatal("a call ends once")
			}
			want[cause.String()]++
			live = slices.Delete(live, n, n+1)
		}
		if i%50 == 0 {
			e.records.Look(t.Context())
		}
	}
	want[call.Shutdown.String()] += e.calls.ReleaseAll()
	e.finishRecords()
	got, keys := map[string]int{}, map[string]bool{}
	for _, x := range k.all {
		got[x.Cause]++
		keys[x.Key] = true
	}
	if !maps.Equal(got, want) || len(keys) != len(k.all) {
		t.Errorf("%d keys, records by cause %v, want %v", len(keys), got, want)
	}
	if st := e.records.Stats(); st.Lost != 0 || st.Waiting != 0 {
		t.Errorf("%+v", st)
	}
}

// Records cost no allocation on the path of a message.
func TestRecordsAllocateNothing(t *testing.T) {
	p := newPath(t, func(a *runtime.Appliance) { a.Control.CDR = &runtime.CDR{To: "journal"} })
	for range 500 {
		p.call(t)
	}
	if n := testing.AllocsPerRun(500, func() { p.call(t) }); n != 0 {
		t.Errorf("%v allocations per call", n)
	}
	k := &keptRecords{}
	p.e.RecordTo(k)
	p.e.records.Look(t.Context())
	if got := len(k.all); uint64(got)+p.e.records.Stats().Lost != p.n || got == 0 {
		t.Errorf("%d records and %d lost of %d calls", got, p.e.records.Stats().Lost, p.n)
	}
}
