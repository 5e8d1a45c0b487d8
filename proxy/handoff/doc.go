// Package handoff carries descriptors from one process of the proxy to the next: its
// listening sockets, with all the kernel has queued in them, and the memory its state is in.
//
// # Where they are meanwhile
//
// With the service manager, which was handed a copy of each (FDSTORE=1 with FDNAME and
// FDPOLL=0, sd_notify(3)) and hands all of them to the process it starts next
// (sd_listen_fds(3)): LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES. It does so whatever became of the
// process before: kill -9 too. Or nowhere: [Store.Exec] replaces the program of this very
// process, as an upgrade without a manager does. The numbers of the descriptors are in one
// variable more then, TRUNKLINE_FDS: they cannot be moved to 3 and up, as sd_listen_fds(3) counts
// them, for there are those that the Go runtime is using.
//
// # Promises
//
// What Inherit finds is closed on exec, and its variables are unset, so that no child of the
// process gets any of it. Every descriptor goes to one taker. Nobody's descriptor is forgotten:
// Close ends what nobody took, at the manager too, and Drop returns only when the manager has
// let go, so that an address is free then. A Store holds one copy more of each descriptor, as a
// bare number: an os.File of a socket would be woken up for every packet of it, which is also why
// the activation package of go-systemd is not used.
//
// Without a manager and without an Exec nothing here does anything.
package handoff
