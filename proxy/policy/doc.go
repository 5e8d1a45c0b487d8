// Package policy is what is changed in forwarded messages beyond what a proxy must
// change: header fields taken out, encodings taken out of session descriptions,
// header names written in their compact form, and whether a request is too long for
// UDP.
//
// A [Policy] is compiled once and shared by all workers. [Policy.Apply] works in
// place, allocates nothing and only ever makes a message shorter: whatever it does not
// take out keeps its bytes. The same message always comes out the same, so a
// retransmission that is built anew repeats the one before it.
//
// Header fields that calls depend on (ProtectedHeaders) are refused by [Compile], even
// though the compiler of the spec refuses them already: a configuration may come from
// elsewhere, and a call that lost its Contact cannot be ended.
//
// A request and its replies may be changed, for RFC 3261 section 16.6 lets a proxy
// leave out what local policy says, as long as no other party relies on it.
package policy
