// Package sizing turns a spec and a set of coefficients into a budget: workers,
// state, buffers, kernel settings, the memory map, what cards, media relays and
// databases must carry, and the load at which each resource saturates.
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
// than what the added workers hold; planned up to a ceiling a spec fits, planned
// beyond it it does not; the memory map adds up to the memory of the machine to
// the byte.
//
// Two axes. The call rate loads sockets and workers; the calls held load slots,
// and, where they are refreshed (RFC 4028) or relayed on the appliance, CPU and
// cards as well. A capacity that both use has a ceiling on each axis, with the
// other at its plan.
//
// Ranges. Where a coefficient was measured from one value to another, the figures
// that depend on it have a Low and a High; see Figure. What becomes configuration
// and what is found follow from the stated values alone, so a plan does not depend
// on how wide a range is.
//
// What the model does not know it takes at its worst: which dispatcher set a call
// takes, which of the destinations or relays is down, whether a call lasts until
// its session is refreshed. It leaves out what it has no figure for: packets
// mirrored to a capture server, the traffic of dynamic sockets, memory nodes (NUMA).
//
// The rules come from RFC 3261 (timers, section 17), RFC 4028, RFC 3550, Linux
// socket(7) (the kernel doubles SO_RCVBUF and counts truesize against it), the
// kernel's scaling.rst (queues and packet steering) and Little's law.
package sizing
