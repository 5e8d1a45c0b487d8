package update

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline/appliance/runtime"
)

func TestRestart(t *testing.T) {
	window := &runtime.Update{Reboot: runtime.RebootWindow, WindowFirst: "23:30", RebootAt: "23:45", WindowLast: "01:15"}
	for _, c := range []struct {
		u    *runtime.Update
		now  string
		due  bool
		next string // when it is not due
	}{
		{window, "2026-03-31 12:00", false, "2026-03-31 23:45"},
		{window, "2026-03-31 23:44", false, "2026-03-31 23:45"},
		{window, "2026-03-31 23:45", true, ""},
		{window, "2026-04-01 00:00", true, ""},
		{window, "2026-04-01 01:14", true, ""},
		{window, "2026-04-01 01:15", false, "2026-04-01 23:45"},
		{&runtime.Update{Reboot: runtime.RebootWindow, WindowFirst: "03:00", RebootAt: "03:00", WindowLast: "03:01"}, "2026-04-01 03:00", true, ""},
		{&runtime.Update{Reboot: runtime.RebootAtOnce}, "2026-04-01 12:00", true, ""},
		{&runtime.Update{Reboot: runtime.RebootManual}, "2026-04-01 12:00", false, ""},
	} {
		now, err := time.Parse("2006-01-02 15:04", c.now)
		if err != nil {
			t.Fatal(err)
		}
		// The clock of the machine may show another zone, and has seconds.
		due, at, err := Restart(c.u, now.Add(59*time.Second).In(time.FixedZone("x", 5*3600)))
		if err != nil || due != c.due {
			t.Errorf("%s, %+v: due %v, %v", c.now, c.u, due, err)
		}
		got := ""
		if !due && !at.IsZero() {
			got = at.UTC().Format("2006-01-02 15:04")
		}
		if got != c.next {
			t.Errorf("%s: next at %s, want %s", c.now, got, c.next)
		}
	}
	for _, bad := range []*runtime.Update{{Reboot: "soon"}, {Reboot: runtime.RebootWindow, RebootAt: "25:00", WindowLast: "01:00"}, {Reboot: runtime.RebootWindow, RebootAt: "01:00"}} {
		if _, _, err := Restart(bad, time.Now()); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

func TestRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.json")
	if r, err := ReadRecord(path); r != nil || err != nil {
		t.Errorf("before the first look: %+v, %v", r, err)
	}
	at := time.Date(2026, 4, 1, 23, 45, 0, 0, time.UTC)
	want := Record{Looked: at.Add(-time.Hour), Since: at.Add(-2 * time.Hour), Result: Failed, Kind: Unreachable, Error: "no way", Waiting: "6", RestartAt: &at}
	if err := WriteRecord(path, want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadRecord(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.Changed(&want) || want.Changed(got) || got.String() != want.String() {
		t.Errorf("%+v", got)
	}
	if s := got.String(); s != "failed: no way; version 6 is installed and is booted at 2026-04-01 23:45 UTC" {
		t.Error(s)
	}
	// The same trouble in other words is nothing new; another one is.
	other := want
	other.Error, other.Looked = "no way at all", at
	if other.Changed(&want) {
		t.Error("told again")
	}
	other.Kind = NotFound
	if !other.Changed(&want) || !want.Changed(nil) {
		t.Error("not told")
	}
	for _, text := range []string{"", "{", strings.Repeat(" ", maxRecord+1)} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if r, err := ReadRecord(path); err == nil {
			t.Errorf("%.10q is read as %+v", text, r)
		}
	}
}
