package cmd

import (
	"slices"

	"trunkline/proxy/stream"
)

// connections are the figures of a listener that takes connections, whatever its transport.
func (g sink) connections(s *stream.Stats, l ...string) {
	with := func(more ...string) []string { return append(slices.Clip(l), more...) }
	g.gauge("trunkline_connections", "Connections that stand.", float64(s.Connections), l...)
	g.counter("trunkline_connections_accepted_total", "Connections accepted.", s.Accepted, l...)
	for reason, n := range s.Refused {
		g.counter("trunkline_connections_refused_total", "Connections refused, by reason.", n, with("reason", reason)...)
	}
	g.gauge("trunkline_connection_handshakes", "TLS and WebSocket handshakes under way.", float64(s.Handshaking), l...)
	g.counter("trunkline_connection_handshakes_failed_total", "TLS and WebSocket handshakes that failed.", s.Handshakes, l...)
	g.gauge("trunkline_connection_dials", "Connections being made.", float64(s.Dialing), l...)
	g.counter("trunkline_connection_dials_total", "Connections that were to be made.", s.Dials, l...)
	g.counter("trunkline_connection_dials_failed_total", "Connections that could not be made.", s.DialErrors, l...)
	g.counter("trunkline_connection_dials_refused_total", "Connections not made because too many stood or were being made.", s.DialsOver, l...)
	g.counter("trunkline_connection_received_messages_total", "Messages received.", s.Messages, l...)
	g.counter("trunkline_connection_received_bytes_total", "Bytes received.", s.Bytes, l...)
	g.counter("trunkline_connection_keepalives_total", "Keep-alives received.", s.Pings, l...)
	for kind, n := range s.Faults {
		g.counter("trunkline_connection_framing_errors_total", "Connections closed because what came could not be cut into messages, by kind.", n, with("kind", kind)...)
	}
	g.counter("trunkline_connection_sent_messages_total", "Messages sent, or waiting to be.", s.Sent, l...)
	g.counter("trunkline_connection_sent_bytes_total", "Bytes sent, or waiting to be.", s.SentBytes, l...)
	g.counter("trunkline_connection_send_errors_total", "Messages that could not be sent.", s.SendErrors, l...)
	g.counter("trunkline_connection_queue_full_total", "Messages beyond what may wait for a connection being made.", s.QueueFull, l...)
	g.counter("trunkline_connection_lost_messages_total", "Messages that waited for a connection that ended.", s.LostMessages, l...)
	g.counter("trunkline_connection_lost_bytes_total", "Bytes that waited for a connection that ended.", s.LostBytes, l...)
	g.gauge("trunkline_connection_waiting_bytes", "Bytes waiting to be sent.", float64(s.Waiting), l...)
	g.counter("trunkline_connection_idle_closed_total", "Connections closed because nothing came.", s.Idle, l...)
	g.counter("trunkline_connection_slow_senders_total", "Connections closed because a message took too long to come.", s.TooSlow, l...)
	g.counter("trunkline_connection_slow_readers_total", "Connections closed because the peer did not read.", s.Slow, l...)
	told := map[[4]string]bool{} // a bundle may hold one twice
	for _, c := range s.Certificates {
		id := [4]string{c.Secret, c.Use, c.Subject, c.Serial}
		if told[id] {
			continue
		}
		told[id] = true
		g.gauge("trunkline_certificate_not_after_timestamp_seconds", "When the certificate ends, in seconds since 1970.", float64(c.NotAfter.Unix()),
			"listener", l[1], "secret", c.Secret, "use", c.Use, "subject", c.Subject, "serial", c.Serial)
	}
}
