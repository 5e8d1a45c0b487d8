package cmd_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline/appliance/runtime"
	"trunkline/proxy/control"
	"trunkline/proxy/record"
	"trunkline/tools/sbcd/cmd"
)

// A call that is refused has its record: in the file, in the journal's line; and status and
// metrics count it.
func TestCallRecords(t *testing.T) {
	for _, to := range []string{"file", "journal"} {
		t.Run(to, func(t *testing.T) {
			state := t.TempDir()
			t.Setenv("STATE_DIRECTORY", state)
			callee := udpSocket(t, "127.0.41.1")
			a := config(t, runtime.Cache{Path: csvFile(t, "+49,one\n"), Warmup: runtime.WarmupSync}, address(callee))
			a.Control.CDR = &runtime.CDR{To: to}
			p := start(t, a)
			p.ready()
			caller := udpSocket(t, "127.0.31.1")
			invite(t, caller, a.Listeners[0].Address, "+4989123")
			inv := read(t, callee, "INVITE sip:")
			respond(t, callee, a.Listeners[1].Address, inv, "486 Busy Here")
			read(t, caller, "486 Busy Here")
			p.until("written", func(s cmd.Status) bool { return s.Engine.Records != nil && s.Engine.Records.Written == 1 })
			if out, _, _ := sbcd(t, "status", "--control", p.control); !strings.Contains(out, "\ncall records to the "+to+": 1 written\n") {
				t.Errorf("status:\n%s", out)
			}
			b, err := control.Get(t.Context(), p.control, control.MetricsPath)
			if err != nil {
				t.Fatal(err)
			}
			if want := `trunkline_call_records_written_total{sink="` + to + `"} 1`; !strings.Contains(string(b), want) {
				t.Errorf("metrics lack %s", want)
			}
			p.stop()
			if to == "journal" {
				if line := p.stderr.String(); !strings.Contains(line, `msg="call record" key=`) || !strings.Contains(line, " caller=sip:a@example.net callee=sip:b@example.net called=+4989123 ") || !strings.Contains(line, " cause=rejected code=486 ended_by=callee ") {
					t.Errorf("journal:\n%s", line)
				}
				return
			}
			if b, err = os.ReadFile(filepath.Join(state, "records", "records-00000001.jsonl")); err != nil {
				t.Fatal(err)
			}
			var r record.Record
			if err := json.Unmarshal(b, &r); err != nil {
				t.Fatalf("%v: %s", err, b)
			}
			if r.Appliance != "test" || r.CallID != "4989123@example.net" || r.Called != "+4989123" || r.Source != address(caller).String() || r.Listener != "carrier" || r.Destination != "one1" || r.Cause != "rejected" || r.Code != 486 {
				t.Errorf("%s", b)
			}
		})
	}
}
