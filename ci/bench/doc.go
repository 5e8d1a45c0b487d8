// Command bench measures sbcd beside Kamailio: the same flow through both, in turn
// in one run, each proxy alone on one core and the load on another, and prints a
// table of ratios.
//
// The flow is a stateful, record-routing, load-dispatching call over UDP:
// INVITE, 100, 180, 200, ACK, BYE, 200, 13 datagrams at the proxy. Kamailio is that
// of the distribution with its fast allocator (-x fm -X fm; its default one is for
// debugging and costs two to three times as much). A cell counts only when nothing
// failed, nothing was sent twice and nothing was lost.
//
// Beside them stands what bare forwarding of the same datagrams costs here, by sbcd's sockets
// without a look at their contents: no proxy in Go costs less (12 datagrams: nobody sends 100).
//
// The same with the duties of an SBC (part sbc): dialogs kept, limits as a whole and for a
// carrier, a key for each call. And 60,000 calls up at once (part standing), begun at 1,000 a second: what
// one takes in memory, and whether the state of sbcd is as large as its plan says.
//
// Part plan calibrates this machine, plans with that, and holds the plan against a run.
//
// Absolute figures are of the machine and the hour; ratios of neighbouring cells
// are what can be compared. Cells during which other processes or the host used the
// machine, or the load came late, are measured again, twice at most, and no verdict is given on them.
package main
