package transaction

// rank orders refusals by which of them the caller gets (RFC 3261 16.7 step 6), the
// lowest first: a 6xx, then the lowest class. Of the 4xx those come first that say how
// to ask again, challenges before others; a 503 comes last of all, for it speaks of one
// server alone.
func rank(code int) uint8 {
	switch {
	case code >= 600:
		return 0
	case code < 400:
		return 1
	case Challenge(code):
		return 2
	case code == 415 || code == 420 || code == 484:
		return 3
	case code < 500:
		return 4
	case code != 503:
		return 5
	}
	return 6
}

// Challenge reports whether a reply of this code asks for credentials.
func Challenge(code int) bool { return code == 401 || code == 407 }

// BestCode is the code of the best refusal so far, 0 when there is none.
func (tx *Tx) BestCode() int { return int(tx.fork().bestCode) }

// Best is the best refusal so far as it will be sent; nil when there is none, or when
// it came from nobody or could not be stored.
func (tx *Tx) Best() []byte {
	f := tx.fork()
	if f.best == 0 {
		return nil
	}
	return tx.sh.store.bytes(f.best)[:f.bestLen]
}

// Better reports whether a refusal beats the best so far; among equals the first does.
// One that came from nobody (msg is nil: a timeout, a connection that failed) yields to
// one of its rank that did come.
func (tx *Tx) Better(code int, fromNobody bool) bool {
	f := tx.fork()
	return f.bestCode == 0 || fullRank(code, fromNobody) < f.bestRank
}

func fullRank(code int, fromNobody bool) uint8 {
	r := 2 * rank(code)
	if fromNobody {
		r++
	}
	return r
}

// SetBest stores a refusal as the best, in place of the one before. msg nil: it came
// from nobody. It reports false when the budget for messages is spent; then its code
// alone is known, and of two challenges the one before remains.
func (tx *Tx) SetBest(code int, msg []byte) bool {
	f, st := tx.fork(), &tx.sh.store
	r := bufRef(0)
	if len(msg) > 0 {
		if r = st.take(len(msg)); r == 0 && f.best != 0 && Challenge(code) && Challenge(int(f.bestCode)) {
			return false
		}
	}
	tx.sh.give(f.best)
	f.best, f.bestLen = r, 0
	f.bestCode, f.bestRank = uint16(code), fullRank(code, msg == nil)
	if r != 0 {
		f.bestLen = uint32(copy(st.bytes(r), msg))
	}
	return r != 0 || len(msg) == 0
}

// RespondBest makes the best refusal the response that is kept for retransmissions.
func (tx *Tx) RespondBest() {
	f := tx.fork()
	if f.best == 0 {
		return
	}
	tx.DropResponse()
	tx.response, tx.responseLen = f.best, f.bestLen
	f.best, f.bestLen = 0, 0
}
