// Package result is what a measurement found: a versioned document for programs,
// and a short table for people. Both show the same figures.
//
// Durations are microseconds in fields ending in _us, seconds elsewhere. CPU is in
// seconds of one core. A field that was not measured is left out.
package result

import (
	"encoding/json"
	"io"

	"github.com/HdrHistogram/hdrhistogram-go"

	"trunkline/tools/sipload/agent"
)

// FormatVersion is the version of Document.
const FormatVersion = 1

// Document is one run of the program.
type Document struct {
	FormatVersion int      `json:"format_version"`
	Program       string   `json:"program"`
	Settings      Settings `json:"settings"`
	Clean         bool     `json:"clean"` // no failure, no retransmission, nothing lost; of a ramp: one step was clean
	Run           *Run     `json:"run,omitempty"`
	Ramp          *Ramp    `json:"ramp,omitempty"`
}

// Settings are how the run was asked for.
type Settings struct {
	Flow        string   `json:"flow"`
	Target      string   `json:"target,omitempty"`
	Caller      string   `json:"uac,omitempty"`
	Sockets     int      `json:"sockets,omitempty"`
	Callees     []string `json:"uas,omitempty"`
	Ring        float64  `json:"ring"`
	Hold        float64  `json:"hold"`
	Reject      int      `json:"reject,omitempty"`
	RejectShare float64  `json:"reject_share,omitempty"`
	CancelShare float64  `json:"cancel_share,omitempty"`
	T1          float64  `json:"t1"`
	T2          float64  `json:"t2"`
	Watch       int      `json:"watch,omitempty"`
	Seed        uint64   `json:"seed,omitempty"`
}

// Run is one measurement at one rate.
type Run struct {
	Rate     float64 `json:"rate"`  // calls a second asked for
	Group    int64   `json:"group"` // calls that were due together
	Warmup   float64 `json:"warmup"`
	Duration float64 `json:"duration"` // of the measured window, as asked for
	Seconds  float64 `json:"seconds"`  // the whole run, until its last call had ended

	Window  Window                `json:"window"`
	Caller  *Caller               `json:"uac,omitempty"`
	Callee  *Callee               `json:"uas,omitempty"`
	Flood   *Flood                `json:"flood,omitempty"`
	Latency map[string]Percentile `json:"latency,omitempty"` // of calls scheduled in the window, by what was waited for
	Sockets Sockets               `json:"sockets"`
	CPU     CPU                   `json:"cpu"`

	Problems []string `json:"problems"`          // why the run is not clean
	Warnings []string `json:"warnings"`          // why its figures may not mean much
	Samples  []string `json:"samples,omitempty"` // of unexpected messages
}

// Clean reports whether nothing failed, nothing was sent twice and nothing lost.
func (r *Run) Clean() bool { return len(r.Problems) == 0 }

// Window is the measured part of a run: after the warm-up, until the last call is
// started.
type Window struct {
	Seconds float64 `json:"seconds"`
	Calls   uint64  `json:"calls"` // started within
	Rate    float64 `json:"rate"`  // achieved, calls a second
}

// Caller is what the calling side did in the whole run.
type Caller struct {
	agent.CallerCounts
	FailedByCode map[string]uint64 `json:"failed_by_code"`
	Unexpected   map[string]uint64 `json:"unexpected"`
}

// Callee is what the answering side did in the whole run.
type Callee struct {
	agent.CalleeCounts
	Unexpected map[string]uint64 `json:"unexpected"`
}

// Flood is what was sent in place of calls, and what came back.
type Flood struct {
	Sent    map[string]uint64 `json:"sent"`    // by kind
	Sources int               `json:"sources"` // addresses it came from
	Replies map[string]uint64 `json:"replies"` // by status code
	Other   uint64            `json:"other"`   // datagrams received that are no response
}

// Sockets are the figures of our sockets, and what those of the proxy lost.
type Sockets struct {
	Sent          uint64  `json:"sent"`
	SentBytes     uint64  `json:"sent_bytes"`
	Received      uint64  `json:"received"`
	ReceivedBytes uint64  `json:"received_bytes"`
	SendErrors    uint64  `json:"send_errors"`
	ReceiveErrors uint64  `json:"receive_errors"`
	Truncated     uint64  `json:"truncated"`
	Drops         uint64  `json:"drops"`                    // datagrams our receive queues had no room for
	TargetDrops   *uint64 `json:"target_drops,omitempty"`   // those of the watched process, or of sockets at the target's address
	TargetSockets int     `json:"target_sockets,omitempty"` // how many of them there are
}

// CPU is what the window cost.
type CPU struct {
	Self    Process  `json:"self"`
	Watched *Process `json:"watched,omitempty"`
	Others  float64  `json:"others"` // cores used by neither of the two
	Steal   float64  `json:"steal"`  // cores the host gave to others
}

// Process is the CPU of one process with its descendants.
type Process struct {
	User        float64 `json:"user"`
	System      float64 `json:"system"`
	Cores       float64 `json:"cores"` // used, on average
	PerThousand float64 `json:"seconds_per_1000_calls"`
	Resident    int64   `json:"resident_bytes"`        // at the end; of ourselves: the most so far
	Grown       int64   `json:"resident_growth_bytes"` // within the window
	MajorFaults uint64  `json:"major_faults"`
	MinorFaults uint64  `json:"minor_faults"`
	Voluntary   uint64  `json:"voluntary_switches"`
	Preempted   uint64  `json:"involuntary_switches"`
	Processes   int     `json:"processes"`
	Threads     int     `json:"threads,omitempty"`
}

// Ramp is a search for the highest rate without loss.
type Ramp struct {
	From  float64 `json:"from"`
	To    float64 `json:"to"`
	Step  float64 `json:"step"`
	Knee  float64 `json:"knee"`   // highest clean rate; 0: none was
	Limit bool    `json:"at_end"` // the ramp ended clean: the knee lies higher
	Steps []*Run  `json:"steps"`  // in the order they ran
}

// Percentile are the percentiles of a latency.
type Percentile struct {
	Count int64   `json:"count"`
	Min   int64   `json:"min_us"`
	Mean  float64 `json:"mean_us"`
	P50   int64   `json:"p50_us"`
	P90   int64   `json:"p90_us"`
	P99   int64   `json:"p99_us"`
	P999  int64   `json:"p999_us"`
	Max   int64   `json:"max_us"`
}

// Percentiles reads a histogram of microseconds.
func Percentiles(h *hdrhistogram.Histogram) Percentile {
	at := h.ValueAtQuantile
	return Percentile{
		Count: h.TotalCount(), Min: h.Min(), Mean: h.Mean(), P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: h.Max(),
	}
}

// WriteJSON writes the document, indented.
func (d *Document) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(d)
}
