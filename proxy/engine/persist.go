package engine

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/call"
	"trunkline/proxy/persist"
	"trunkline/proxy/record"
	"trunkline/proxy/shm"
	"trunkline/proxy/transaction"
)

// Answered calls may be kept beyond the machine's memory (package persist). What that needs
// beside a call's slot is where its INVITE came from: places under limits are taken again by
// it. And the hash by which calls are found has a key of its own, which outlives the boot.

// origin is where the INVITE of a call came from.
type origin struct {
	source   [16]byte
	listener uint16
}

// lasting is what the engine has where calls are kept; its memory is in the arena.
type lasting struct {
	origins []origin // by the call's row; written while the call is registered
	secret  *[16]byte
	keeper  *persist.Keeper // nil: PersistTo was not called
	stats   RestoredStats
}

// RestoredStats say what became of the calls that were kept over a boot.
type RestoredStats struct {
	Calls   int `json:"calls"`   // that go on
	Dropped int `json:"dropped"` // for want of room, or of another configuration
}

// PersistStats are the figures of calls that are kept.
type PersistStats struct {
	persist.Stats
	Restored RestoredStats `json:"restored"` // at the start of this process
}

var errNoStore = errors.New("the configuration wants calls in progress to be kept: PersistTo comes before Run")

// newLasting takes the memory for calls that are kept, and chooses the hash that calls are
// found by.
func (e *Engine) newLasting() error {
	e.callHash = e.table.Hash()
	if e.cfg.State.Persistence == nil {
		return nil
	}
	l := &lasting{}
	var err error
	if l.origins, err = shm.Take[origin](e.arena, "call origins", e.calls.Capacity()); err != nil {
		return err
	}
	secret, err := shm.Take[[16]byte](e.arena, "call key", 1)
	if err != nil {
		return err
	}
	l.secret = &secret[0]
	if !e.arena.Adopted() {
		if _, err := rand.Read(l.secret[:]); err != nil {
			return fmt.Errorf("random key of calls: %w", err)
		}
	}
	e.lasting, e.callHash = l, transaction.NewHasher(*l.secret)
	return nil
}

// PersistTo has answered calls kept in a store, which is the engine's own from here on. Where
// the arena is new, calls that the store has go on. It comes between New and Run, where
// the configuration wants it; what is wrong with the store is logged, and no reason not to start.
func (e *Engine) PersistTo(ctx context.Context, s persist.Store) {
	l := e.lasting
	binding := e.bindingOfCalls()
	if !e.arena.Adopted() {
		h, calls, ok, err := s.Load(ctx)
		switch {
		case err != nil:
			e.log.Error("calls that were kept cannot be read, and do not go on", "from", s.Name(), "error", err)
		case ok && h.Binding != binding:
			l.stats.Dropped = len(calls)
			e.log.Warn("calls that were kept are of other listeners, dispatchers or limits, and do not go on", "from", s.Name(), "calls", len(calls))
		case ok:
			*l.secret = h.Secret
			e.callHash = transaction.NewHasher(h.Secret)
			e.restore(calls)
			e.log.Info("calls that were kept go on", "from", s.Name(), "calls", l.stats.Calls, "dropped", l.stats.Dropped)
		}
	}
	l.keeper = persist.NewKeeper(s, persist.Head{Binding: binding, Secret: *l.secret}, callSource{e}, e.cfg.State.Persistence.Interval.D(), e.log)
}

// bindingOfCalls stands for what the numbers in a kept call mean.
func (e *Engine) bindingOfCalls() [32]byte {
	type listener struct{ Name, Transport string }
	all := struct {
		Format      int
		Listeners   []listener
		Dispatchers []runtime.Dispatcher
		Limits      runtime.Limits
		Record      int
		Session     bool
	}{Format: 1, Dispatchers: e.cfg.Dispatchers, Limits: e.cfg.Limits, Record: record.RowSize, Session: e.dialogs != nil}
	for _, l := range e.cfg.Listeners {
		all.Listeners = append(all.Listeners, listener{l.Name, l.Transport})
	}
	b, err := json.Marshal(all)
	if err != nil { // it came from JSON
		panic(err)
	}
	return sha256.Sum256(b)
}

// restore registers calls of before the boot, the oldest first, as the table has them.
func (e *Engine) restore(kept map[uint64][]byte) {
	l := e.lasting
	calls := make([]persist.Call, 0, len(kept))
	for _, b := range kept {
		c, err := persist.ParseCall(b)
		if err != nil || int(c.Listener) >= len(e.cfg.Listeners) || slices.ContainsFunc(c.Places, func(p uint16) bool { return int(p) >= len(e.dests) }) {
			l.stats.Dropped++
			continue
		}
		calls = append(calls, c)
	}
	slices.SortFunc(calls, func(a, b persist.Call) int { return cmp.Compare(a.Began, b.Began) })
	now, clock := time.Now().UnixNano(), int64(e.clock())
	for _, c := range calls {
		// A clock of the day that went back makes a call begin now.
		began := clock - max(now-c.Began, 0)
		answered := clock - max(now-c.Answered, 0)
		if e.restoreCall(&c, began, answered, clock-now) {
			l.stats.Calls++
		} else {
			l.stats.Dropped++
		}
	}
}

func (e *Engine) restoreCall(c *persist.Call, began, answered, shift int64) bool {
	held := e.limits.Restore(int64(e.clock()), int(c.Listener), c.Source)
	id, ok := e.calls.RegisterWith(c.Key, began, uint64(held), nil)
	if !ok {
		e.limits.Release(held)
		return false
	}
	row := e.calls.Row(id)
	e.lasting.origins[row] = origin{source: c.Source.As16(), listener: c.Listener}
	if answered == 0 {
		answered = -1 // 0 says that it was not
	}
	e.calls.Restored(id, answered)
	if e.book != nil {
		e.book.Restore(row, uint64(id), began, answered, c.Record)
	}
	if e.dialogs != nil && len(c.Dialog) > 0 {
		e.dialogs.Restore(row, c.Dialog, shift)
	}
	for _, p := range c.Places {
		if e.calls.Join(id, int32(p)) {
			e.dests[p].Return()
		}
	}
	return true
}

// keepOrigin notes where a call comes from that is being registered.
func (w *worker) keepOrigin(row int) {
	if l := w.e.lasting; l != nil {
		l.origins[row] = origin{source: w.begun.Source.Addr().As16(), listener: uint16(w.begun.Listener)}
	}
}

// callSource is the calls as a persist.Keeper sees them.
type callSource struct{ e *Engine }

// Capacity implements persist.Source.
func (s callSource) Capacity() int { return s.e.calls.Capacity() }

// Each implements persist.Source.
func (s callSource) Each(f func(row int, id, version uint64)) {
	s.e.calls.Each(func(id call.ID, h call.Holds) {
		if h.Answered != 0 {
			row, version := s.e.calls.Row(id), uint64(0)
			if s.e.dialogs != nil {
				version = s.e.dialogs.Version(row)
			}
			f(row, uint64(id), version)
		}
	})
}

// Encode implements persist.Source.
func (s callSource) Encode(dst []byte, id uint64) ([]byte, bool) {
	e := s.e
	wall := time.Now().UnixNano() - int64(e.clock())
	ok := e.calls.Look(call.ID(id), func(key uint64, h call.Holds) {
		row := e.calls.Row(h.ID)
		o := &e.lasting.origins[row]
		c := persist.Call{Key: key, Began: wall + h.Began, Answered: wall + h.Answered, Source: netip.AddrFrom16(o.source).Unmap(), Listener: o.listener}
		for _, d := range h.Destinations {
			if d != call.NoDestination {
				c.Places = append(c.Places, uint16(d))
			}
		}
		if e.book != nil {
			c.Record = e.book.Kept(nil, row, id)
		}
		if e.dialogs != nil {
			c.Dialog = e.dialogs.Kept(nil, row, wall)
		}
		dst = c.AppendTo(dst)
	})
	return dst, ok
}

// finishCalls writes the last batch when the engine ends.
func (e *Engine) finishCalls() {
	if e.lasting == nil || e.lasting.keeper == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), finishWithin)
	defer cancel()
	if err := e.lasting.keeper.Finish(ctx); err != nil {
		e.log.Error("calls in progress not kept to the end", "error", err)
	}
}

// persistStats are the figures for Stats; nil: calls are not kept.
func (e *Engine) persistStats() *PersistStats {
	if e.lasting == nil || e.lasting.keeper == nil {
		return nil
	}
	return &PersistStats{e.lasting.keeper.Stats(), e.lasting.stats}
}
