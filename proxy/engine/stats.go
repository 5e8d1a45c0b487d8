package engine

import (
	"trunkline/appliance/runtime"
	"trunkline/proxy/call"
	"trunkline/proxy/dialog"
	"trunkline/proxy/dispatch"
	"trunkline/proxy/limit"
	"trunkline/proxy/listen"
	"trunkline/proxy/media"
	"trunkline/proxy/record"
	"trunkline/proxy/stream"
	"trunkline/proxy/transaction"
)

// Stats are the figures of the engine at one moment. Counters never fall; the rest
// are gauges.
type Stats struct {
	Listeners    []ListenerStats   `json:"listeners"`
	Drain        DrainStats        `json:"drain"`
	Counters     map[string]uint64 `json:"counters"`
	Recovered    *RecoveredStats   `json:"recovered,omitempty"` // nil: there was no process before this one
	Transactions transaction.Stats `json:"transactions"`
	HighWater    int               `json:"high_water"` // transactions past which new calls are refused
	Calls        call.Stats        `json:"calls"`
	// CallsHighWater is how many calls there may be until new ones are refused.
	CallsHighWater int64                `json:"calls_high_water"`
	Dialogs        *dialog.Stats        `json:"dialogs,omitempty"` // nil: none are kept
	Concurrent     ConcurrentStats      `json:"concurrent"`
	Limits         []limit.Stats        `json:"limits"` // that of all calls first
	Destinations   []DestinationStats   `json:"destinations"`
	Media          *media.Stats         `json:"media,omitempty"` // nil: there is no media block
	Probes         dispatch.ProberStats `json:"probes"`
	Records        *record.Stats        `json:"records,omitempty"`   // nil: no records of calls are wanted
	Persisted      *PersistStats        `json:"persisted,omitempty"` // nil: calls in progress end with the machine
	TCPRefused     int                  `json:"tcp_refused"`         // peers that get long requests over UDP, for they took no connection
}

// ListenerStats are the figures of one listener, all its sockets together.
type ListenerStats struct {
	Name      string `json:"name"`
	Transport string `json:"transport"` // "udp", "tcp", "tls", "ws", "wss"
	Address   string `json:"address"`
	Workers   int    `json:"workers"`
	Inherited int    `json:"inherited"` // of its sockets, how many a process before this one opened
	// Overload is whether its workers keep up, and what is refused where they do not.
	Overload OverloadStats `json:"overload"`
	// Sockets are the figures of each socket, as proxy/listen counts them.
	Sockets []listen.SocketStats `json:"sockets,omitempty"`
	// Connections are those of a listener over TCP, TLS, WS or WSS.
	Connections *stream.Stats `json:"connections,omitempty"`
}

// ConcurrentStats are the calls under the concurrency limit.
type ConcurrentStats struct {
	Live    int64  `json:"live"`
	Peak    int64  `json:"peak"`
	Refused uint64 `json:"refused"`
}

// DestinationStats are the figures of one destination.
type DestinationStats struct {
	dispatch.DestinationStats
	Calls    int64  `json:"calls"`    // live
	Attempts uint64 `json:"attempts"` // requests sent there, without retransmissions
	Failed   uint64 `json:"failed"`   // of these, how many moved on to the next destination
}

// Stats reads the figures. It allocates; it is not for the path of a message.
func (e *Engine) Stats() Stats {
	st := Stats{
		Drain:        e.drainStats(),
		Counters:     sum(e.allWorkers()),
		Transactions: e.table.Stats(),
		Probes:       e.prober.Stats(),
		HighWater:    e.marks.open.slots, CallsHighWater: e.marks.open.calls,
		Calls:      e.calls.Stats(),
		TCPRefused: e.long.refused.len(),
		Limits:     e.limits.Stats(),
	}
	all := st.Limits[0]
	st.Concurrent = ConcurrentStats{Live: all.Live, Peak: all.Peak, Refused: all.RefusedConcurrent}
	st.Persisted = e.persistStats()
	if e.records != nil {
		r := e.records.Stats()
		st.Records = &r
	}
	if e.dialogs != nil {
		d := e.dialogs.Stats()
		st.Dialogs = &d
	}
	if e.arena.Adopted() {
		st.Recovered = &e.recovered
	}
	if e.media != nil {
		m := e.media.Stats()
		st.Media = &m
	}
	for i, l := range e.cfg.Listeners {
		ls := ListenerStats{Name: l.Name, Transport: transport(l), Address: l.Address.String(), Workers: l.Workers}
		if i < len(e.groups) {
			e.groups[i].stats(&ls)
			ls.Inherited = e.groups[i].adopted()
		}
		if e.watcher != nil {
			ls.Overload = e.watcher.stats(i)
		}
		st.Listeners = append(st.Listeners, ls)
	}
	for _, d := range e.dests {
		st.Destinations = append(st.Destinations, DestinationStats{
			DestinationStats: d.Destination.Stats(),
			Calls:            d.Destination.Calls(), Attempts: d.attempts.Load(), Failed: d.failed.Load(),
		})
	}
	return st
}

func transport(l runtime.Listener) string {
	if l.Datagram() {
		return "udp"
	}
	return l.Transport
}
