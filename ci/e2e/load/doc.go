// Package load puts sbcd under load: one trunk over several workers, garbage from many
// sources beside calls, and a soak, in which calls end in every way and in no way while
// destinations fail and come back, connections are reset and datagrams are lost. After
// that nothing may be left: no call, transaction, place at a destination, connection,
// goroutine or descriptor; the counters must add up, and what failed must work again.
//
// sipload gives the steady part of the load. The parties that fail on purpose are the
// tests' own (party_test.go), for they must break what a good agent does not. What a
// callee does is a digit of the number called (callee_test.go), what a caller does and
// what the call may come to is a script (caller_test.go).
//
// Nothing in it is timed: rates are low enough for a busy machine, waits are for
// conditions, and what is asserted is counts and memory. The soak also runs against an
// sbcd built with the race detector.
package load
