# Coefficients of the sizing model. Each is one measured or argued number.
# "assumption" in a source means: nobody has measured it on this software yet.
# A file of the same form, naming any subset, replaces these values.

# --- CPU ---

coefficient "cpu_per_call" {
  value  = 0.00045
  unit   = "s"
  source = "measured: Go SIP proxy (sipgo), 13 datagrams a call, 500 calls/s, 2 vCPU guest; an upper bound for sbcd"
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
  value  = 512
  unit   = "B"
  source = "assumption: slot of proxy/transaction (fixed size, eight attempts) with its index entry"
  date   = "2026-11"
}

coefficient "message_bytes_stored" {
  value  = 2560
  unit   = "B"
  source = "assumption: an INVITE with SDP in a 1,536-byte buffer and a reply in a 1,024-byte one; Kamailio measured 16-20 kB a transaction"
  date   = "2026-11"
}

coefficient "call_slot_bytes" {
  value  = 256
  unit   = "B"
  source = "assumption: slot of proxy/call with its index entry; Kamailio measured 1.56 kB a dialog"
  date   = "2026-11"
}

coefficient "cache_row_bytes" {
  value  = 256
  unit   = "B"
  source = "assumption: one prefix in a longest-match table, old and new table alive during a swap"
  date   = "2026-11"
}

coefficient "worker_bytes" {
  value  = 2097152
  unit   = "B"
  source = "assumption: receive and send buffers of 65,535 B in batches of 16, scratch, thread stack"
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
  source = "measured: about 300 MB in use after boot to multi-user, less the root image"
  date   = "2026-11"
}

coefficient "kernel_share" {
  value  = 0.015625
  unit   = "1"
  source = "Linux: one 64-byte struct page for each 4 KiB page"
  date   = "2026-11"
}

coefficient "root_image_bytes" {
  value  = 117440512
  unit   = "B"
  source = "measured: uncompressed erofs of the base layer, held in memory by the initramfs"
  date   = "2026-11"
}

coefficient "process_bytes" {
  value  = 134217728
  unit   = "B"
  source = "assumption: code, runtime, probes, metrics and control API of sbcd"
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
