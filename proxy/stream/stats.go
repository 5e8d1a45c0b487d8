package stream

import "sync/atomic"

// Stats are the figures of a group at one moment. Counters never fall; Connections,
// Handshaking, Dialing and Waiting are gauges.
type Stats struct {
	Connections int64             `json:"connections"` // now
	Accepted    uint64            `json:"accepted"`    // connections, in all
	Refused     map[string]uint64 `json:"refused"`     // connections, by reason
	Handshaking int64             `json:"handshaking"` // now
	Handshakes  uint64            `json:"handshake_errors"`
	Dialing     int64             `json:"dialing"` // now
	Dials       uint64            `json:"dials"`
	DialErrors  uint64            `json:"dial_failures"`
	DialsOver   uint64            `json:"dials_refused"` // beyond a bound

	Messages  uint64            `json:"messages"` // received
	Bytes     uint64            `json:"bytes"`    // received
	Pings     uint64            `json:"keepalives"`
	Faults    map[string]uint64 `json:"framing_errors"` // by kind; each closed a connection
	Sent      uint64            `json:"sent"`           // messages, written or waiting to be
	SentBytes uint64            `json:"sent_bytes"`

	Idle         uint64 `json:"idle_closed"`  // connections
	TooSlow      uint64 `json:"slow_senders"` // connections with a message that took too long
	Slow         uint64 `json:"slow_readers"` // connections whose out buffer was full
	SendErrors   uint64 `json:"send_errors"`  // messages
	QueueFull    uint64 `json:"queue_full"`   // messages beyond what may wait for a dial
	LostMessages uint64 `json:"lost_messages"`
	LostBytes    uint64 `json:"lost_bytes"` // that waited for a connection that ended
	Waiting      int    `json:"waiting"`    // bytes, now

	// Certificates are those shown, the listener's own first, and those of the authorities
	// whose clients are let in; with TLS.
	Certificates []Certificate `json:"certificates,omitempty"`
}

type counters struct {
	live, handshaking, dialing        atomic.Int64
	accepted, handshakeErrors         atomic.Uint64
	dials, dialFailures, dialsRefused atomic.Uint64
	idle, tooSlow, slow               atomic.Uint64
	sendErrors, queueFull             atomic.Uint64
	lostMessages, lostBytes           atomic.Uint64
	refused                           [numRefusals]atomic.Uint64
	faults                            [numFaults]atomic.Uint64
}

// Stats reads the figures.
func (g *Group) Stats() Stats {
	s := &g.stats
	out := Stats{
		Connections: s.live.Load(), Accepted: s.accepted.Load(), Handshaking: s.handshaking.Load(), Handshakes: s.handshakeErrors.Load(),
		Dialing: s.dialing.Load(), Dials: s.dials.Load(), DialErrors: s.dialFailures.Load(), DialsOver: s.dialsRefused.Load(),
		Idle: s.idle.Load(), TooSlow: s.tooSlow.Load(), Slow: s.slow.Load(), SendErrors: s.sendErrors.Load(), QueueFull: s.queueFull.Load(),
		LostMessages: s.lostMessages.Load(), LostBytes: s.lostBytes.Load(),
		Refused: map[string]uint64{}, Faults: map[string]uint64{},
	}
	for i := refusedSource; i < numRefusals; i++ {
		out.Refused[refusalNames[i]] = s.refused[i].Load()
	}
	for i := FaultHeaderSize; i < numFaults; i++ {
		out.Faults[i.String()] = s.faults[i].Load()
	}
	for _, w := range g.workers {
		out.Messages += w.messages.Load()
		out.Bytes += w.bytes.Load()
		out.Pings += w.pings.Load()
		out.Sent += w.sent.Load()
		out.SentBytes += w.sentBytes.Load()
	}
	for _, c := range g.table.all(nil) {
		c.mu.Lock()
		out.Waiting += len(c.queue)
		if c.sink != nil {
			out.Waiting += c.sink.unsent()
		}
		c.mu.Unlock()
	}
	if id := g.keys.Load(); id != nil {
		out.Certificates = id.certificates
	}
	return out
}
