# Coefficients of the sizing model. Each is one measured or argued number.
# "assumption" in a source means: nobody has measured it on this software yet.
# A file of the same form, naming any subset, replaces these values.

# --- CPU ---

coefficient "cpu_per_call" {
  value  = 0.00035
  unit   = "s"
  range  = [0.000109, 0.000172]
  source = "measured: sbcd, 13 datagrams of about 600 B a call over loopback, 500 and 1,000 calls/s on one vCPU (Kamailio in the same runs: 0.00011 to 0.0002); doubled for what the run lacks: a card's interrupts, the packet filter, longer messages"
  date   = "2026-11"
}

coefficient "target_utilisation" {
  value  = 0.6
  unit   = "1"
  source = "assumption: keeps the queueing delay of a worker below twice its service time and leaves room for retransmissions"
  date   = "2026-11"
}

coefficient "smt_yield" {
  value  = 0.3
  unit   = "1"
  source = "assumption: what a second hardware thread adds to its core for packet work"
  date   = "2026-11"
}

# --- Datagrams of one call through a record-routing proxy ---

coefficient "requests_in_per_call" {
  value  = 3
  unit   = "datagrams"
  source = "measured: INVITE, ACK, BYE received (13 datagrams a call: 6 in, 7 out)"
  date   = "2026-11"
}

coefficient "replies_in_per_call" {
  value  = 3
  unit   = "datagrams"
  source = "measured: 180, 200, 200 received (13 datagrams a call: 6 in, 7 out)"
  date   = "2026-11"
}

coefficient "replies_out_per_call" {
  value  = 4
  unit   = "datagrams"
  source = "measured: 100, 180, 200, 200 sent (13 datagrams a call: 6 in, 7 out)"
  date   = "2026-11"
}

coefficient "datagram_bytes" {
  value  = 900
  unit   = "B"
  source = "assumption: mean SIP message of a trunk, with SDP in two of six"
  date   = "2026-11"
}

coefficient "datagram_overhead" {
  value  = 66
  unit   = "B"
  source = "Ethernet 14+4, preamble and gap 20, IPv4 20, UDP 8"
  date   = "2026-11"
}

# --- Per-call state ---

coefficient "transaction_slot_bytes" {
  value  = 624
  unit   = "B"
  range  = [620, 622]
  source = "measured: row of the arena of proxy/transaction with its index and what proxy/engine keeps beside each slot"
  date   = "2026-11"
}

coefficient "message_bytes_stored" {
  value  = 2560
  unit   = "B"
  source = "assumption: an INVITE with SDP in a 1,536-byte buffer and a reply in a 1,024-byte one; measured with short messages and finished transactions 195 B; Kamailio 16-20 kB a transaction"
  date   = "2026-11"
}

coefficient "call_slot_bytes" {
  value  = 70
  unit   = "B"
  range  = [68, 69]
  source = "measured: row of the arena of proxy/call with its index. Kamailio: 1.56 kB a dialog"
  date   = "2026-11"
}

coefficient "fork_bytes" {
  value  = 632
  unit   = "B"
  range  = [624, 628]
  source = "measured: what a slot of proxy/transaction and proxy/engine takes more where a dispatcher calls all its destinations at once (parallel): timers, destinations, targets and times of 16 attempts"
  date   = "2026-11"
}

coefficient "fork_reply_bytes" {
  value  = 768
  unit   = "B"
  source = "assumption: the best refusal of a forked call so far, without a body, in a 768-byte buffer"
  date   = "2026-11"
}

coefficient "fork_call_bytes" {
  value  = 32
  unit   = "B"
  range  = [28, 32]
  source = "measured: seven places at destinations more in a slot of proxy/call where a dispatcher calls all its destinations at once (parallel)"
  date   = "2026-11"
}

coefficient "dialog_bytes" {
  value  = 546
  unit   = "B"
  range  = [544, 545]
  source = "measured: a row of proxy/dialog and four blocks of 128 B for its text, of which a usual dialog takes three, where there are session timers. With call_slot_bytes 616 B; Kamailio: 1.56 kB a dialog"
  date   = "2026-11"
}

coefficient "media_row_bytes" {
  value  = 8
  unit   = "B"
  range  = [8, 8]
  source = "measured: row of proxy/media beside a call's"
  date   = "2026-11"
}

coefficient "media_delete_bytes" {
  value  = 16
  unit   = "B"
  range  = [16, 16]
  source = "measured: row of proxy/media for a session whose delete is not answered yet"
  date   = "2026-11"
}

coefficient "shard_bytes" {
  value  = 104000
  unit   = "B"
  range  = [99000, 100500]
  source = "measured: slabs that the messages of a shard of proxy/transaction have partly used, and the image of the slot it is changing"
  date   = "2026-11"
}

coefficient "limited_address_bytes" {
  value  = 128
  unit   = "B"
  range  = [128, 128]
  source = "measured: what proxy/limit keeps for an address that has limits of its own (per_address), four rows of 32 B each, so that hardly ever an address finds no room"
  date   = "2026-11"
}

coefficient "record_bytes" {
  value  = 388
  unit   = "B"
  range  = [388, 389]
  source = "measured: row of the arena of proxy/record with its index: 288 B of texts, times, source, destination, key"
  date   = "2026-11"
}

coefficient "call_origin_bytes" {
  value  = 18
  unit   = "B"
  range  = [18, 18]
  source = "measured: row of the arena of proxy/engine beside a call that is kept outside of the memory: where its INVITE came from"
  date   = "2026-11"
}

coefficient "cache_row_bytes" {
  value  = 26.7
  unit   = "B"
  range  = [26.67, 26.8]
  source = "measured: a row of a table of proxy/route whose prefix is a number, twice: old and new table are alive during a swap; a prefix that is none takes 16 B and its length, twice"
  date   = "2026-11"
}

coefficient "worker_bytes" {
  value  = 262144
  unit   = "B"
  range  = [94587, 209275]
  source = "measured: a waiting worker; and both its message buffers grown to 65,535 B. Beside its receive batch"
  date   = "2026-11"
}

coefficient "worker_batch" {
  value  = 32
  unit   = "datagrams"
  source = "proxy/listen: what one receive call takes at most, each with room for the largest message. Memory no datagram reaches is never backed, but the process is allowed it"
  date   = "2026-11"
}

coefficient "state_headroom" {
  value  = 1.2
  unit   = "1"
  source = "assumption: slots beyond the worst case, on top of the high-water mark"
  date   = "2026-11"
}

# --- Memory of the host ---

coefficient "kernel_bytes" {
  value  = 201326592
  unit   = "B"
  source = "measured: an appliance of the vm profile is ready in a machine of 256 MiB, of which 52 MiB are the root image and 17 MiB sbcd: at most 187 MiB remain for kernel and systemd"
  date   = "2026-11"
}

coefficient "kernel_share" {
  value  = 0.015625
  unit   = "1"
  source = "Linux: one 64-byte struct page for each 4 KiB page"
  date   = "2026-11"
}

coefficient "root_image_bytes" {
  value  = 67108864
  unit   = "B"
  range  = [57500000, 57700000]
  source = "measured: 54.9 MiB unpacked by the kernel, vm profile of 53 packages; with room for their updates. `trunkline build` warns when an image is larger"
  date   = "2026-11"
}

coefficient "process_bytes" {
  value  = 67108864
  unit   = "B"
  range  = [17161216, 21307392]
  source = "measured: sbcd at 500 to 1,000 calls/s, code, heap and the touched part of its state; three times that for probes, status and reloads"
  date   = "2026-11"
}

coefficient "gc_slack" {
  value  = 0.25
  unit   = "1"
  source = "assumption: state is allocated once and holds no pointers, and the soft memory limit runs the collector before the heap doubles"
  date   = "2026-11"
}

coefficient "page_cache_bytes" {
  value  = 134217728
  unit   = "B"
  source = "assumption: program pages of the root image and the volatile journal"
  date   = "2026-11"
}

# --- Sockets ---

coefficient "stall" {
  value  = 2
  unit   = "s"
  source = "assumption: longest pause of the workers to ride out without loss (start of a new process included)"
  date   = "2026-11"
}

coefficient "send_stall" {
  value  = 0.1
  unit   = "s"
  source = "assumption: longest pause of the device queue"
  date   = "2026-11"
}

coefficient "datagram_truesize" {
  value  = 2304
  unit   = "B"
  source = "Linux: 2,048-byte head and 256-byte sk_buff counted against the buffer for a datagram below 1,500 bytes"
  date   = "2026-11"
}

coefficient "recv_buffer_floor" {
  value  = 1048576
  unit   = "B"
  source = "siphon issue 217: 256 kB lost 1.2 M datagrams at 30,000/s, a raised buffer none"
  date   = "2026-11"
}

coefficient "send_buffer_floor" {
  value  = 262144
  unit   = "B"
  source = "assumption: a burst of one hundred replies in one turn of a worker"
  date   = "2026-11"
}

coefficient "socket_packets" {
  value  = 45000
  unit   = "packets/s"
  source = "siphon issue 217: 45,000/s through one socket without loss; Cloudflare: about 50,000/s a core"
  date   = "2026-11"
}

coefficient "nic_packets_per_queue" {
  value  = 300000
  unit   = "packets/s"
  source = "assumption: one receive queue served by one CPU in softirq"
  date   = "2026-11"
}

coefficient "nic_utilisation" {
  value  = 0.8
  unit   = "1"
  source = "assumption: share of the line rate planned for"
  date   = "2026-11"
}

# --- Firewall ---

coefficient "source_rate_factor" {
  value  = 3
  unit   = "1"
  source = "RFC 3261 17.1: a request not answered for 1.5 s has been sent three times"
  date   = "2026-11"
}

# --- Session timers (RFC 4028) ---

coefficient "refresh_requests_in" {
  value  = 2
  unit   = "datagrams"
  range  = [1, 2]
  source = "RFC 4028 section 7.4: a refresh is a re-INVITE (INVITE and ACK received) or an UPDATE (one request)"
  date   = "2026-11"
}

coefficient "refresh_replies_in" {
  value  = 1
  unit   = "datagrams"
  source = "RFC 3261 section 14: the 200 of the refresh"
  date   = "2026-11"
}

coefficient "refresh_replies_out" {
  value  = 2
  unit   = "datagrams"
  range  = [1, 2]
  source = "RFC 3261 section 17.2.1: 100 and 200 of a re-INVITE; an UPDATE has the 200 alone"
  date   = "2026-11"
}

# --- Media ---

coefficient "media_commands_per_call" {
  value  = 3
  unit   = "commands"
  source = "rtpengine's ng protocol: offer, answer, delete of a call without early media"
  date   = "2026-11"
}

coefficient "media_commands_per_refresh" {
  value  = 2
  unit   = "commands"
  range  = [0, 2]
  source = "a re-INVITE carries SDP: offer and answer; an UPDATE without SDP none"
  date   = "2026-11"
}

coefficient "media_socket_commands" {
  value  = 750
  unit   = "commands/s"
  range  = [600, 900]
  source = "Kamailio at 1,000 CPS: one ng UDP socket held the full path to 200 to 300 calls/s, three commands each. rtpengine 10.5 by itself, on two shared vCPUs and without media, answered 1,535 to 7,679 commands/s on one socket"
  date   = "2026-11"
}

coefficient "media_packet_cpu" {
  value  = 0.000012
  unit   = "s"
  range  = [0.000008, 0.0000104]
  source = "measured: rtpengine 10.5 in user space, 30 to 300 calls of G.711 with 20 ms over loopback, process CPU time for each packet relayed; with room for a card's interrupts"
  date   = "2026-11"
}

coefficient "media_command_cpu" {
  value  = 0.0002
  unit   = "s"
  range  = [0.000085, 0.000167]
  source = "measured: rtpengine 10.5, process CPU time for an offer, answer or delete of one stream; with room for longer SDP"
  date   = "2026-11"
}

coefficient "media_session_bytes" {
  value  = 81920
  unit   = "B"
  range  = [68000, 74400]
  source = "measured: rtpengine 12.5 of Debian 13 with 100 to 4,500 calls of one stream: 55,900 to 59,100 B resident, and 12,300 to 15,400 B of the kernel for the four sockets; with room for their queues"
  date   = "2026-11"
}

coefficient "media_process_bytes" {
  value  = 67108864
  unit   = "B"
  range  = [37871616, 40755200]
  source = "measured: resident memory of rtpengine 10.5 and 12.5 without a call, with 2 and 16 threads (400 KiB apart), 30 MiB of it libraries; with room for their updates"
  date   = "2026-11"
}

coefficient "media_image_bytes" {
  value  = 167772160
  unit   = "B"
  range  = [151000000, 151600000]
  source = "measured: what an image with rtpengine-daemon 12.5 of Debian 13 and the 142 packages it is linked with, ffmpeg's above all, holds more than one without; with room for their updates"
  date   = "2026-11"
}

# --- Connections (TCP, TLS, WebSocket) ---

coefficient "tls_handshake_cpu" {
  value  = 0.002
  unit   = "s"
  range  = [0.000225, 0.002072]
  source = "measured: server side of Go's crypto/tls, full handshakes over loopback on one vCPU: 0.000225 s (TLS 1.2, ECDSA P-256) to 0.002072 s (TLS 1.3, RSA 2,048, client certificate)"
  date   = "2026-11"
}

coefficient "tls_handshakes_per_call" {
  value  = 0.01
  unit   = "1"
  source = "assumption: trunks keep their connections, one call in a hundred opens one"
  date   = "2026-11"
}

coefficient "tls_message_cpu" {
  value  = 0.000002
  unit   = "s"
  range  = [0.0000007, 0.0000014]
  source = "measured: Go's crypto/tls, a record of 900 B sealed and opened in 1.4 us more than through a plain pipe, half of it and all of it; with room for framing"
  date   = "2026-11"
}

coefficient "connection_kernel_bytes" {
  value  = 8192
  unit   = "B"
  range  = [3113, 3543]
  source = "measured: slab memory of idle TCP connections over loopback, half of what both ends take; with room for queued segments"
  date   = "2026-11"
}

coefficient "tcp_connection_bytes" {
  value  = 16384
  unit   = "B"
  range  = [11050, 11146]
  source = "measured: an idle connection in Go with its goroutine and a message buffer of 8 KiB; with room for a message that grew it"
  date   = "2026-11"
}

coefficient "tls_connection_bytes" {
  value  = 32768
  unit   = "B"
  range  = [10170, 10512]
  source = "measured: an idle connection in Go over TLS 1.3 after messages of 1.5 and 4 kB; with room for a record buffer of 16 KiB, which crypto/tls keeps once it grew (golang/go issue 43563)"
  date   = "2026-11"
}

# --- Databases and calls kept ---

coefficient "database_connection_bytes" {
  value  = 131072
  unit   = "B"
  source = "assumption: buffers, prepared statements and TLS state of one connection"
  date   = "2026-11"
}

coefficient "persisted_call_bytes" {
  value  = 1024
  unit   = "B"
  source = "assumption: Call-ID, tags, targets, route sets and timers of a call"
  date   = "2026-11"
}

coefficient "persisted_changes_per_call" {
  value  = 2
  unit   = "changes"
  source = "a call is answered and ends"
  date   = "2026-11"
}
