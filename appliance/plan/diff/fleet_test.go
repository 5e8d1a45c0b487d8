package diff

import (
	"slices"
	"strings"
	"testing"
)

func TestFleets(t *testing.T) {
	named := func(name string, edits ...string) Input {
		return variant(t, "fleet", append([]string{"edge.hcl", `appliance "edge-fra1"`, `appliance "` + name + `"`}, edits...)...)
	}
	a := []Input{named("a"), named("b"), named("c"), named("d")}
	b := []Input{named("e"), named("c", "edge.hcl", "34:56", "34:57"), named("b", "core.hcl", `reply_timeout  = "5s"`, `reply_timeout  = "4s"`), named("a")}
	f, err := CompareFleets(a, b)
	if err != nil {
		t.Fatal(err)
	}
	if !f.Changed || f.Impact != Reboot || !slices.Equal(f.Removed, []string{"d"}) || !slices.Equal(f.Added, []string{"e"}) || len(f.Appliances) != 3 {
		t.Errorf("%+v", f)
	}
	for i, want := range []Impact{Reboot, Live, None} {
		if d := f.Appliances[i]; d.Impact != want || d.Changed != (want != None) || d.After.Appliance != []string{"c", "b", "a"}[i] {
			t.Errorf("%s: impact %s, changed %v; want %s", d.After.Appliance, d.Impact, d.Changed, want)
		}
	}
	same, err := CompareFleets(a, a)
	if err != nil || same.Changed || same.Impact != None {
		t.Errorf("a fleet differs from itself: %+v, %v", same, err)
	}
	raw, err := EncodeFleet(same)
	if err != nil || strings.Contains(string(raw), ": null") {
		t.Errorf("%v: %s", err, raw)
	}
	if _, err := CompareFleets(a, []Input{{Label: "x"}}); err == nil {
		t.Error("a missing plan is compared")
	}
}
