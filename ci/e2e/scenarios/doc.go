// Package scenarios holds sbcd to what a SIP proxy owes both sides of a call, one small
// script for each thing that happens: who sends what, and what everybody else must see.
//
//	a INVITE sdp -> b     a sends it; b gets it, changed only where a proxy must
//	a < 100               a gets a reply that the proxy made itself
//	b 180 -> a
//	b 200 sdp -> a lost   the network drops what the proxy sends to a
//	b again 200 -> a
//	a ACK -> b
//
// Callers are a and x, callees b, c and d; s is a stranger. Over WS and WSS callers are
// browsers: they have no address, and nobody connects to them. What they receive is compared
// as a whole: a forwarded request after the changes of RFC 3261 section 16.6 are undone,
// a forwarded reply after section 16.7, and what the proxy makes itself with what
// sections 8.2.6, 9.1 and 17.1.1.3 say it is. The agents do nothing by themselves, so
// that nothing depends on the clock; what is lost, doubled or overtaken is in the script.
//
// At the end of each script nobody may have received anything more, sbcd must hold no
// transaction, message, call or place at a destination, and the counters that moved are
// those the script names. The scripts are the table of the package; script_test.go
// explains the words they are made of.
//
// The tests start the programs in the directory TRUNKLINE_BIN names (make sip sets it)
// and compile a spec for each group of scripts. Groups run beside each other, each with
// its own sbcd on its own network 127.61.N.0/24. Nothing here reads SIP with the code of
// the proxy.
package scenarios
