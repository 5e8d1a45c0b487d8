// Package firewall computes the packet filter of an appliance from its listeners
// and renders it for people as nft text; the kernel gets the same model through
// package netlink below. There is one model, so what is reviewed is what is loaded.
//
// The ruleset promises, for IPv4 and IPv6 alike:
//
//   - Nothing reaches the appliance that is not named here; what is dropped gets no
//     answer, and every accept and every drop has a counter.
//   - A listener is reached by the sources the spec gives it and by its peers, the
//     destinations behind it. A source above its packet rate loses packets, peers
//     are never metered. A meter that is full stops counting new sources; those are
//     allowed ones, and they stay allowed.
//   - A listener over TCP, TLS or WebSocket has the same sources and peers; of its
//     packets only those that open a connection are metered.
//   - Services beside SIP (control, metrics) are reached by their sources. Media ports
//     are open to everybody, as media comes from wherever the call leads, and are not
//     tracked either.
//   - SIP over UDP is not tracked (priority raw lies before conntrack, which is at -200). A
//     flood cannot fill the conntrack table, and replies need no entry in it.
//   - ICMP errors come in from anywhere: path MTU discovery needs them, and conntrack
//     cannot relate them to untracked packets. Echo is answered to sources and
//     peers alone, at a bounded rate in all.
//   - Fragments are put together before any rule sees them: the ct rule makes the
//     kernel attach defragmentation at priority -400.
//
// The computation is pure: the same appliance gives the same text.
package firewall
