package diff

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"trunkline/appliance/bake"
	"trunkline/appliance/plan"
	"trunkline/appliance/runtime"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
)

// variant plans the example spec with some of its text replaced: file, old, new
// and so on.
func variant(t *testing.T, label string, edits ...string) Input {
	t.Helper()
	const dir = "../../examples/edge-fra1"
	fsys := fstest.MapFS{}
	for _, name := range []string{"edge.hcl", "core.hcl", "carriers.csv"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		fsys[name] = &fstest.MapFile{Data: b, Mode: 0o644}
	}
	for i := 0; i+2 < len(edits); i += 3 {
		f := fsys[edits[i]]
		if strings.Count(string(f.Data), edits[i+1]) < 1 {
			t.Fatalf("%q is not in %s", edits[i+1], edits[i])
		}
		f.Data = []byte(strings.Replace(string(f.Data), edits[i+1], edits[i+2], 1))
	}
	s, diags, _ := spec.LoadFS(fsys, "", spec.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	p, err := plan.Make(s, sizing.Size(s, nil), plan.Options{Version: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	files, err := bake.Seal(p, s)
	if err != nil {
		t.Fatal(err)
	}
	in := Input{Label: label, Plan: p, Files: map[string][]byte{}}
	for _, f := range files {
		in.Files[f.Path] = f.Data
	}
	return in
}

func mustCompare(t *testing.T, a, b Input) *Diff {
	t.Helper()
	d, err := Compare(a, b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Encode(d); err != nil {
		t.Error(err)
	}
	return d
}

// keys are the changes in short: "action path object field".
func keys(d *Diff) []string {
	var out []string
	for _, c := range d.Changes {
		if c.Impact != None {
			out = append(out, strings.TrimSpace(string(c.Group)+" "+c.Action+" "+c.Path+" "+string(c.Impact)))
		}
	}
	return out
}

func TestImpacts(t *testing.T) {
	const dest = `  destination "fs2" {
    uri      = "sip:10.0.0.12:5060"
    listener = "core"
    max_cps  = 250
  }
`
	for name, tt := range map[string]struct {
		edits  []string
		impact Impact
		want   []string // changes that must be there
		none   bool     // and no others
	}{
		"nothing":  {nil, None, nil, true},
		"comments": {[]string{"edge.hcl", "# The machine", "# A machine"}, None, nil, true},
		"timer": {[]string{"core.hcl", `reply_timeout  = "5s"`, `reply_timeout  = "4s"`}, Live,
			[]string{"calls change transaction.reply_timeout live"}, true},
		// Slots and buffers follow from what is configured, and are laid out at start.
		"destination goes": {[]string{"core.hcl", dest, ""}, Restart,
			[]string{"removals remove dispatchers[].destinations[] live", "listeners change listeners[].peers live"}, false},
		"destination comes": {[]string{"core.hcl", dest, dest + strings.NewReplacer("fs2", "fs4", ".12", ".14").Replace(dest)}, Live,
			[]string{"calls add dispatchers[].destinations[] live", "listeners add listeners[].peers live"}, false},
		"algorithm": {[]string{"core.hcl", `"round-robin"`, `"hash-callid"`}, Live,
			[]string{"calls change dispatchers[].algorithm live"}, true},
		"probe goes": {[]string{"core.hcl", "  probe {}\n", ""}, Live,
			[]string{"removals remove dispatchers[].probe live"}, true},
		"limit goes": {[]string{"edge.hcl", "  cps              = 240\n  burst            = 240\n", ""}, Restart,
			[]string{"removals change limits.cps live"}, false},
		"route order": {[]string{"core.hcl", `route "by-prefix" {`, `route "x" {`, "core.hcl", `route "default" {`, `route "by-prefix" {`, "core.hcl", `route "x" {`, `route "default" {`}, Live,
			[]string{"calls change routes[] live"}, false},
		"firewall off": {[]string{"edge.hcl", "enabled = true", "enabled = false"}, Live,
			[]string{"removals change firewall.enabled live"}, false},
		"workers": {[]string{"edge.hcl", `  sources = ["10.0.0.0/24"]`, "  sources = [\"10.0.0.0/24\"]\n  workers = 2"}, Restart,
			[]string{"sizing change listeners[].workers restart"}, false},
		"port": {[]string{"edge.hcl", "port    = 5060", "port    = 5070"}, Restart,
			[]string{"listeners change listeners[].address restart"}, false},
		"listener renamed": {[]string{"edge.hcl", `listener "carrier-a"`, `listener "carrier-b"`, "core.hcl", `["carrier-a"]`, `["carrier-b"]`}, Restart,
			[]string{"removals remove listeners[] restart", "listeners add listeners[] live", "calls change routes[].from live"}, true},
		"address comes": {[]string{"edge.hcl", `"203.0.113.11/27"]`, `"203.0.113.11/27", "203.0.113.12/27"]`}, Restart,
			[]string{"machine add hardware.nics[].addresses live"}, true}, // the file of the network is more than this line
		"mac":  {[]string{"edge.hcl", "34:56", "34:57"}, Reboot, []string{"machine change hardware.nics[].mac reboot"}, true},
		"name": {[]string{"edge.hcl", `appliance "edge-fra1"`, `appliance "edge-fra2"`}, Reboot, []string{"machine change name reboot"}, true},
		"memory": {[]string{"edge.hcl", `"4GiB"`, `"8GiB"`}, Reboot,
			[]string{"machine change hardware.memory_bytes reboot"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := mustCompare(t, variant(t, "a"), variant(t, "b", tt.edits...))
			got := keys(d)
			if d.Impact != tt.impact || d.Changed != (tt.impact != None) {
				t.Errorf("impact %s, changed %v; want %s:\n%s", d.Impact, d.Changed, tt.impact, strings.Join(got, "\n"))
			}
			if d.Changed && d.Today != Reboot {
				t.Errorf("today: %s", d.Today)
			}
			for _, w := range tt.want {
				if !strings.Contains(strings.Join(got, "\n")+"\n", w+"\n") {
					t.Errorf("no %q in:\n%s", w, strings.Join(got, "\n"))
				}
			}
			if tt.none && len(got) != len(tt.want) {
				t.Errorf("%d changes, want %d:\n%s", len(got), len(tt.want), strings.Join(got, "\n"))
			}
		})
	}
}

func TestReach(t *testing.T) {
	const sources = `sources = ["198.51.100.0/24"]`
	for name, tt := range map[string]struct {
		edits []string
		want  string // socket listener +gained -lost
	}{
		"written otherwise": {[]string{"edge.hcl", sources, `sources = ["198.51.100.0/25", "198.51.100.128/25"]`}, ""},
		"renamed":           {[]string{"edge.hcl", `listener "carrier-a"`, `listener "carrier-b"`, "core.hcl", `["carrier-a"]`, `["carrier-b"]`}, ""},
		"wider":             {[]string{"edge.hcl", sources, `sources = ["198.51.100.0/23"]`}, "udp 203.0.113.10:5060 carrier-a +[198.51.101.0/24] -[]"},
		"narrower":          {[]string{"edge.hcl", sources, `sources = ["198.51.100.0/26"]`}, "udp 203.0.113.10:5060 carrier-a +[] -[198.51.100.64/26 198.51.100.128/25]"},
		"another port": {[]string{"edge.hcl", "port    = 5060", "port    = 5070"},
			"udp 203.0.113.10:5060 carrier-a +[] -[198.51.100.0/24]\nudp 203.0.113.10:5070 carrier-a +[198.51.100.0/24] -[]"},
		// fs2 stays inside the sources of the listener that reaches it.
		"peer inside":  {[]string{"core.hcl", "10.0.0.12", "10.0.0.13"}, ""},
		"peer outside": {[]string{"core.hcl", "10.0.0.12", "10.0.1.12"}, "udp 203.0.113.11:5060 core +[10.0.1.12/32] -[]"},
	} {
		d := mustCompare(t, variant(t, "a"), variant(t, "b", tt.edits...))
		var got []string
		for _, r := range d.Reach {
			got = append(got, r.Socket+" "+r.Listener+" +["+strings.Join(r.Gained, " ")+"] -["+strings.Join(r.Lost, " ")+"]")
		}
		if s := strings.Join(got, "\n"); s != tt.want {
			t.Errorf("%s:\n%s\nwant:\n%s", name, s, tt.want)
		}
	}
}

// A saved plan has no texts; all else is the same.
func TestSavedPlans(t *testing.T) {
	a, b := variant(t, "a"), variant(t, "b", "edge.hcl", "cps              = 200", "cps              = 400", "edge.hcl", "34:56", "34:57")
	want := mustCompare(t, a, b)
	for i := range want.Files {
		want.Files[i].Lines = ""
	}
	saved := func(in Input) Input {
		raw, err := plan.Encode(in.Plan)
		if err != nil {
			t.Fatal(err)
		}
		p, err := plan.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		return Input{Label: in.Label, Plan: p}
	}
	x, err := Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	y, err := Encode(mustCompare(t, saved(a), saved(b)))
	if err != nil {
		t.Fatal(err)
	}
	if string(x) != string(y) {
		t.Errorf("of saved plans:\n%s\nof specs:\n%s", y, x)
	}
	if d := mustCompare(t, saved(a), variant(t, "a")); d.Changed {
		t.Errorf("a plan differs from its own spec: %+v", d)
	}
	a.Plan.Complete = false
	if _, err := Compare(a, b); err == nil || !strings.Contains(err.Error(), "make it again") {
		t.Errorf("a plan without files is compared: %v", err)
	}
}

// The other way round, what came went, and who gained lost.
func TestBackwards(t *testing.T) {
	a, b := variant(t, "a"), variant(t, "b", "edge.hcl", `["198.51.100.0/24"]`, `["192.0.2.0/24"]`, "core.hcl", "  probe {}\n", "")
	there, back := mustCompare(t, a, b), mustCompare(t, b, a)
	if len(there.Changes) != len(back.Changes) || len(there.Reach) != 1 || len(back.Reach) != 1 {
		t.Fatalf("%+v\n%+v", there, back)
	}
	if x, y := there.Reach[0], back.Reach[0]; strings.Join(x.Gained, " ") != strings.Join(y.Lost, " ") || strings.Join(x.Lost, " ") != strings.Join(y.Gained, " ") {
		t.Errorf("%+v\n%+v", x, y)
	}
	if there.Changes[0].Group != Removals || back.Changes[0].Group == Removals {
		t.Errorf("first there: %+v, first back: %+v", there.Changes[0], back.Changes[0])
	}
}

func TestJSON(t *testing.T) {
	a, b := variant(t, "git:HEAD~1"), variant(t, ".",
		"edge.hcl", `["198.51.100.0/24"]`, `["198.51.100.0/25", "192.0.2.0/28"]`,
		"core.hcl", "  probe {}\n", "",
		"core.hcl", `invite_timeout = "30s"`, `invite_timeout = "20s"`)
	// What sizing and guard rails find is theirs to test.
	both := sizing.Finding{ID: "both", Severity: sizing.SeverityNote, Summary: "In both", At: "edge.hcl:1"}
	moved := both
	moved.At = "edge.hcl:2"
	a.Plan.Budget.Findings = []sizing.Finding{both, {ID: "old", Severity: sizing.SeverityWarning, Summary: "Was there", Detail: "Until now."}}
	b.Plan.Budget.Findings = []sizing.Finding{moved, {ID: "new", Severity: sizing.SeverityError, Summary: "Is there", Detail: "From now on.", At: "core.hcl:7"}}
	d := mustCompare(t, a, b)
	raw, err := Encode(d)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/diff.json", string(raw))
	var object map[string]any
	if err := json.Unmarshal(raw, &object); err != nil {
		t.Error(err)
	}
	for _, key := range []string{"changes", "reach", "ceilings", "files"} {
		if _, ok := object[key].([]any); !ok {
			t.Errorf("%s is no list", key)
		}
	}
}

// BenchmarkLarge compares 1,000 listeners and 5,000 destinations of which every
// tenth changed.
func BenchmarkLarge(b *testing.B) {
	large := func(label string, step int) Input {
		p := &plan.Plan{Complete: true, Appliance: &runtime.Appliance{Name: "large"}, Budget: &sizing.Budget{}}
		for i := range 1000 {
			host := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1})
			l := runtime.Listener{Name: fmt.Sprint("l", i), Transport: "udp", Address: netip.AddrPortFrom(host, 5060), Workers: 1}
			for j := range 20 {
				l.Sources = append(l.Sources, netip.PrefixFrom(netip.AddrFrom4([4]byte{100, byte(i), byte(j * 2), 0}), 24))
			}
			if i%10 == 0 {
				l.Sources, l.Workers = l.Sources[step:], l.Workers+step
			}
			p.Appliance.Listeners = append(p.Appliance.Listeners, l)
		}
		for i := range 200 {
			d := runtime.Dispatcher{Name: fmt.Sprint("d", i), ID: i}
			for j := range 25 {
				d.Destinations = append(d.Destinations, runtime.Destination{Name: fmt.Sprint(j), URI: fmt.Sprint("sip:", i, ".", j, ".", step*(j%10/9))})
			}
			p.Appliance.Dispatchers = append(p.Appliance.Dispatchers, d)
		}
		return Input{Label: label, Plan: p}
	}
	x, y := large("a", 0), large("b", 1)
	for b.Loop() {
		if d, err := Compare(x, y); err != nil || len(d.Changes) != 100+100+400 || len(d.Reach) != 100 {
			b.Fatal(err, len(d.Changes), len(d.Reach))
		}
	}
}
