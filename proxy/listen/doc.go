// Package listen owns the UDP sockets of a listener: a SO_REUSEPORT group, one
// socket per receive worker, so that workers share no socket, no buffer and no
// lock (socket(7), SO_REUSEPORT). The kernel spreads senders over the group by
// the hash of addresses and ports; packets of one sender stay with one worker and
// keep their order.
//
// Promises: Open opens all sockets of a group or none, and refuses an address
// that anybody else already receives on, even with SO_REUSEPORT. A worker's loop
// allocates nothing per packet. Nothing is logged per packet; what is lost is
// counted per socket, the kernel's own drops included.
package listen
