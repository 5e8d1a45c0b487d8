// Package load runs measurements: it gives an agent.Caller and an agent.Callee
// sockets and a clock, starts calls when they are due, and says what that took.
//
// The load is open: a call is started at its instant whatever became of the ones
// before, and its latencies count from that instant, so that a proxy that stalls
// is charged with every call that had to wait (no coordinated omission). One
// goroutine does everything, tied to one thread; a second one reads /proc at the
// edges of the measured window.
//
// What is promised about where traffic goes: to loopback and private addresses
// alone (RFC 1918, RFC 4193), also where a Contact, Record-Route or Via points
// elsewhere; no run is longer than MaxDuration or has more than MaxCalls calls.
package load
