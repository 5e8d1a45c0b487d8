package listen

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// SocketStats are the figures of one socket.
type SocketStats struct {
	Packets    uint64 `json:"packets"`     // received
	Bytes      uint64 `json:"bytes"`       // received
	Oversize   uint64 `json:"oversize"`    // received but larger than the listener takes
	Errors     uint64 `json:"errors"`      // receive calls that failed
	Sent       uint64 `json:"sent"`        // packets
	SentBytes  uint64 `json:"sent_bytes"`  //
	SendErrors uint64 `json:"send_errors"` // packets the kernel refused
	SendFull   uint64 `json:"send_full"`   // packets dropped because the send buffer had no room
	HandedOver uint64 `json:"handed_over"` // packets the socket's worker got from other sockets of a steered group
	QueueFull  uint64 `json:"queue_full"`  // of these, packets that found its queue full: the socket's worker waited for it
	RecvBuffer int    `json:"recv_buffer"` // bytes, as the kernel counts them (socket(7): twice what was asked)
	SendBuffer int    `json:"send_buffer"`
	Queue      uint64 `json:"queue"` // bytes waiting to be received
	Drops      uint64 `json:"drops"` // packets the kernel dropped because the queue was full
}

// Stats reads the figures of every socket. Queue and drops come from
// /proc/net/udp; where that cannot be read they are zero and the error says so.
func (g *Group) Stats() ([]SocketStats, error) {
	out := make([]SocketStats, len(g.sockets))
	at := make(map[uint64]int, len(g.sockets))
	for i, s := range g.sockets {
		out[i] = SocketStats{
			Packets: s.packets.Load(), Bytes: s.bytes.Load(), Oversize: s.oversize.Load(), Errors: s.errors.Load(),
			Sent: s.sent.Load(), SentBytes: s.sentBytes.Load(), SendErrors: s.sendErrors.Load(), SendFull: s.sendFull.Load(),
			RecvBuffer: s.recv, SendBuffer: s.send,
		}
		if g.steer != nil {
			out[i].HandedOver, out[i].QueueFull = g.steer.lanes[i].over.Load(), g.steer.lanes[i].full.Load()
		}
		at[s.inode] = i
	}
	path := "/proc/net/udp"
	if g.address.Addr().Is6() {
		path = "/proc/net/udp6"
	}
	f, err := os.Open(path)
	if err != nil {
		return out, err
	}
	defer f.Close()
	if err := readQueues(f, func(inode, queue, drops uint64) {
		if i, ours := at[inode]; ours {
			out[i].Queue, out[i].Drops = queue, drops
		}
	}); err != nil {
		return out, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}

// readQueues reads a table of /proc/net/udp (Documentation/networking/proc_net_tcp
// for the layout, net/ipv4/udp.c for the last column).
func readQueues(r io.Reader, each func(inode, queue, drops uint64)) error {
	sc := bufio.NewScanner(r)
	sc.Scan() // the heading
	for sc.Scan() {
		f := strings.Fields(sc.Text())
		if len(f) < 13 {
			continue
		}
		_, rx, ok := strings.Cut(f[4], ":")
		queue, err1 := strconv.ParseUint(rx, 16, 64)
		inode, err2 := strconv.ParseUint(f[9], 10, 64)
		drops, err3 := strconv.ParseUint(f[12], 10, 64)
		if !ok || err1 != nil || err2 != nil || err3 != nil {
			return fmt.Errorf("line not understood: %q", sc.Text())
		}
		each(inode, queue, drops)
	}
	return sc.Err()
}
