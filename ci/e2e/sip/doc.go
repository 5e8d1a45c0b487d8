// Package sip runs SIPp callers and callees, and over TLS those of sipgo, through sbcd
// over loopback and compares every message on both sides: which messages came, in what order, and
// that a forwarded message differs from the sent one only where a proxy must
// change it.
//
// The tests start the programs in the directory TRUNKLINE_BIN names (make sip
// sets it) and compile the configuration from a spec, as a user would. Agents
// and proxy live on 127.0.0.0/8.
package sip
