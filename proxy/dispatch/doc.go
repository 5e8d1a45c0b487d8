// Package dispatch chooses the destination of a new request and knows which
// destinations are alive.
//
// A [Set] has destinations and an algorithm. Pick gives one destination after the
// other, none twice, until none is left; Chain says which sets take the calls then.
// Pick takes no lock and allocates nothing; neither does Report for a destination
// that is well. A change of state makes a new picture of the set and puts it in place
// as a whole.
//
// # States
//
//	active    takes calls
//	trying    failed last, but not often enough in a row: takes calls like an
//	          active one, only a call that moves on prefers active ones
//	inactive  takes none, until enough probes in a row succeed
//	probing   takes none until its first probe succeeds; inactive when as many
//	          fail in a row as make an active one inactive
//	disabled  takes none and is not probed, until somebody sets another state
//
// A failure is a probe without an accepted final reply in time, or a call whose
// destination said nothing at all or could not be sent to. Any success ends a run
// of failures, so one lost OPTIONS changes nothing but the name of the state. Only
// probes bring an inactive destination back: calls may still be answered or time
// out that were sent there before. Destinations of a set without probing stay active
// unless they are disabled, for nothing could bring them back. SetState puts a
// destination into any state but trying by hand. Changes are counted, and told to the
// log up to a rate.
//
// # Targets
//
// A destination with an address has one target; one with a name has those its name
// leads to now (package resolve), which Next gives in the order of DNS. Each target has
// a state and is probed for itself; the destination has the state of its best one, so
// that it is inactive when all of them are, or when its name leads nowhere. What is
// known of a target outlives a new answer of DNS. A new target of a destination that
// takes calls takes them at once; else it waits for its first probe, which is sent at
// once. In a set without probing every target stays active, and Next goes by DNS alone.
//
// # Algorithms
//
// hash-callid, hash-from, hash-to, hash-ruri and hash-user are rendezvous hashing over
// the Call-ID, a URI or the number called: when a destination goes, its calls alone
// move, evenly to all others, and they return when it does. The hash has no secret
// and depends on the names of the destinations alone, so that every appliance with
// the same set decides alike, in any version. Who can choose what is hashed can
// choose the destination.
//
// round-robin takes turns among those that take calls. The calls of one that fails
// are spread over the others in turn.
//
// weight gives each its part of the calls; one that takes none leaves its part to the
// next in the order of the configuration. relative-weight gives each its part of
// those that take calls. Both spread the parts evenly over time and without chance:
// of any run of calls, each has its part to within a few.
//
// priority takes the lowest number that takes calls, those of one number in turns;
// first the first in the order of the configuration; random any, each as likely.
//
// call-load takes the one with the fewest calls against its max_calls, those alike in
// turns.
//
// latency takes the one with the lowest smoothed time to reply, to probes and to
// calls; those within an eighth or a millisecond of it share the calls, and so does
// one that was not measured yet. One call in 32 goes to any in turn, so that a
// destination that was slow once can show otherwise.
//
// parallel gives a call to all destinations that take calls, at once (PickAll).
//
// # Places
//
// A call takes a place where Pick sends it, and Leave gives it back. max_calls and
// max_cps bind whatever the algorithm: a destination that is full is passed over, and
// counted, as if it had been tried. A hashed call that finds its destination full goes
// where it would go with that one down.
//
// # Probing
//
// [Prober] sends OPTIONS (RFC 3261 11) from the listener's own socket, so that a
// destination sees the source it sees for calls, and a reply counts only where its
// request left. Retransmission and matching are those of sipgo's client
// transaction (RFC 3261 17.1.2). Replies reach it through Deliver, which never
// blocks; sipgo itself sees no packet but those from a destination's address.
package dispatch
