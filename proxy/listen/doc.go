// Package listen owns the UDP sockets of a listener: a SO_REUSEPORT group, one
// socket per receive worker, so that workers share no socket, no buffer and no
// lock (socket(7), SO_REUSEPORT). The kernel spreads senders over the group by
// the hash of addresses and ports; packets of one sender stay with one worker and
// keep their order.
//
// # Promises
//
// Open opens all sockets of a group or none, and refuses an address that anybody
// else already receives on, even with SO_REUSEPORT. Receiving and sending allocate
// nothing per packet. Nothing is logged per packet; what is lost is counted per
// socket, the kernel's own drops included. Send never waits: a packet that finds the
// send buffer full is dropped and counted. Close ends Serve at once, harms no Send
// under way and leaves no goroutine and no descriptor behind. Finish ends it between two packets
// and loses none.
//
// # Sockets of a process before
//
// Open uses sockets that were left to it (Options.Inherited), with the options of its own
// listener, whatever number of workers there are now: what waits in them is received, and then
// those without a worker are closed. Nobody else is taken to have the port then. Fits says
// whether a descriptor is such a socket.
//
// # Steering
//
// A trunk that sends everything from one address and port meets one socket, and so one
// worker. With Options.Key the group spreads its packets over all workers by call: a
// worker that finds several packets waiting hands over those of other workers before
// it handles its own; one that finds few handles them itself on behalf of the worker they
// belong to, for waking that one would cost more. Either way the packets of one call go to one
// Handler, one at a time and in the order they came. Handing over costs 0.3 to 1.5 us of CPU a
// packet (BenchmarkTrunk). The kernel could spread packets itself, at random
// (SO_ATTACH_REUSEPORT_CBPF), for nothing: of packets sent back to back it then reordered
// one in eight. A program that reads the Call-ID needs loops, which classic BPF has not, and
// CAP_BPF with extended BPF, which the appliance does not give.
//
// # A socket for each worker, or one for all
//
// One socket that all workers receive on costs as much CPU, and spreads one sender over
// all of them for nothing, but one call's packets then are with two workers at a time: 15 in
// a thousand were handled before one sent earlier, as a 180 and its 200 are, and workers would
// need a lock per call. BenchmarkSharing, 2 workers of 2 CPUs, bursts of 256 packets that take
// 20 us each, two of a call back to back; medians of 3 to 4 runs in turn:
//
//	                                CPU beside    busiest    reordered   CPU in all, to
//	                                handling, us  worker, %  of 1,000    reuseport's
//	64 senders, reuseport (this)    2.2           54         0           1
//	  one socket, Go's poller       1.5           55         16          0.98
//	  one socket, blocked threads   2.3           51         14          1.00
//	1 sender, reuseport             1.6           100        0           1
//	  steered by call (this)        3.0           55         0           1.05
//	  one socket, Go's poller       1.6           58         16          1.00
//	  one socket, blocked threads   1.9           51         15          1.01
//
// # How packets are received
//
// A goroutine takes whatever its socket holds, up to 32 packets a call, without ever
// blocking in the kernel, and parks in Go's poller only when nothing is left. CPU per
// packet of 600 bytes, received and sent on, one core, medians of 3 to 5 runs in turn, us:
//
//	                                            6,000/s   25,000/s   overload
//	C, recvfrom and sendto                         12.3        8.7       3.2
//	one ReadFromUDPAddrPort per packet             30.0       16.2       4.5
//	recvmmsg in one Read of the poller (this)      14.6        9.5       3.4
//	  the same, sends gathered for sendmmsg        14.5       10.9       3.1
//	thread blocked in recvfrom                     21.9       14.5       3.8
//	thread blocked in recvmmsg                     24 to 32 13 to 15     3.5
//	thread that polls, then recvmmsg               21.4       14.2       3.4
//
// A thread that blocks in a system call loses to the poller, because it keeps the runtime's
// monitor awake: 7,400 wake-ups a second at 6,000 packets/s, against 90. Gathered sends
// pay in overload alone, and would let one worker's packets overtake another's.
//
// A wake-up by the poller costs 14 us of CPU, two calls of epoll_pwait among it; at 28,000
// packets/s there were 5,400 a second. So a worker whose packets come densely sleeps 0.1 ms
// before it looks again, and parks when that was in vain. make bench at 4,000 calls/s, three runs in
// turn: 0.099 to 0.117 CPU-s per 1,000 calls with these naps, 0.148 and 0.157 without (0.103 to
// 0.109 with naps of 0.25 ms); 180 after 0.28 ms against 0.11. At 1,000 calls/s nothing changes.
package listen
