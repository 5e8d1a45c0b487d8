// Package wire reads SIP messages as far as a caller or a callee must understand
// them, and writes them from templates rendered beforehand. Neither allocates.
//
// It shares no code with a proxy on purpose: what a proxy under test gets wrong is
// not to be excused by a reader that gets the same wrong. Messages come from the
// parties of a measurement, so the reader is strict: where RFC 3261 leaves a
// choice to the sender every form is taken (compact names, folded lines, several
// values in a line), but what the RFC forbids is a fault and is counted.
//
// A Message refers to the bytes it was read from and is good for as long as these
// are unchanged.
package wire
