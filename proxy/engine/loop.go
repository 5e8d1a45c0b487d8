package engine

import (
	"bytes"

	"trunkline/proxy/message"
	"trunkline/proxy/transaction"
)

// maxLoops bounds how many branches that look like ours are followed in one request.
const maxLoops = 16

// looped reports whether the request being handled is one we have under way, come
// back unchanged (16.3 step 4), over however many other proxies. The branch we wrote leads
// to what we received, so nothing of it need be hashed into the branch. A request whose
// Request-URI changed meanwhile spirals, which is allowed. Max-Forwards ends what came
// past here more often than maxLoops.
func (w *worker) looped(v *message.View) bool {
	if w.underWay(v, v.Get(v.Via.Branch)) {
		return true
	}
	if v.SecondVia.Empty() {
		return false
	}
	// A branch of ours names nothing else wherever it stands, so that looking for its mark
	// does what reading each Via would.
	b := v.Bytes()[v.SecondVia.Start:]
	for range maxLoops {
		var branch []byte
		if branch, b = transaction.NextBranch(b); branch == nil {
			return false
		}
		if w.underWay(v, branch) {
			return true
		}
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
