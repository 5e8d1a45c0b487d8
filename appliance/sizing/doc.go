// Package sizing turns a spec and a set of coefficients into a budget: workers,
// state, buffers, kernel settings, the memory map and the load at which each
// resource saturates.
//
// Size is a pure function: no clock, no network, no look at the machine it runs
// on. Every number it returns is a Figure that carries its formula, its inputs
// and where each measured input comes from, so that a reader can argue with it.
//
// Units are SI and bytes: seconds, bytes, calls per second (CPS), packets per
// second. Byte figures are whole numbers below 2^53 and therefore exact.
//
// The model promises: more load never needs less; more memory, NIC speed or
// queues never lower a ceiling; more threads lower none but memory, by no more
// than what the added workers hold; the memory map adds up to the memory of the
// machine to the byte.
//
// The rules come from RFC 3261 (timers, section 17), Linux socket(7) (the kernel
// doubles SO_RCVBUF and counts truesize against it) and Little's law.
package sizing
