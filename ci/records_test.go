package ci

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"trunkline/appliance/runtime"
	calls "trunkline/proxy/persist/postgres"
	"trunkline/proxy/record"
	"trunkline/proxy/record/postgres"
)

// Where a spec wants call records the arena has rows for them, of the planned number and size;
// where it does not, none.
func TestRecordCoefficient(t *testing.T) {
	for _, cdr := range []*runtime.CDR{nil, {To: "journal"}} {
		cfg := appliance(1, 1, 1)
		cfg.State.Calls, cfg.Control.CDR = 66000, cdr
		e, a := engineInArena(t, cfg)
		bytes := 0.0
		for _, r := range a.Regions() {
			if r.Name == "records" || r.Name == "record index" {
				bytes += float64(r.Bytes)
			}
		}
		if cdr == nil {
			if bytes != 0 {
				t.Errorf("%.0f B for records that nobody wants", bytes)
			}
			continue
		}
		checkCoefficient(t, "record_bytes", bytes/float64(record.Rows(e.Stats().Calls.Capacity)))
		if rows, planned := float64(record.Rows(cfg.State.Calls)), float64(cfg.State.Calls)*9/8; rows < planned*0.999 || rows > planned*1.002 {
			t.Errorf("%.0f rows, the plan has %.0f", rows, planned)
		}
	}
}

// The README has the statement that makes the table, and every field.
func TestRecordsInReadme(t *testing.T) {
	b, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(b)
	if !strings.Contains(readme, calls.Definition) {
		t.Error("the README has other definitions of tables than proxy/persist/postgres")
	}
	if !strings.Contains(readme, postgres.Definition) {
		t.Error("the README has another definition of the table than proxy/record/postgres")
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[record.Record]()) {
		name := f.Tag.Get("json")
		if !strings.Contains(readme, "`"+name+"`") {
			t.Errorf("the README does not say what the field %s is", name)
		}
		if !strings.Contains(postgres.Definition, "\n  "+name+" ") {
			t.Errorf("the table has no column %s", name)
		}
	}
}

// Where a spec wants calls to be kept, the arena has what that needs, of the planned size.
func TestOriginCoefficient(t *testing.T) {
	cfg := appliance(1, 1, 1)
	cfg.State.Calls, cfg.State.Persistence = 66000, &runtime.Persistence{To: "disk"}
	_, a := engineInArena(t, cfg)
	for _, r := range a.Regions() {
		if r.Name == "call origins" {
			checkCoefficient(t, "call_origin_bytes", float64(r.Row))
			return
		}
	}
	t.Error("the arena has no origins of calls")
}
