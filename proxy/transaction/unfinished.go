package transaction

// ackTerms is how many T1 the ACK of a 2xx is waited for: the callee repeats the 2xx after
// one and after three (RFC 3261 section 13.3.1.4), so that one loss either way is made up for.
const ackTerms = 4

// Unfinished reports whether a message is still to come for the transaction, so that a proxy
// that ends now breaks something off: it has no final reply yet, a CANCEL is not answered,
// or an INVITE has its final reply and not its ACK. The ACK of a 2xx passes without leaving
// a trace; it is waited for a short time. What only absorbs retransmissions is finished.
func (tx *Tx) Unfinished(now int64) bool {
	return tx.Slot.unfinished(now, &tx.t.timers) || tx.State != Free && tx.Forked && tx.fork().running(tx.Slot)
}

func (s *Slot) unfinished(now int64, t *Timers) bool {
	switch {
	case s.State == Free:
		return false
	case s.Pending(), s.cancelAt != 0:
		return true
	case s.State == Completed:
		return s.Invite
	case s.State == Accepted:
		return now < s.endsAt-t.Wait+min(ackTerms*t.T1, t.Wait)
	}
	return false
}
