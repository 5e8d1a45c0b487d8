package engine

import (
	"context"
	"time"

	"trunkline/proxy/call"
	"trunkline/proxy/transaction"
)

// Draining ends the proxy without ending what is under way. While it drains, new requests
// get 503 with Retry-After, and so do OPTIONS for the proxy itself, by which its peers take
// it out; requests within dialogs, ACK, CANCEL, repeated requests and replies go on, and so
// do new emergency calls.

// Times of the wait for the end of transactions.
const (
	// drainLook is between two looks. Nothing may be unfinished at two in turn, for a
	// request that a worker took just before the drain began has its transaction by then.
	drainLook = 20 * time.Millisecond
	// drainShare is the part of the time that looks may take: one visits every slot.
	drainShare = 20
)

// DrainStats say whether the proxy drains, and what it waits for.
type DrainStats struct {
	Draining bool `json:"draining"` // new requests get 503
	// Unfinished are the transactions that a proxy that ended now would break off; 0 while
	// it does not drain.
	Unfinished int `json:"unfinished_transactions"`
}

// Drain begins draining, or ends it. Any goroutine may call it, before Run too.
func (e *Engine) Drain(on bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.draining = on
	for _, w := range e.workers {
		w.gate.Drain(on)
	}
}

// Draining reports whether the proxy drains.
func (e *Engine) Draining() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.draining
}

// Unfinished counts the transactions for which a message is still to come. It visits every
// slot: it is not for the path of a message.
func (e *Engine) Unfinished() int {
	if e.table.Live() == 0 {
		return 0
	}
	n, now := 0, e.now()
	e.table.Each(func(tx transaction.Tx) bool {
		if tx.Unfinished(now) && !e.overAgain(tx) {
			n++
		}
		return false
	})
	return n
}

// overAgain reports whether the call of an answered INVITE has ended already: its ACK has
// passed, or will not be missed.
func (e *Engine) overAgain(tx transaction.Tx) bool {
	return tx.State == transaction.Accepted && tx.Call != 0 && !e.calls.Answered(call.ID(tx.Call))
}

// Drained waits until nothing is unfinished, or for the end of ctx, whose error it returns
// then. It tells what is left at every look. Drain comes first.
func (e *Engine) Drained(ctx context.Context, tell func(unfinished int)) error {
	quiet := false
	for {
		start := time.Now()
		n := e.Unfinished()
		tell(n)
		if n == 0 && quiet {
			return nil
		}
		quiet = n == 0
		look := time.NewTimer(max(drainLook, drainShare*time.Since(start)))
		select {
		case <-ctx.Done():
			look.Stop()
			return ctx.Err()
		case <-look.C:
		}
	}
}

func (e *Engine) drainStats() DrainStats {
	if !e.Draining() {
		return DrainStats{}
	}
	return DrainStats{Draining: true, Unfinished: e.Unfinished()}
}
