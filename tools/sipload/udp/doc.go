// Package udp sends and receives datagrams on many sockets from one goroutine, in
// batches (recvmmsg(2), sendmmsg(2)), without allocating per datagram.
//
// What is sent waits in the Set until Flush, or until the batch is full; datagrams
// of one socket leave in the order they were sent. What the kernel dropped because
// a receive queue was full is counted per socket (SO_MEMINFO, sock_diag(7)). Where
// the process may (CAP_NET_ADMIN), receive queues are made as large as asked for;
// elsewhere net.core.rmem_max limits them.
//
// A Set belongs to one goroutine, which should be tied to a thread with
// [LockThread]. While it waits in Receive it keeps its place in the Go scheduler
// (its P), for up to 10 ms where another goroutine wants it: so a wait must be
// short, and a process that does more than measure should not use this package.
package udp
