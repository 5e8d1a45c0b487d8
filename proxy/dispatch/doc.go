// Package dispatch chooses the destination of a new request and knows which
// destinations are alive.
//
// A [Set] has destinations and an algorithm. Pick gives one destination after the
// other, none twice, until none is left. It takes no lock and allocates nothing;
// neither does Report for a destination that is well.
//
// # States
//
//	active    takes calls
//	trying    failed last, but not often enough in a row: takes calls like an
//	          active one, only a call that moves on prefers active ones
//	inactive  takes none, until enough probes in a row succeed
//
// A failure is a probe without an accepted final reply in time, or a call whose
// destination said nothing at all or could not be sent to. Any success ends a run
// of failures, so one lost OPTIONS changes nothing but the name of the state. Only
// probes bring an inactive destination back: calls may still be answered or time
// out that were sent there before. Destinations of a set without probing are
// always active, for nothing could bring them back.
//
// # Algorithms
//
// hash-callid is rendezvous hashing over the Call-ID: when a destination goes, its
// calls alone move, evenly to all others, and they return when it does. The hash
// has no secret and depends on the names of the destinations alone, so that every
// appliance with the same set decides alike, in any version.
//
// round-robin takes turns among those that take calls. The calls of one that fails
// are spread over the others in turn.
//
// # Probing
//
// [Prober] sends OPTIONS (RFC 3261 11) from the listener's own socket, so that a
// destination sees the source it sees for calls, and a reply counts only where its
// request left. Retransmission and matching are those of sipgo's client
// transaction (RFC 3261 17.1.2). Replies reach it through Deliver, which never
// blocks; sipgo itself sees no packet but those from a destination's address.
package dispatch
