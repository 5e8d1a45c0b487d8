package engine

import (
	"bytes"

	"trunkline/proxy/message"
	"trunkline/proxy/transaction"
)

// looped reports whether the request being handled is one we have under way, come
// back unchanged (16.3 step 4). The branch we wrote leads to what we received, so
// nothing of it need be hashed into the branch. A request whose Request-URI changed
// meanwhile spirals, which is allowed. Only the two topmost Via values are looked
// at: Max-Forwards ends longer loops.
func (w *worker) looped(v *message.View) bool {
	if w.underWay(v, v.Get(v.Via.Branch)) {
		return true
	}
	if via, ok := v.ViaAt(v.SecondVia); ok {
		return w.underWay(v, v.Get(via.Branch))
	}
	return false
}

// underWay reports whether branch is of our making and names a transaction of this
// very request.
func (w *worker) underWay(v *message.View, branch []byte) bool {
	id, kind := w.e.table.ParseBranch(branch)
	if kind != transaction.Stateful {
		return false
	}
	tx, ok := w.e.table.LockID(id)
	if !ok {
		return false
	}
	defer tx.Unlock()
	if tx.Request() == nil {
		return false
	}
	s := w.storedRequest(tx)
	return s.Method == v.Method && s.CSeq == v.CSeq && s.RouteCount == v.RouteCount &&
		bytes.Equal(s.Get(s.URI), v.Get(v.URI)) && bytes.Equal(s.Get(s.CallID), v.Get(v.CallID)) &&
		bytes.Equal(s.Get(s.From.Tag), v.Get(v.From.Tag)) && bytes.Equal(s.Get(s.To.Tag), v.Get(v.To.Tag))
}
