package cmd

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trunkline/proxy/call"
	"trunkline/proxy/dispatch"
	"trunkline/proxy/engine"
	"trunkline/proxy/listen"
	"trunkline/proxy/media"
	"trunkline/proxy/record"
	"trunkline/proxy/resolve"
	"trunkline/proxy/stream"
	"trunkline/proxy/transaction"
	"trunkline/proxy/warm"
	"trunkline/tools/sbcd/update"
)

func example() Status {
	return Status{
		Name: "edge-fra1", SpecDigest: "sha256:0123456789abcdef0123", Image: "sha256:fedcba9876543210", UptimeSeconds: 3723.4, Ready: true,
		Caches: []warm.Status{
			{Name: "carriers", State: warm.Loaded, Origin: warm.FromSource, Rows: 6, Seconds: 0.4},
			{Name: "again", State: warm.Loading, Origin: warm.FromSource, Rows: 6, Read: 3, Seconds: 2},
			{Name: "kept", State: warm.Failed, Origin: warm.FromLastGood, Since: time.Now().Add(-3 * time.Hour), Rows: 5, Error: "no server"},
			{Name: "baked", State: warm.Loaded, Origin: warm.FromBaked, Rows: 2, Unsaved: "no room"},
			{Name: "late", State: warm.Failed, Error: "open /x: no such file or directory"},
		},
		Names: &resolve.Stats{Names: 2, Unresolved: 1, Stale: 1},
		Engine: &engine.Stats{
			Listeners: []engine.ListenerStats{{Name: "core", Address: "10.0.0.1:5060", Workers: 2, Overload: engine.OverloadStats{Refused: 0.25, Wait: 310e6}, Transport: "udp", Sockets: []listen.SocketStats{{Packets: 5, Drops: 1, Queue: 700}, {Packets: 7}}},
				{Name: "trunk", Address: "10.0.0.1:5061", Transport: "tls", Connections: &stream.Stats{
					Connections: 3, Messages: 40, Waiting: 12, Refused: map[string]uint64{"source": 2, "max": 1}, Handshakes: 4, Faults: map[string]uint64{"header_size": 0},
					Certificates: []stream.Certificate{
						{Secret: "edge", Use: stream.UseCertificate, Subject: "CN=edge", Serial: "a1", NotAfter: time.Date(2999, 1, 2, 0, 0, 0, 0, time.UTC)},
						{Secret: "edge", Use: stream.UseCertificate, Subject: "CN=issuer", Serial: "7", NotAfter: time.Date(2998, 1, 2, 0, 0, 0, 0, time.UTC)},
						{Secret: "carriers", Use: stream.UseClientCA, Subject: "CN=CA", Serial: "1", NotAfter: time.Date(2001, 1, 2, 0, 0, 0, 0, time.UTC)},
						{Secret: "carriers", Use: stream.UseClientCA, Subject: "CN=CA", Serial: "1", NotAfter: time.Date(2997, 1, 2, 0, 0, 0, 0, time.UTC)},
					},
				}},
				{Name: "old", Address: "10.0.0.2:443", Transport: "wss", Connections: &stream.Stats{Certificates: []stream.Certificate{
					{Secret: "web", Use: stream.UseCertificate, NotAfter: time.Date(2001, 1, 2, 0, 0, 0, 0, time.UTC)},
				}}},
			},
			Records:  &record.Stats{SinkStats: record.SinkStats{Name: "database", Spooled: 40, Error: "database calls (10.0.0.9:5432): nothing listens there"}, Written: 70, Waiting: 2, Lost: 1},
			Counters: map[string]uint64{"received": 12, "refused_rate": 3, "dropped_source": 2, "dropped_ack": 0, "send_errors": 1},
			Calls:    call.Stats{Live: 4, Peak: 9, Capacity: 100, Ended: map[string]uint64{"bye": 5}}, Transactions: transaction.Stats{Live: 1, Peak: 8, Capacity: 200},
			Media: &media.Stats{Instances: []media.InstanceStats{
				{Name: "m1", Control: []string{"10.0.0.31:2223"}, Up: true, Sessions: 4, MaxSessions: 100, Answered: 4, Seconds: 0.002, Commands: map[string]map[string]uint64{"offer": {"ok": 3}, "answer": {"refused": 1}}},
				{Name: "m2", Control: []string{"10.0.0.32:2223", "10.0.0.32:2224"}, Commands: map[string]map[string]uint64{"ping": {"lost": 3}}},
			}},
			Destinations: []engine.DestinationStats{{
				DestinationStats: dispatch.DestinationStats{Set: "core", Name: "fs1", Address: "10.0.0.11:5060", State: "active"},
				Calls:            4, Attempts: 9, Failed: 1,
			}, {
				DestinationStats: dispatch.DestinationStats{Set: "core", Name: "fs2", Address: "10.0.0.12:5060", State: "disabled", MaxCalls: 50, Full: 7, Estimate: 12345678},
				Calls:            3, Attempts: 5,
			}, {
				DestinationStats: dispatch.DestinationStats{Set: "core", Name: "gw", Address: "gw.example.net", State: "active", Resolved: &dispatch.NameStats{
					Host: "gw.example.net", Stale: true, Trouble: "gw.example.net. A: server 10.0.0.53: no answer in time",
					Targets: []dispatch.TargetStats{{Address: "192.0.2.1:5060", State: "trying"}, {Address: "192.0.2.2:5060", State: "inactive"}},
				}},
			}, {
				DestinationStats: dispatch.DestinationStats{Set: "core", Name: "no", Address: "no.example.net", State: "inactive",
					Resolved: &dispatch.NameStats{Host: "no.example.net", Trouble: "there is no name no.example.net"}},
			}},
		},
	}
}

func TestSummary(t *testing.T) {
	var b bytes.Buffer
	if err := summary(&b, example()); err != nil {
		t.Fatal(err)
	}
	want := `edge-fra1: ready, up 1h2m3s, spec sha256:0123456789ab, image sha256:fedcba987654
call records to the database: 70 written, 2 waiting, 40 on the disk for it, 1 lost; database calls (10.0.0.9:5432): nothing listens there
cache carriers        loaded             6 rows             in 400ms
cache again           loading            6 rows             3 rows read in 2s
cache kept            failed             5 rows             last good table, of 3h0m0s ago; no server
cache baked           loaded             2 rows             table of the image; last good table not kept: no room
cache late            failed             0 rows             open /x: no such file or directory
listener core         10.0.0.1:5060      12 packets         1 dropped by the kernel, 700 B waiting
listener trunk        10.0.0.1:5061/tls  3 connections      40 messages, 12 B waiting, 3 refused, 4 handshakes failed, certificate until 2998-01-02
listener old          10.0.0.2:443/wss   0 connections      0 messages, 0 B waiting, certificate of web ENDED 2001-01-02
overload core         refuses            25 % of calls      messages wait 310ms
destination core/fs1  active             4 calls            10.0.0.11:5060, 9 attempts, 1 failed over
destination core/fs2  disabled           3 of 50 calls      10.0.0.12:5060, 5 attempts, 0 failed over, 7 times full, replies in 12.3ms
destination core/gw   active             0 calls            gw.example.net, 0 attempts, 0 failed over, 1 of 2 targets up, last known ones (gw.example.net. A: server 10.0.0.53: no answer in time)
destination core/no   inactive           0 calls            no.example.net, 0 attempts, 0 failed over, 0 of 0 targets up (there is no name no.example.net)
media m1              up                 4 of 100 sessions  10.0.0.31:2223, answers in 500µs, 1 refused
media m2              DOWN               0 sessions         10.0.0.32:2223 10.0.0.32:2224, 3 lost
calls                 4 live             9 at most          room for 100
transactions          1 live             8 at most          room for 200
refused, dropped: dropped_source=2 refused_rate=3 send_errors=1
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	waiting := Status{Name: "x", Update: &update.Record{Result: update.Waiting, Announced: "7", Waiting: "7", RestartAt: new(time.Time), Looked: time.Now().Add(-3 * time.Hour)}}
	if err := summary(&b, waiting); err != nil || !strings.Contains(b.String(), "\nupdate: version 7 is installed and is booted at 0001-01-01 00:00 UTC (looked 3h0m") {
		t.Errorf("%q, %v", b.String(), err)
	}
	b.Reset()
	if err := summary(&b, Status{Name: "x", Update: &update.Record{Result: update.NotYet}}); err != nil || !strings.HasSuffix(b.String(), "\nupdate: no look since the boot\n") {
		t.Errorf("%q, %v", b.String(), err)
	}
	b.Reset()
	if err := summary(&b, Status{Name: "x"}); err != nil || b.String() != "x: not ready, up 0s, spec \n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

// The same set of metrics comes out consistent, whatever the state.
func TestMetricsGather(t *testing.T) {
	for _, s := range []Status{{Name: "x"}, {Name: "x", Update: &update.Record{Result: update.NotYet}}, example()} {
		reg := prometheus.NewRegistry()
		reg.MustRegister(newMetrics(func() Status { return s }))
		families, err := reg.Gather()
		if err != nil {
			t.Error(err)
		}
		image := ""
		for _, f := range families {
			if f.GetName() == "trunkline_image_info" {
				image = f.Metric[0].GetLabel()[0].GetValue()
			}
			if !strings.HasPrefix(f.GetName(), "trunkline_") || f.GetHelp() == "" {
				t.Errorf("metric %s, help %q", f.GetName(), f.GetHelp())
			}
			if f.GetName() == "trunkline_certificate_not_after_timestamp_seconds" && len(f.Metric) != 4 {
				t.Errorf("%d certificates of 4 that differ: %v", len(f.Metric), f.Metric)
			}
			if counter := strings.HasSuffix(f.GetName(), "_total"); counter != (f.GetType().String() == "COUNTER") {
				t.Errorf("metric %s is a %s", f.GetName(), f.GetType())
			}
		}
		if image != s.Image {
			t.Errorf("trunkline_image_info says %q, want %q", image, s.Image)
		}
	}
}
