package engine

import (
	"sync/atomic"
)

// counter names one thing the engine counts. Nothing that is dropped, refused or
// repaired goes uncounted, and nothing is logged per message.
type counter int

// Counters; counterNames holds what status and metrics call them.
const (
	cReceived counter = iota
	cRequests
	cReplies
	cForwardedRequests
	cForwardedReplies
	cLocalReplies
	cStatelessRequests
	cStatelessReplies
	cRetransmissionsAbsorbed
	cRetransmissionsSent
	cCalls
	cAnswered
	cFailovers
	cLocalTimeouts
	cTransportFailures
	cExhausted
	cDestinationFull
	cCancelled
	cTimerC
	cKeepAlives
	cProbeReplies
	cStrictRoutes
	cHeadersRemoved
	cEncodingsRemoved
	cUnpruned
	cLongOverTCP
	cLongOverUDP
	cTCPFallbacks
	cMediaWaits
	cMediaLate
	cStreamsRefused

	cDroppedSource
	cDroppedSTUN
	cDroppedParse
	cDroppedNotOurs
	cDroppedForged
	cDroppedStale
	cDroppedTarget
	cDroppedNoVia
	cDroppedAck
	cDroppedUnanswered
	cDroppedMedia

	cRefusedParse
	cRefusedScheme
	cRefusedMaxForwards
	cRefusedExtension
	cRefusedTooLarge
	cRefusedLoop
	cRefusedTarget
	cRefusedToken
	cRefusedFlow
	cRefusedNoRoute
	cRefusedNoDialog
	cRefusedRate
	cRefusedConcurrent
	cRefusedHighWater
	cRefusedOverload
	cRefusedDraining
	cEmergency
	cEmergencyPassed
	cRefusedState
	cRefusedMedia
	cWithoutState
	cNotStored
	cRefusedInterval
	cSessionsInserted
	cSessionsRaised
	cSessionsAnswered
	cByes
	cByesAnswered
	cByesUnsent
	cSendErrors
	cEventsLost
	numCounters
)

var counterNames = [numCounters]string{
	cReceived:                "received",
	cRequests:                "requests",
	cReplies:                 "replies",
	cForwardedRequests:       "forwarded_requests",
	cForwardedReplies:        "forwarded_replies",
	cLocalReplies:            "local_replies",
	cStatelessRequests:       "stateless_requests",
	cStatelessReplies:        "stateless_replies",
	cRetransmissionsAbsorbed: "retransmissions_absorbed",
	cRetransmissionsSent:     "retransmissions_sent",
	cCalls:                   "calls",
	cAnswered:                "answered",
	cFailovers:               "failovers",
	cLocalTimeouts:           "local_timeouts",
	cTransportFailures:       "transport_failures",
	cExhausted:               "exhausted",
	cDestinationFull:         "destination_full",
	cCancelled:               "cancelled",
	cTimerC:                  "invite_timeouts",
	cKeepAlives:              "keepalives",
	cStrictRoutes:            "strict_routes_repaired",
	cHeadersRemoved:          "headers_removed",
	cEncodingsRemoved:        "encodings_removed",
	cUnpruned:                "descriptions_not_pruned",
	cLongOverTCP:             "long_requests_over_tcp",
	cLongOverUDP:             "long_requests_over_udp",
	cTCPFallbacks:            "tcp_fallbacks",
	cProbeReplies:            "probe_replies",
	cMediaWaits:              "media_waits",
	cMediaLate:               "media_too_late",
	cStreamsRefused:          "media_streams_refused",
	cDroppedMedia:            "dropped_media",
	cRefusedMedia:            "refused_media",
	cDroppedSource:           "dropped_source",
	cDroppedSTUN:             "dropped_stun",
	cDroppedParse:            "dropped_malformed",
	cDroppedNotOurs:          "dropped_foreign_via",
	cDroppedForged:           "dropped_forged_branch",
	cDroppedStale:            "dropped_stale_reply",
	cDroppedTarget:           "dropped_reply_target",
	cDroppedNoVia:            "dropped_no_via",
	cDroppedAck:              "dropped_ack",
	cDroppedUnanswered:       "dropped_unanswered",
	cRefusedParse:            "refused_malformed",
	cRefusedScheme:           "refused_scheme",
	cRefusedMaxForwards:      "refused_max_forwards",
	cRefusedExtension:        "refused_extension",
	cRefusedTooLarge:         "refused_too_large",
	cRefusedLoop:             "refused_loop",
	cRefusedTarget:           "refused_target",
	cRefusedToken:            "refused_flow_token",
	cRefusedFlow:             "refused_flow_failed",
	cRefusedNoRoute:          "refused_no_route",
	cRefusedNoDialog:         "refused_no_dialog",
	cRefusedRate:             "refused_rate",
	cRefusedConcurrent:       "refused_concurrent_calls",
	cRefusedHighWater:        "refused_high_water",
	cRefusedOverload:         "refused_overload",
	cRefusedDraining:         "refused_draining",
	cEmergency:               "emergency_requests",
	cEmergencyPassed:         "emergency_requests_past_limits",
	cRefusedState:            "refused_state_full",
	cWithoutState:            "dialog_requests_without_state",
	cNotStored:               "replies_not_stored",
	cRefusedInterval:         "refused_session_interval",
	cSessionsInserted:        "sessions_inserted",
	cSessionsRaised:          "sessions_raised",
	cSessionsAnswered:        "sessions_answered",
	cByes:                    "byes_sent",
	cByesAnswered:            "byes_answered",
	cByesUnsent:              "byes_not_sent",
	cSendErrors:              "send_errors",
	cEventsLost:              "log_events_lost",
}

// counters is one worker's set. Only its worker adds, so an addition never waits
// for another CPU's cache line; anybody may read.
type counters struct {
	n [numCounters]atomic.Uint64
	_ [64]byte
}

func (c *counters) add(k counter) { c.n[k].Add(1) }

// sum adds up the sets of all workers, by name.
func sum(workers []*worker) map[string]uint64 {
	out := make(map[string]uint64, numCounters)
	for k := range numCounters {
		var v uint64
		for _, w := range workers {
			v += w.c.n[k].Load()
		}
		out[counterNames[k]] = v
	}
	return out
}
