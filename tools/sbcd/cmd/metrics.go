package cmd

import (
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"trunkline/appliance/runtime"
	"trunkline/proxy/dispatch"
	"trunkline/proxy/engine"
	"trunkline/proxy/listen"
	"trunkline/proxy/media"
	"trunkline/proxy/preflight"
	"trunkline/proxy/resolve"
)

// metrics shows a Status as Prometheus metrics: what /v1/status says and what
// /metrics says come from one place.
type metrics struct {
	status func() Status
}

func newMetrics(status func() Status) prometheus.Collector { return metrics{status} }

// Describe sends nothing: which metrics there are depends on the configuration.
func (m metrics) Describe(chan<- *prometheus.Desc) {}

// Collect reads the status once.
func (m metrics) Collect(ch chan<- prometheus.Metric) {
	s := m.status()
	g := sink{ch}
	g.gauge("trunkline_info", "The appliance and its software; always 1.", 1,
		"name", s.Name, "site", s.Site, "version", s.Version, "spec_digest", s.SpecDigest)
	if s.Image != "" {
		g.gauge("trunkline_image_info", "The image the appliance was booted from; always 1, absent outside of an image.", 1, "digest", s.Image, "version", s.ImageVersion)
	}
	if m := s.Memory; m != nil {
		g.gauge("trunkline_memory_total_bytes", "Memory of the machine that its kernel has to give; absent outside of an image.", float64(m.Total))
		g.gauge("trunkline_memory_used_bytes", "Memory in use on the machine (MemTotal - MemAvailable), root image included; absent outside of an image.", float64(m.Used))
	}
	if u := s.Update; u != nil {
		g.update(u)
	}
	if s.Preflight != nil {
		g.preflight(*s.Preflight)
	}
	if b := s.Boot; b != nil {
		g.gauge("trunkline_trial", "1 while the booted image is on trial: not found good yet.", truth(b.Trial == runtime.TrialRunning))
		g.gauge("trunkline_fell_back", "1 when the machine fell back from a version that failed its trial; the label names it.", truth(b.FellBackFrom != ""), "from", b.FellBackFrom)
	}
	g.gauge("trunkline_ready", "1 when the proxy takes calls.", truth(s.Ready))
	g.gauge("trunkline_draining", "1 while new calls are refused because the proxy drains.", truth(s.Drain != nil))
	if s.Drain != nil {
		g.gauge("trunkline_drain_transactions", "Transactions that a drain still waits for; absent while there is none.", float64(s.Drain.Unfinished))
	}
	g.gauge("trunkline_uptime_seconds", "Seconds since the proxy started.", s.UptimeSeconds)
	for _, c := range s.Caches {
		g.cache(c)
	}
	if s.Names != nil {
		g.names(*s.Names)
	}
	if s.Engine != nil {
		g.engine(s.Engine)
		if r := s.Engine.Recovered; r != nil {
			g.recovered(r)
		}
		if p := s.Engine.Persisted; p != nil {
			g.persisted(p)
		}
		if r := s.Engine.Records; r != nil {
			g.records(r)
		}
	}
}

// sink writes metrics with labels given as name, value, name, value.
type sink struct{ ch chan<- prometheus.Metric }

func (g sink) gauge(name, help string, v float64, labels ...string) {
	g.send(prometheus.GaugeValue, name, help, v, labels)
}

func (g sink) counter(name, help string, v uint64, labels ...string) {
	g.send(prometheus.CounterValue, name, help, float64(v), labels)
}

func (g sink) send(t prometheus.ValueType, name, help string, v float64, labels []string) {
	var names, values []string
	for i := 0; i+1 < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	d := prometheus.NewDesc(name, help, names, nil)
	m, err := prometheus.NewConstMetric(d, t, v, values...)
	if err != nil {
		m = prometheus.NewInvalidMetric(d, err)
	}
	g.ch <- m
}

func (g sink) preflight(r preflight.Report) {
	g.gauge("trunkline_preflight_info", "What came of comparing the machine with the plan's; always 1, absent outside of an appliance.", 1, "outcome", r.Outcome)
	count := map[string]int{}
	for _, k := range preflight.Kinds {
		count[k] = 0
	}
	for _, d := range r.Differences {
		count[d.Kind]++
	}
	for kind, n := range count {
		g.gauge("trunkline_preflight_differences", "What the machine has less of than planned, by kind.", float64(n), "kind", kind)
	}
}

func (g sink) names(s resolve.Stats) {
	g.gauge("trunkline_names", "Destinations by name.", float64(s.Names))
	g.gauge("trunkline_names_unresolved", "Names that lead nowhere now.", float64(s.Unresolved))
	g.gauge("trunkline_names_stale", "Names in use beyond their TTL, for no server says anything of use.", float64(s.Stale))
	g.counter("trunkline_name_changes_total", "Times a name led elsewhere than before.", s.Changes)
	g.counter("trunkline_name_questions_total", "Questions sent to name servers.", s.Questions)
	g.counter("trunkline_name_failures_total", "Questions a name server gave nothing of use to.", s.Failures)
	g.counter("trunkline_name_truncated_total", "Answers asked for again over TCP.", s.Truncated)
	g.counter("trunkline_name_served_old_total", "Times records were used beyond their TTL.", s.ServedOld)
	g.counter("trunkline_name_refused_total", "Addresses of names that must not be sent to.", s.Refused)
	g.counter("trunkline_name_cut_total", "Records and targets beyond what is taken.", s.Cut)
}

// targets are those of a destination by name, by state.
func (g sink) targets(n *dispatch.NameStats, l []string) {
	count := map[string]int{dispatch.Active.String(): 0, dispatch.Inactive.String(): 0}
	for _, t := range n.Targets {
		count[t.State]++
	}
	for state, k := range count {
		g.gauge("trunkline_destination_targets", "Targets of a destination by name, by state.", float64(k), append(l, "state", state)...)
	}
	g.gauge("trunkline_destination_stale", "1 when the last known targets are in use, for no name server says anything of use.", truth(n.Stale), l...)
}

func (g sink) engine(e *engine.Stats) {
	for name, n := range e.Counters {
		g.counter("trunkline_events_total", "What happened to messages and calls, by event.", n, "event", name)
	}
	g.gauge("trunkline_transactions", "Live transactions.", float64(e.Transactions.Live))
	g.gauge("trunkline_transactions_peak", "Most live transactions so far.", float64(e.Transactions.Peak))
	g.gauge("trunkline_transactions_capacity", "Transaction slots.", float64(e.Transactions.Capacity))
	g.gauge("trunkline_transactions_high_water", "Transactions past which new calls are refused.", float64(e.HighWater))
	g.gauge("trunkline_message_bytes", "Bytes of stored messages.", float64(e.Transactions.Bytes))
	g.gauge("trunkline_message_bytes_limit", "Bytes stored messages may take.", float64(e.Transactions.BytesLimit))
	g.counter("trunkline_message_bytes_refused_total", "Messages that found no buffer.", e.Transactions.BytesRefused)
	g.gauge("trunkline_calls", "Live calls.", float64(e.Calls.Live))
	g.gauge("trunkline_calls_peak", "Most live calls so far.", float64(e.Calls.Peak))
	g.gauge("trunkline_calls_capacity", "Call slots.", float64(e.Calls.Capacity))
	for cause, n := range e.Calls.Ended {
		g.counter("trunkline_calls_ended_total", "Calls ended, by cause.", n, "cause", cause)
	}
	if e.Dialogs != nil {
		g.dialogs(e.Dialogs)
	}
	g.gauge("trunkline_calls_high_water", "Calls past which new ones are refused.", float64(e.CallsHighWater))
	g.gauge("trunkline_concurrent_calls", "Calls under the concurrency limit.", float64(e.Concurrent.Live))
	g.gauge("trunkline_concurrent_calls_peak", "Most calls under the concurrency limit so far.", float64(e.Concurrent.Peak))
	for _, l := range e.Limits {
		g.gauge("trunkline_limit_calls", "Calls under a limit.", float64(l.Live), "scope", l.Scope, "name", l.Name)
		g.counter("trunkline_limit_refused_total", "Calls a limit refused: for too many at one time (concurrent), or too many a second (rate).", l.RefusedConcurrent, "scope", l.Scope, "name", l.Name, "why", "concurrent")
		g.counter("trunkline_limit_refused_total", "Calls a limit refused: for too many at one time (concurrent), or too many a second (rate).", l.RefusedRate, "scope", l.Scope, "name", l.Name, "why", "rate")
	}
	g.counter("trunkline_concurrent_calls_refused_total", "Calls the concurrency limit refused.", e.Concurrent.Refused)
	if e.Media != nil {
		g.media(e.Media)
	}
	for _, d := range e.Destinations {
		l := []string{"set", d.Set, "destination", d.Name}
		g.gauge("trunkline_destination_state", "1 for the state the destination is in.", 1, append(l, "state", d.State)...)
		if d.Resolved != nil {
			g.targets(d.Resolved, slices.Clip(l))
		}
		g.gauge("trunkline_destination_calls", "Live calls at the destination.", float64(d.Calls), l...)
		g.counter("trunkline_destination_attempts_total", "Requests sent to the destination, without retransmissions.", d.Attempts, l...)
		g.counter("trunkline_destination_failed_total", "Requests that moved on to another destination.", d.Failed, l...)
		g.counter("trunkline_destination_probes_total", "Probes finished.", d.Probes, l...)
		g.counter("trunkline_destination_probes_failed_total", "Probes that failed.", d.ProbesFailed, l...)
		g.counter("trunkline_destination_silent_total", "Requests the destination gave no reply to.", d.Silent, l...)
		g.counter("trunkline_destination_full_total", "Calls the destination had no place for.", d.Full, l...)
		g.gauge("trunkline_destination_max_calls", "Calls the destination takes; 0: not stated.", float64(d.MaxCalls), l...)
		g.gauge("trunkline_destination_latency_seconds", "Smoothed time to reply, to probes and calls; 0: none yet.", d.Estimate.Seconds(), l...)
		g.counter("trunkline_destination_changes_total", "Changes of the destination's state.", d.Changes, l...)
		g.gauge("trunkline_destination_round_trip_seconds", "Round trip of the last probe that got a final reply; 0: none yet.", d.RoundTrip.Seconds(), l...)
	}
	for _, ln := range e.Listeners {
		g.gauge("trunkline_listener_refused_share", "Share of new calls refused because the listener's workers do not keep up, 0 to 1.", ln.Overload.Refused, "listener", ln.Name)
		g.gauge("trunkline_listener_wait_seconds", "How long a message waits before a worker of the listener handles it.", ln.Overload.Wait.Seconds(), "listener", ln.Name)
		for i, s := range ln.Sockets {
			g.socket(s, "listener", ln.Name, "socket", strconv.Itoa(i))
		}
		if ln.Connections != nil {
			g.connections(ln.Connections, "listener", ln.Name, "transport", ln.Transport)
		}
	}
}

func (g sink) media(m *media.Stats) {
	g.gauge("trunkline_media_waiting", "Messages held until a media instance has answered.", float64(m.Waiting))
	g.gauge("trunkline_media_deletes", "Sessions of ended calls whose delete is not answered yet.", float64(m.Deletes))
	g.counter("trunkline_media_deletes_lost_total", "Deletes for which there was no room: rtpengine ends those sessions by its timeout.", m.DeletesLost)
	g.counter("trunkline_media_moved_total", "Sessions that went to another instance.", m.Moved)
	for _, i := range m.Instances {
		l := []string{"instance", i.Name}
		g.gauge("trunkline_media_up", "1 when the media instance answers.", truth(i.Up), l...)
		g.gauge("trunkline_media_sessions", "Sessions at the media instance.", float64(i.Sessions), l...)
		g.gauge("trunkline_media_max_sessions", "Sessions the media instance takes; 0: not stated.", float64(i.MaxSessions), l...)
		for verb, results := range i.Commands {
			for result, n := range results {
				g.counter("trunkline_media_commands_total", "Commands to the media instance that are over, by result.", n, "instance", i.Name, "command", verb, "result", result)
			}
		}
		g.counter("trunkline_media_commands_repeated_total", "Commands sent once more.", i.Repeated, l...)
		g.counter("trunkline_media_commands_answered_total", "Commands with an answer.", uint64(i.Answered), l...)
		g.gauge("trunkline_media_commands_answered_seconds", "Time all answers took together: divided by their number, what one takes.", i.Seconds, l...)
	}
}

func (g sink) socket(s listen.SocketStats, l ...string) {
	g.counter("trunkline_socket_received_packets_total", "Packets received.", s.Packets, l...)
	g.counter("trunkline_socket_received_bytes_total", "Bytes received.", s.Bytes, l...)
	g.counter("trunkline_socket_oversize_total", "Packets larger than the listener takes.", s.Oversize, l...)
	g.counter("trunkline_socket_receive_errors_total", "Receive calls that failed.", s.Errors, l...)
	g.counter("trunkline_socket_sent_packets_total", "Packets sent.", s.Sent, l...)
	g.counter("trunkline_socket_sent_bytes_total", "Bytes sent.", s.SentBytes, l...)
	g.counter("trunkline_socket_send_errors_total", "Packets that could not be sent.", s.SendErrors, l...)
	g.counter("trunkline_socket_send_full_total", "Packets not sent because the send buffer was full.", s.SendFull, l...)
	g.counter("trunkline_socket_handed_over_total", "Packets a worker got from the sockets of others, on a steered listener.", s.HandedOver, l...)
	g.counter("trunkline_socket_queue_full_total", "Packets handed to a worker whose queue had no room, which the other worker waited for.", s.QueueFull, l...)
	g.counter("trunkline_socket_drops_total", "Packets the kernel dropped because the receive queue was full.", s.Drops, l...)
	g.gauge("trunkline_socket_queue_bytes", "Bytes waiting to be received.", float64(s.Queue), l...)
	g.gauge("trunkline_socket_receive_buffer_bytes", "Size of the receive buffer.", float64(s.RecvBuffer), l...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
