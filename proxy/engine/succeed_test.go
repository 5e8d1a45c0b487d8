package engine

import (
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"trunkline/appliance/runtime"
	"trunkline/proxy/shm"
)

// lastingRig is newRig with the engine's tables in an arena.
func lastingRig(t *testing.T, n int, change func(*runtime.Appliance)) *rig {
	t.Helper()
	r := newRig(t, n, change)
	r.stop()
	a, err := shm.Create(shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.begin(a)
	return r
}

// begin starts an engine on an arena in place of the one of before.
func (r *rig) begin(a *shm.Arena) {
	r.t.Helper()
	r.t.Cleanup(func() { _ = a.Close() })
	e, err := tryEngineIn(a, r.cfg, quiet)
	if err != nil {
		r.t.Fatal(err)
	}
	e.watcher = nil
	if err := a.Serve(); err != nil {
		r.t.Fatal(err)
	}
	r.e = e
	r.record()
	r.persist()
	r.stop = startEngine(r.t, e)
}

// succeed ends the engine and starts another with what it left.
func (r *rig) succeed() {
	r.t.Helper()
	r.stop()
	fd, err := unix.Dup(int(r.e.arena.File().Fd()))
	if err != nil {
		r.t.Fatal(err)
	}
	a, err := shm.Adopt(os.NewFile(uintptr(fd), "arena"), shm.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.begin(a)
}

// steps is one way of a call, each step with the messages that it takes: between two of them
// nothing is under way but timers.
type steps struct {
	name string
	run  func(r *rig, c *caller) []func()
}

func ways() []steps {
	var uas *agent
	var inv *sipMsg
	invite := func(r *rig, c *caller) func() {
		return func() {
			c.invite("")
			c.expect("100", func(m *sipMsg) bool { return m.code() == 100 && m.get("Call-ID") == c.callID })
		}
	}
	takes := func(r *rig, c *caller, code int, text string) func() {
		return func() {
			if uas == nil {
				uas, inv = r.find("INVITE", c.callID)
			}
			uas.respond(inv, code, text)
			c.expect(fmt.Sprint(code), func(m *sipMsg) bool { return m.code() == code && m.get("Call-ID") == c.callID })
		}
	}
	answered := func(r *rig, c *caller) func() {
		return func() {
			uas, inv = r.find("INVITE", c.callID)
			uas.respond(inv, 200, "OK")
			c.established(c.final())
		}
	}
	ack := func(r *rig, c *caller) func() {
		return func() { c.inDialog("ACK", "", ""); r.find("ACK", c.callID) }
	}
	bye := func(r *rig, c *caller) []func() {
		var bye *sipMsg
		return []func(){
			func() { c.inDialog("BYE", "", ""); _, bye = r.find("BYE", c.callID) },
			func() { uas.respond(bye, 200, "OK"); c.reply(200, "BYE") },
		}
	}
	way := func(f func(r *rig, c *caller) []func()) func(*rig, *caller) []func() {
		return func(r *rig, c *caller) []func() {
			uas, inv = nil, nil
			return f(r, c)
		}
	}
	return []steps{
		{"answered", way(func(r *rig, c *caller) []func() {
			return append([]func(){invite(r, c), answered(r, c), ack(r, c)}, bye(r, c)...)
		})},
		{"rung and answered", way(func(r *rig, c *caller) []func() {
			ring := takes(r, c, 180, "Ringing")
			ok := func() {
				uas.respond(inv, 200, "OK")
				c.established(c.final())
			}
			return append([]func(){invite(r, c), ring, ok, ack(r, c)}, bye(r, c)...)
		})},
		{"answered again", way(func(r *rig, c *caller) []func() {
			again := func() {
				uas.respond(inv, 200, "OK") // its ACK was lost
				c.final()
			}
			return append([]func(){invite(r, c), answered(r, c), again, ack(r, c)}, bye(r, c)...)
		})},
		{"rejected", way(func(r *rig, c *caller) []func() {
			return []func(){invite(r, c), takes(r, c, 404, "Not Found"), func() { c.hop("ACK") }}
		})},
		{"rejected, ACK lost", way(func(r *rig, c *caller) []func() {
			return []func(){invite(r, c), takes(r, c, 486, "Busy Here")}
		})},
		{"failed over", way(func(r *rig, c *caller) []func() {
			var failed *sipMsg
			fails := func() {
				var a *agent
				a, failed = r.find("INVITE", c.callID)
				a.respond(failed, 500, "No")
			}
			takes := func() {
				for {
					uas, inv = r.findAny("INVITE", c.callID)
					if inv.get("Via") != failed.get("Via") {
						break
					}
					uas.respond(inv, 500, "No") // sent again before the refusal came, or the process ended without it
				}
				uas.respond(inv, 200, "OK")
				c.established(c.final())
			}
			return append([]func(){invite(r, c), fails, takes, ack(r, c)}, bye(r, c)...)
		})},
		{"cancelled", way(func(r *rig, c *caller) []func() {
			var cancel *sipMsg
			return []func(){invite(r, c), takes(r, c, 180, "Ringing"),
				func() { c.hop("CANCEL"); _, cancel = r.find("CANCEL", c.callID) },
				func() { uas.respond(cancel, 200, "OK"); uas.respond(inv, 487, "Request Terminated"); c.final() },
				func() { c.hop("ACK") }}
		})},
		{"nobody answers", way(func(r *rig, c *caller) []func() {
			return []func(){invite(r, c), takes(r, c, 180, "Ringing"), func() { c.final(); c.hop("ACK") }}
		})},
		{"silence", way(func(r *rig, c *caller) []func() {
			return []func(){invite(r, c), func() { c.final(); c.hop("ACK") }}
		})},
		{"never ended", way(func(r *rig, c *caller) []func() {
			return []func(){invite(r, c), answered(r, c), ack(r, c)}
		})},
	}
}

// A process that takes over at any moment of a call goes on with it, and in the end nothing
// is held anywhere.
func TestSucceed(t *testing.T) {
	t.Parallel()
	quick := func(a *runtime.Appliance) {
		for i := range a.Dispatchers[0].Destinations {
			a.Dispatchers[0].Destinations[i].MaxCalls = 100
		}
		a.Limits.ConcurrentCalls = 500
		a.Transaction.T1, a.Transaction.T2 = duration(25*time.Millisecond), duration(200*time.Millisecond)
		a.Transaction.ReplyTimeout, a.Transaction.InviteTimeout = duration(3*time.Second), duration(8*time.Second)
		a.Transaction.Wait, a.Transaction.CallLifetime = duration(200*time.Millisecond), duration(12*time.Second)
	}
	for _, algorithm := range []string{"round-robin", "parallel"} {
		for i, w := range ways() {
			t.Run(algorithm+"/"+w.name, func(t *testing.T) {
				t.Parallel()   // they wait for timers most of the time
				w := ways()[i] // of its own
				n := 2
				if algorithm == "parallel" {
					n = 1
				}
				r := lastingRig(t, n, func(a *runtime.Appliance) {
					quick(a)
					a.Control.CDR = &runtime.CDR{To: "journal"}
					a.Dispatchers[0].Algorithm = algorithm
				})
				total := len(w.run(r, r.alice.newCall(r.out)))
				for at := 1; at <= total; at++ {
					c := r.alice.newCall(r.out)
					for i, step := range w.run(r, c) {
						if i == at {
							r.succeed()
						}
						step()
					}
					if at == total {
						r.succeed()
					}
					r.alice.forget()
				}
				if g := r.e.Stats().Recovered; g == nil || g.Generation != uint64(total) || g.Dropped != 0 || g.Broken != 0 {
					t.Errorf("recovered: %+v", g)
				}
				r.settle(0)
				r.oneRecordEach(total)
			})
		}
	}
}

// Limits hold over a change of processes: places are those of the calls that live.
func TestSucceedLimits(t *testing.T) {
	t.Parallel()
	r := lastingRig(t, 1, func(a *runtime.Appliance) { a.Limits.ConcurrentCalls = 2 })
	var calls []*caller
	for range 2 {
		c := r.alice.newCall(r.out)
		c.invite("")
		uas, inv := r.find("INVITE", c.callID)
		uas.respond(inv, 200, "OK")
		c.established(c.final())
		c.inDialog("ACK", "", "")
		r.find("ACK", c.callID)
		calls = append(calls, c)
	}
	r.succeed()
	if st := r.e.Stats(); st.Concurrent.Live != 2 || st.Calls.Live != 2 || st.Destinations[0].Calls != 2 {
		t.Errorf("%d under the limit, %d calls, %d at the destination; want 2 each", st.Concurrent.Live, st.Calls.Live, st.Destinations[0].Calls)
	}
	third := r.alice.newCall(r.out)
	third.invite("")
	if m := third.final(); m.code() != 503 {
		t.Errorf("a third call of two got %d", m.code())
	}
	for _, c := range calls {
		c.inDialog("BYE", "", "")
		uas, bye := r.find("BYE", c.callID)
		uas.respond(bye, 200, "OK")
	}
	r.settle(0)
}

// An arena of another configuration is refused with a reason.
func TestSucceedAnother(t *testing.T) {
	t.Parallel()
	r := lastingRig(t, 1, nil)
	r.stop()
	fd, err := unix.Dup(int(r.e.arena.File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	a, err := shm.Adopt(os.NewFile(uintptr(fd), "arena"), shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	r.cfg.State.Transactions *= 2
	if _, err := tryEngineIn(a, r.cfg, quiet); err == nil {
		t.Error("tables of another size were taken over")
	} else {
		t.Log(err)
	}
}
