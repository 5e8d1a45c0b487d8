package spec

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hashicorp/hcl/v2"
)

// The fleet that newcomers copy does not warn, and each appliance is the same
// alone as among the others.
func TestExampleFleet(t *testing.T) {
	const dir = "../examples/fleet"
	specs, diags, files := LoadFleet(dir, Options{})
	if len(diags) > 0 {
		t.Fatalf("%s", render(t, files, diags))
	}
	var names []string
	digests := map[string]bool{}
	for _, s := range specs {
		names = append(names, s.Appliance.Name)
		digests[s.Digest] = true
		alone, diags, files := Load(dir, Options{Appliance: s.Appliance.Name})
		if diags.HasErrors() {
			t.Fatalf("%s", render(t, files, diags))
		}
		if !bytes.Equal(dump(t, alone), dump(t, s)) {
			t.Errorf("%s differs alone and in the fleet", s.Appliance.Name)
		}
	}
	if got := strings.Join(names, " "); got != "edge-fra1 edge-ams1 edge-lab1" {
		t.Errorf("appliances %s", got)
	}
	if len(digests) != len(specs) {
		t.Errorf("%d digests of %d appliances", len(digests), len(specs))
	}
	if n := len(specs[2].Listeners); n != 2 || specs[0].Listeners[1].Port != 5080 || specs[2].Workload.CPS != 20 {
		t.Errorf("%d listeners of edge-lab1, port %d, %d CPS", n, specs[0].Listeners[1].Port, specs[2].Workload.CPS)
	}
}

// oneSpec is a small valid spec with more at its end.
func oneSpec(more string) fstest.MapFS {
	return fstest.MapFS{"main.hcl": {Data: []byte(`format_version = 1
hardware {
  platform = "vm"
  memory   = "4GiB"
  cpu {
    cores = 2
  }
  nic "wan" {
    addresses = ["203.0.113.10/27"]
    gateway   = "203.0.113.1"
  }
}
workload {
  cps              = 10
  concurrent_calls = 600
  call_duration    = "60s"
}
listener "core" {
  address = "203.0.113.10"
  sources = ["10.0.0.0/24"]
}
dispatcher "core" {
  id = 1
  destination "fs1" {
    uri = "sip:10.0.0.11:5060"
  }
}
` + more)}}
}

func mustLoad(t *testing.T, fsys fstest.MapFS, o Options) *Spec {
	t.Helper()
	s, diags, files := LoadFS(fsys, "", o)
	if diags.HasErrors() {
		t.Fatalf("%s", render(t, files, diags))
	}
	return s
}

// What counts: the default, the environment, the appliance's entry, then -var and
// -var-file in their order.
func TestPrecedence(t *testing.T) {
	const variable = "variable \"x\" {\n  type = string\n  default = \"default\"\n}\n"
	env := func(string) string { return "environment" }
	value := func(v string) Input { return Input{Variable: "x", Value: v} }
	file := Input{File: "x.values", Value: "x = \"file\"\n"}
	null := Input{File: "y.values", Value: "x = null\n"}
	own := "appliance \"a\" {\n  site = var.x\n  variables = { x = \"own\" }\n}\n"
	none := "appliance \"a\" {\n  site = var.x\n}\n"
	for _, c := range []struct {
		appliance string
		o         Options
		want      string
	}{
		{none, Options{}, "default"},
		{none, Options{Getenv: env}, "environment"},
		{none, Options{Getenv: func(string) string { return "" }}, "default"},
		{own, Options{Getenv: env}, "own"},
		{own, Options{Getenv: env, Variables: []Input{value("1")}}, "1"},
		{own, Options{Getenv: env, Variables: []Input{value("1"), file}}, "file"},
		{own, Options{Getenv: env, Variables: []Input{file, value("1")}}, "1"},
		{own, Options{Variables: []Input{null}}, "own"},
		{none, Options{Variables: []Input{null}}, "default"},
	} {
		if s := mustLoad(t, oneSpec(variable+c.appliance), c.o); s.Appliance.Site != c.want {
			t.Errorf("%+v: %q, want %q", c.o.Variables, s.Appliance.Site, c.want)
		}
	}
}

func TestDigestCoversValues(t *testing.T) {
	fsys := oneSpec("appliance \"a\" {}\nvariable \"x\" {\n  default = \"1\"\n}\nvariable \"y\" {\n  type = any\n  default = 1\n}\n")
	digest := func(in ...Input) string { return mustLoad(t, fsys, Options{Variables: in}).Digest }
	base := digest()
	if digest(Input{Variable: "x", Value: "1"}) != base {
		t.Error("where a value comes from changes the digest")
	}
	if digest(Input{Variable: "x", Value: "2"}) == base {
		t.Error("another value: same digest")
	}
	if digest(Input{Variable: "y", Value: `"1"`}) == base {
		t.Error("a text instead of a number: same digest")
	}
}

func TestFunctions(t *testing.T) {
	for expr, want := range map[string]string{
		`format("%s-%03d", "a", 7)`:                                       "a-007",
		`replace("a.b.c", ".", "-")`:                                      "a-b-c",
		`join(",", range(3))`:                                             "0,1,2",
		`join(",", formatlist("%s!", ["a", "b"]))`:                        "a!,b!",
		`jsonencode({ a = [1, true, null] })`:                             `{"a":[1,true,null]}`,
		`jsondecode("{\"k\": [\"v\"]}").k[0]`:                             "v",
		`cidrnetmask("10.0.0.0/9")`:                                       "255.128.0.0",
		`cidrnetmask("0.0.0.0/0")`:                                        "0.0.0.0",
		`tostring(cidrcontains("10.0.0.0/8", "10.1.2.3"))`:                "true",
		`tostring(cidrcontains("10.1.0.0/16", "10.0.0.0/8"))`:             "false",
		`tostring(cidrcontains("10.0.0.0/8", "2001:db8::1"))`:             "false",
		`regex("[0-9]+", "x42y")`:                                         "42",
		`startswith("abc", "ab") && endswith("abc", "bc") ? "y" : "n"`:    "y",
		`join("", sort(setunion(["b"], ["a"])))`:                          "ab",
		`tostring(length(setproduct(["a", "b"], [1, 2, 3])))`:             "6",
		`lookup({ a = "x" }, "b", "none")`:                                "none",
		`join("-", [for k, v in { b = 1, a = 2 } : "${k}${v}" if v > 1])`: "a2",
		`join("", [{ n = "x" }, { n = "y" }][*].n)`:                       "xy",
		"\"%{ for i in [1, 2] }${i};%{ endfor }\"":                        "1;2;",
		`tostring(strlen("äb"))`:                                          "2",
	} {
		s, diags, files := LoadFS(oneSpec(fmt.Sprintf("appliance \"a\" {\n  site = %s\n}\n", expr)), "", Options{})
		if diags.HasErrors() {
			t.Errorf("%s: %s", expr, render(t, files, diags))
		} else if s.Appliance.Site != want {
			t.Errorf("%s is %q, want %q", expr, s.Appliance.Site, want)
		}
	}
}

// Expressions that would take hours, or all memory, end in one diagnostic.
func TestHostileExpressions(t *testing.T) {
	long := strings.Repeat("1, ", 20_000)
	for name, text := range map[string]string{
		"loops":        "x = [for a in local.l : [for b in local.l : [for c in local.l : c]]]",
		"empty loops":  "x = [for a in local.l : [for b in local.l : [for c in local.l : c if false]]]",
		"long bodies":  "x = [for a in local.l : [" + long + "][0]]",
		"splats":       "x = local.l[*][*][*]\n  y = [for a in local.l : local.l[*]]\n  z = [for a in local.l : [for b in local.l : local.l[*]]]",
		"templates":    "x = \"%{ for a in local.l }%{ for b in local.l }%{ for c in local.l }${c}%{ endfor }%{ endfor }%{ endfor }\"",
		"comparisons":  "x = [for a in local.l : [for b in local.l : local.l == local.l]]",
		"products":     "x = length(setproduct(local.l, local.l, local.l, local.l))",
		"pads":         "x = format(\"%999999999s\", \"\")",
		"many pads":    "x = formatlist(\"%099999s\", local.l)",
		"concatenated": "x = flatten([for a in local.l : [for b in local.l : [for c in local.l : file(\"main.hcl\")]]])",
		"numbers":      "x = 1e999 * 1e999\n  y = \"${local.x * local.x}\"",
		"from text":    "x = \"${\"1e999999999\" * 1}\"",
		"from JSON":    "x = \"${jsondecode(\"1e999999999\")}\"",
	} {
		t.Run(name, func(t *testing.T) {
			fsys := oneSpec("appliance \"a\" {}\nlocals {\n  l = range(1000)\n  " + text + "\n}\n")
			s, diags, files := LoadFS(fsys, "", Options{})
			wrong := len(diags)
			if name == "splats" && s == nil { // one of the three is harmless
				wrong = 1
			}
			if s != nil || wrong != 1 {
				t.Fatalf("%d diagnostics: %s", len(diags), render(t, files, diags))
			}
		})
	}
}

// manyAppliances is the example fleet with n appliances out of a table.
func manyAppliances(tb testing.TB, n int) fstest.MapFS {
	m := fstest.MapFS{}
	for _, name := range []string{"variables.hcl", "site.hcl", "core.hcl", "gateways.csv"} {
		b, err := os.ReadFile("../examples/fleet/" + name)
		if err != nil {
			tb.Fatal(err)
		}
		m[name] = &fstest.MapFile{Data: b}
	}
	m["fleet.hcl"] = &fstest.MapFile{Data: []byte(`format_version = 1
dynamic "appliance" {
  for_each = csvdecode(file("fleet.csv"))
  labels   = [appliance.value.name]
  content {
    site      = appliance.value.site
    variables = { network = appliance.value.network, mac = appliance.value.mac }
  }
}
`)}
	var b strings.Builder
	b.WriteString("name,site,network,mac\n")
	for i := range n {
		fmt.Fprintf(&b, "edge-%d,s%d,10.%d.%d.0/27,52:54:00:00:%02x:%02x\n", i, i, 100+i/256, i%256, i/256, i%256)
	}
	m["fleet.csv"] = &fstest.MapFile{Data: []byte(b.String())}
	return m
}

func TestFleetOfATable(t *testing.T) {
	specs, diags, files := LoadFleetFS(manyAppliances(t, 30), "", Options{})
	if len(diags) > 0 {
		t.Fatalf("%s", render(t, files, diags))
	}
	if len(specs) != 30 || specs[7].Appliance.Name != "edge-7" || specs[7].Appliance.Site != "s7" {
		t.Errorf("%d appliances", len(specs))
	}
	// A mistake all of them have is told once.
	fsys := manyAppliances(t, 30)
	fsys["more.hcl"] = &fstest.MapFile{Data: []byte("limits {\n  cps = 5\n  cpps = 6\n}\nlimits {}\n")}
	_, diags, files = LoadFleetFS(fsys, "", Options{})
	count := 0
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			count++
		}
		if strings.Contains(d.Detail, "Appliance") {
			t.Errorf("%s names appliances", d.Detail)
		}
	}
	if count != 3 {
		t.Errorf("%s", render(t, files, diags))
	}
}

func TestSharedCards(t *testing.T) {
	fsys := manyAppliances(t, 3)
	fsys["fleet.csv"].Data = bytes.ReplaceAll(fsys["fleet.csv"].Data, []byte("00:02"), []byte("00:01"))
	specs, diags, files := LoadFleetFS(fsys, "", Options{})
	if len(specs) != 3 || len(diags) != 1 || !strings.Contains(diags[0].Detail, "edge-1 and edge-2 both take the card 52:54:00:00:00:01") {
		t.Errorf("%d appliances, %s", len(specs), render(t, files, diags))
	}
}

func BenchmarkFleet200(b *testing.B) {
	fsys := manyAppliances(b, 200)
	for b.Loop() {
		specs, diags, _ := LoadFleetFS(fsys, "", Options{})
		if diags.HasErrors() || len(specs) != 200 {
			b.Fatal(diags)
		}
	}
}
