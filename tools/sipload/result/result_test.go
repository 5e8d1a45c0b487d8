package result

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"

	"trunkline/tools/sipload/agent"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (-update rewrites it):\n%s", path, got)
	}
}

// run has every figure set, each to another value.
func run() *Run {
	lost := uint64(41)
	return &Run{
		Rate: 12500, Group: 10, Warmup: 2, Duration: 10, Seconds: 13.5, Window: Window{Seconds: 10.01, Calls: 125_000, Rate: 12487.5},
		Caller: &Caller{
			CallerCounts: agent.CallerCounts{
				Started: 1, NotStarted: 2, Answered: 3, Completed: 4, Rejected: 5, Cancelled: 6, Failed: 7, CancelLost: 8, Unrung: 13,
				Timeouts: agent.PerMethod{INVITE: 1, BYE: 2, CANCEL: 3, OPTIONS: 4}, Retransmissions: agent.PerMethod{INVITE: 5, BYE: 6, CANCEL: 7, OPTIONS: 8},
				AcksRepeated: 9, Duplicates: 10, OutOfOrder: 11,
			},
			FailedByCode: map[string]uint64{"503": 7}, Unexpected: map[string]uint64{"wrong_via": 12},
		},
		Callee: &Callee{
			CalleeCounts: agent.CalleeCounts{
				Invites: 21, Answered: 22, Rejected: 23, Cancelled: 24, Completed: 25, Options: 26, NoSlot: 27, Abandoned: 28, AckTimeouts: 29,
				ByeBeforeAck: 30, Retransmissions: 31, Duplicates: 32, OutOfOrder: 33,
			},
			Unexpected: map[string]uint64{},
		},
		Latency: map[string]Percentile{
			"invite_180": {Count: 100, Min: 90, Mean: 120.5, P50: 110, P90: 150, P99: 1900, P999: 20_000, Max: 300_000},
			"invite_200": {Count: 100, Min: 91, Mean: 121.5, P50: 111, P90: 151, P99: 1901, P999: 20_001, Max: 300_001},
		},
		Sockets: Sockets{
			Sent: 34, SentBytes: 35, Received: 36, ReceivedBytes: 37, SendErrors: 38, ReceiveErrors: 39, Truncated: 40, Drops: 42,
			TargetDrops: &lost, TargetSockets: 3,
		},
		CPU: CPU{
			Self:    Process{User: 1, System: 2, Cores: 0.3, PerThousand: 0.024, Resident: 30 << 20, Threads: 5, Processes: 1},
			Watched: &Process{User: 3, System: 4, Cores: 0.7, PerThousand: 0.056, Resident: 123 << 20, Grown: 1 << 20, MajorFaults: 1, MinorFaults: 2, Voluntary: 3, Preempted: 4, Processes: 2, Threads: 9},
			Others:  0.05, Steal: 0.01,
		},
		Problems: []string{"7 calls failed (by code: 503 7)"}, Warnings: []string{"sipload used 85 % of a core"},
		Samples: []string{"a response must reach us with one Via, ours\nSIP/2.0 180 Ringing\r\nVia: x\r\n\r\n"},
	}
}

func TestDocuments(t *testing.T) {
	settings := Settings{
		Flow: "call", Target: "127.0.0.2:5060", Caller: "127.0.0.10:5060", Sockets: 4, Callees: []string{"127.0.0.21:5060"}, Ring: 0.02, Hold: 1,
		Reject: 486, RejectShare: 0.1, CancelShare: 0.2, T1: 0.5, T2: 4, Watch: 99,
	}
	clean := run()
	clean.Problems, clean.Warnings, clean.Samples = []string{}, []string{}, nil
	quiet := &Run{Problems: []string{}, Warnings: []string{}, Seconds: 5}
	flood := &Run{
		Rate: 1000.5, Flood: &Flood{Sent: map[string]uint64{"random": 10, "truncated": 10}, Sources: 64, Replies: map[string]uint64{"400": 3}, Other: 1},
		Problems: []string{}, Warnings: []string{},
	}
	base := Document{FormatVersion: FormatVersion, Program: "sipload", Settings: settings}
	for name, change := range map[string]func(*Document){
		"unclean": func(d *Document) { d.Run = run() },
		"clean":   func(d *Document) { d.Run, d.Clean = clean, true },
		"serve":   func(d *Document) { d.Run, d.Clean, d.Settings.Target = quiet, true, "" },
		"garbage": func(d *Document) { d.Run, d.Clean, d.Settings.Flow = flood, true, "garbage" },
		"ramp": func(d *Document) {
			d.Ramp, d.Clean = &Ramp{From: 1000, To: 20_000, Step: 11_500, Knee: 1000, Steps: []*Run{clean, run()}}, true
		},
		"ramp-end":  func(d *Document) { d.Ramp = &Ramp{From: 1000, To: 2000, Step: 1000, Knee: 2000, Limit: true} },
		"ramp-none": func(d *Document) { d.Ramp = &Ramp{From: 1000, To: 2000, Step: 1000} },
	} {
		d := base
		change(&d)
		var table, doc bytes.Buffer
		if err := d.WriteTable(&table); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", table.Bytes())
		if err := d.WriteJSON(&doc); err != nil {
			t.Fatal(err)
		}
		if name == "unclean" {
			golden(t, name+".json", doc.Bytes())
		}
		var again Document
		if err := json.Unmarshal(doc.Bytes(), &again); err != nil {
			t.Fatal(err)
		}
		var twice bytes.Buffer
		if err := again.WriteJSON(&twice); err != nil || !bytes.Equal(twice.Bytes(), doc.Bytes()) {
			t.Errorf("%s: read back and written again it differs, %v", name, err)
		}
	}
	var steps bytes.Buffer
	for _, r := range []*Run{clean, run(), quiet} {
		if err := r.WriteStep(&steps); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "steps.txt", steps.Bytes())
}

func TestPercentiles(t *testing.T) {
	h := hdrhistogram.New(1, 1_000_000, 3)
	for i := int64(1); i <= 1000; i++ {
		if err := h.RecordValue(i); err != nil {
			t.Fatal(err)
		}
	}
	if p := Percentiles(h); p != (Percentile{Count: 1000, Min: 1, Mean: 500.5, P50: 500, P90: 900, P99: 990, P999: 999, Max: 1000}) {
		t.Errorf("%+v", p)
	}
	if p := Percentiles(hdrhistogram.New(1, 1000, 3)); p.Count != 0 || p.Max != 0 {
		t.Errorf("of nothing: %+v", p)
	}
}

func TestNumbersAreGrouped(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", 1000.5: "1,000.5"} {
		if got := number(v); got != want {
			t.Errorf("%g: %s, want %s", v, got, want)
		}
	}
}
