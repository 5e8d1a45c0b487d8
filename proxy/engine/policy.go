package engine

import "trunkline/proxy/policy"

// applyPolicy makes the changes of the configuration to a message that is forwarded,
// in place. It does so last, so that what was changed is what is kept for
// retransmissions.
func (w *worker) applyPolicy(msg []byte) []byte {
	if w.e.policy == nil {
		return msg
	}
	msg, w.changed = w.e.policy.Apply(msg)
	return msg
}

// countChanges counts what was changed in the message being sent. A message built
// again to be looked at, as for a CANCEL, is not counted.
func (w *worker) countChanges() {
	r := w.changed
	if r == (policy.Result{}) {
		return
	}
	w.changed = policy.Result{}
	w.c.n[cHeadersRemoved].Add(uint64(r.Headers))
	w.c.n[cEncodingsRemoved].Add(uint64(r.Encodings))
	if r.Unpruned {
		w.c.add(cUnpruned)
	}
}

// stunCookie is in every STUN message since RFC 5389 (section 6).
const stunCookie = "\x21\x12\xa4\x42"

// stun reports whether a packet is STUN, by which some peers keep a mapping open (RFC
// 5626 section 4.4.2). Who announces no support for that need not answer.
func stun(pkt []byte) bool {
	return len(pkt) >= 20 && pkt[0]&0xc0 == 0 && string(pkt[4:8]) == stunCookie
}
