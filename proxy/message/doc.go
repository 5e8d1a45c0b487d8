// Package message reads and rewrites SIP messages without building a model of
// them. A [View] holds offsets into the received bytes: of the start line and of
// the header fields a proxy must understand. Everything else is neither decoded
// nor copied, and is forwarded byte for byte.
//
// Parse makes one pass and allocates nothing; the Append functions allocate
// nothing when their destination has room. Nothing here recurses, and every count
// and length is bounded (MaxSize, MaxHeaders), so the cost of a message is linear
// in its size.
//
// A View refers to the bytes it was given: it is good for as long as they are
// unchanged, and belongs to one goroutine.
//
// Rules come from RFC 3261 (sections 7, 8.2.6, 16.6, 17.1.1.3, 18.3, 25), RFC 3581
// (rport) and, for what to make of broken input, RFC 4475 and RFC 5118. A message
// that cannot be used yields a [Fault], which says whether a reply is due.
package message
