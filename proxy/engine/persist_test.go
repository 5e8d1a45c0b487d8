package engine

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/persist"
	"trunkline/proxy/shm"
)

// persist has the engine's calls kept, if they are to be.
func (r *rig) persist() {
	r.t.Helper()
	if r.cfg.State.Persistence == nil {
		return
	}
	if r.state == "" {
		r.state = r.t.TempDir()
	}
	d, err := persist.OpenDisk(r.state)
	if err != nil {
		r.t.Fatal(err)
	}
	r.e.PersistTo(context.Background(), d)
}

// reboot ends the engine and starts another with an arena of its own.
func (r *rig) reboot() {
	r.t.Helper()
	r.stop()
	a, err := shm.Create(shm.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.begin(a)
}

// answer makes a call that is answered.
func (r *rig) answer() (c *caller, uas *agent) {
	r.t.Helper()
	c = r.alice.newCall(r.out)
	c.invite("")
	uas, inv := r.find("INVITE", c.callID)
	uas.respond(inv, 200, "OK")
	c.established(c.final())
	c.inDialog("ACK", "", "")
	r.find("ACK", c.callID)
	return c, uas
}

func (r *rig) sayBye(c *caller) {
	r.t.Helper()
	c.inDialog("BYE", "", "")
	uas, bye := r.find("BYE", c.callID)
	uas.respond(bye, 200, "OK")
	c.reply(200, "BYE")
}

func kept(a *runtime.Appliance) {
	a.State.Persistence = &runtime.Persistence{To: "disk", Mode: "delayed", Interval: duration(time.Hour)}
	a.Control.CDR = &runtime.CDR{To: "journal"}
	a.Session = &runtime.Session{MinSE: duration(90 * time.Second), Expires: duration(1800 * time.Second), Insert: true}
	alice := netip.MustParsePrefix("127.0.11.0/24")
	a.Limits.ConcurrentCalls = 4
	a.Limits.Carriers = []runtime.ScopedLimits{{Name: "telco", Prefixes: []netip.Prefix{alice}, ConcurrentCalls: 4}}
	a.Limits.Sources = []runtime.ScopedLimits{{Name: "phones", Prefixes: []netip.Prefix{alice}, ConcurrentCalls: 3, PerAddress: true}}
}

// Answered calls go on after a boot: limits count them, their BYE ends them, and each has one
// record. A call that was not answered does not.
func TestReboot(t *testing.T) {
	t.Parallel()
	r := lastingRig(t, 2, kept)
	first, _ := r.answer()
	second, _ := r.answer()
	ringing := r.alice.newCall(r.out)
	ringing.invite("")
	r.find("INVITE", ringing.callID)
	r.reboot()
	r.reboot() // what came from the disk is written to it again
	st := r.e.Stats()
	if p := st.Persisted; p == nil || p.Restored.Calls != 2 || p.Restored.Dropped != 0 {
		t.Fatalf("%+v", st.Persisted)
	}
	for _, l := range st.Limits {
		if l.Live != 2 {
			t.Errorf("limit %s %s counts %d calls of 2", l.Scope, l.Name, l.Live)
		}
	}
	if n := st.Destinations[0].Calls + st.Destinations[1].Calls; n != 2 {
		t.Errorf("destinations count %d calls of 2", n)
	}
	if st.Dialogs == nil || st.Dialogs.Kept != 2 {
		t.Errorf("dialogs: %+v", st.Dialogs)
	}
	third, _ := r.answer()
	over := r.alice.newCall(r.out)
	over.invite("")
	if m := over.final(); m.code() != 503 {
		t.Errorf("a fourth call of three got %d", m.code())
	}
	for _, c := range []*caller{first, second, third} {
		r.sayBye(c)
	}
	r.settle(0)
	r.stop()
	var got []string
	for _, x := range r.records.get() {
		got = append(got, x.CallID+" "+x.Cause)
		if x.Cause == "bye" && (x.Source != r.alice.addr.String() || x.Called == "" || x.Destination == "" || time.Time(x.Began).After(time.Time(*x.Answered))) {
			t.Errorf("%+v", x)
		}
	}
	slices.Sort(got)
	want := []string{first.callID + " bye", second.callID + " bye", third.callID + " bye"}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("records %q, want %q", got, want)
	}
}

// A power cut takes what changed since the last batch, and nothing else: a call that was
// answered since is not counted, and its BYE goes on; one that ended since is thought to live,
// until its session is over.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	r := lastingRig(t, 1, kept)
	lives, _ := r.answer()
	ended, _ := r.answer()
	r.e.lasting.keeper.Flush(t.Context())
	b, err := os.ReadFile(filepath.Join(r.state, "calls.log"))
	if err != nil {
		t.Fatal(err)
	}
	r.sayBye(ended)
	late, _ := r.answer()
	r.stop()
	r.state = t.TempDir()
	if err := os.WriteFile(filepath.Join(r.state, "calls.log"), append(b, "half a batch"...), 0o600); err != nil {
		t.Fatal(err)
	}
	r.reboot()
	if st := r.e.Stats(); st.Calls.Live != 2 || st.Concurrent.Live != 2 {
		t.Errorf("%d calls live, %d are counted, want 2", st.Calls.Live, st.Concurrent.Live)
	}
	r.sayBye(lives)
	r.sayBye(late)
	r.settle(1)
	keys := map[string]string{}
	for _, x := range r.records.get() {
		keys[x.CallID] = x.Key
	}
	r.e.calls.ReleaseAll()
	r.stop()
	// The call that ended before the cut has a second record, with the key of the first, by which a
	// database keeps the first alone.
	all := r.records.get()
	if last := all[len(all)-1]; last.CallID != ended.callID || last.Key != keys[ended.callID] {
		t.Errorf("%+v, want the key %s", last, keys[ended.callID])
	}
}

// Calls of another configuration do not go on, and nothing is wrong with that.
func TestRebootAnother(t *testing.T) {
	t.Parallel()
	r := lastingRig(t, 1, kept)
	c, _ := r.answer()
	r.cfg.Limits.ConcurrentCalls = 7
	r.reboot()
	if st := r.e.Stats(); st.Calls.Live != 0 || st.Persisted.Restored.Dropped != 1 || st.Persisted.Error != "" {
		t.Errorf("%d calls, %+v", st.Calls.Live, st.Persisted)
	}
	r.sayBye(c)
	r.settle(0)
}

// A call whose lifetime ended while the machine was off ends at once, and one whose session did
// gets BYE on both sides.
func TestRebootTooLate(t *testing.T) {
	t.Parallel()
	r := lastingRig(t, 1, kept)
	c, uas := r.answer()
	d, err := persist.OpenDisk(r.state)
	if err != nil {
		t.Fatal(err)
	}
	r.stop()
	h, calls, ok, err := d.Load(t.Context())
	if !ok || err != nil || len(calls) != 1 {
		t.Fatal(len(calls), ok, err)
	}
	b := &persist.Batch{}
	for id, raw := range calls {
		x, err := persist.ParseCall(raw)
		if err != nil {
			t.Fatal(err)
		}
		x.Began -= int64(time.Hour)
		x.Answered -= int64(time.Hour)
		b.Put = append(b.Put, persist.Entry{ID: id, Call: x.AppendTo(nil)})
	}
	if err := d.Begin(t.Context(), h, b); err != nil {
		t.Fatal(err)
	}
	r.reboot()
	bye := uas.expect("BYE", func(m *sipMsg) bool { return m.method() == "BYE" && m.get("Call-ID") == c.callID })
	uas.respond(bye, 200, "OK")
	bye = r.alice.expect("BYE", func(m *sipMsg) bool { return m.method() == "BYE" && m.get("Call-ID") == c.callID })
	r.alice.respond(bye, 200, "OK")
	r.settle(0)
	r.stop()
	if all := r.records.get(); len(all) != 1 || all[0].Cause != "expired" || all[0].DurationMS < 3600_000 {
		t.Errorf("%+v", all)
	}
}
