// Package transaction keeps the state of a stateful SIP proxy: one slot for each
// request it forwards, holding the server half (towards the caller) and the client
// half (towards the destination being tried) of RFC 3261 sections 16 and 17, as
// amended by RFC 6026.
//
// # Table
//
// Slots live in shards with a lock each; no lock is shared by all, except for a
// moment when a shard runs out of empty buffers or has too many. A received
// request finds its slot by a keyed hash of what RFC 3261 17.2.3 compares (see
// ServerKey). A reply finds its slot without a search: the branch we wrote names
// shard, slot, generation and attempt, and carries a MAC, so that a forged branch
// finds nothing and a stale one is known to be stale.
//
// A Tx is a slot with its shard locked. Whatever is sent for a transaction is sent
// before Unlock, which is what keeps its messages in order: two workers holding
// the 180 and the 200 of one call cannot overtake each other once they are here.
//
// # State machine
//
// The rules are methods of Slot: they change state and timers and say what must
// be done (Action, Event); they send nothing and choose nothing. Timers are fields
// of the slot, in milliseconds of the caller's monotonic clock; one wheel per
// shard wakes a slot when its earliest is due. Nothing here waits, and on the
// path of a message nothing allocates, except that a table grows to its peak.
//
// A transaction that forks (SetForked) has a client half for each attempt, all at once,
// and the best refusal of them, beside its slot: RFC 3261 16.7's response context.
//
// # Memory
//
// Slots are of fixed size, refer to each other by index, and hold no pointers; they and
// the messages are in an arena (package shm) where there is one, and then the transactions
// outlive the process: what ends in the middle of a change is found as it was when others
// last heard of it (undo.go), and all that follows from the slots is made anew (Recover);
// messages are in buffers of fixed classes, counted exactly against the budget. The
// memory taken for buffers, used or free, exceeds the budget by no more than a few
// slabs of each shard, whatever sizes messages have had.
// A table never takes more slots or bytes than it was given: Create and SetRequest
// say so, and what is in progress goes on.
package transaction
