// Package agent holds the two parties of a measured call as state machines: a
// Caller (UAC) and a Callee (UAS), each for thousands of calls at once. They read
// no clock and own no socket: what arrives, and what time it is, they are told, and
// what they send goes to a Network. So a test can lose, delay and reorder their
// messages exactly.
//
// Both follow RFC 3261 over an unreliable transport: INVITE and non-INVITE
// transactions with timers A, B, E, F, G, H (section 17), dialogs with their route
// set and remote target (section 12), the 2xx retransmitted until its ACK (section
// 13.3.1.4). Instead of timers D, I, J and K, which keep a transaction for what may
// still come, an ended call is recognised by its identifiers: a late message is
// answered as the RFC says, and counted. Deviating from the RFC, a caller gives up
// a call that rings for longer than AnswerTimeout.
//
// Every message received is either what the state of its call expects or is
// counted: as a duplicate, as out of order, or as unexpected with a reason. Nothing
// allocates per message or call, except that the first few unexpected messages
// are kept as samples.
//
// Instants are durations since a moment of the user's choice. An agent belongs to
// one goroutine.
package agent
