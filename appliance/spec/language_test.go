package spec

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty/function"
)

// Everything in the schema is described, and nothing else is.
func TestEverythingIsDescribed(t *testing.T) {
	seen := map[string]bool{}
	var walk func(b *blockSchema, path string)
	walk = func(b *blockSchema, path string) {
		for _, a := range b.attrs {
			p := join(path, a.name)
			d, ok := descriptions[p]
			seen[p] = true
			switch {
			case !ok || d.text == "" || d.kind == "":
				t.Errorf("attribute %s is not described: say in descriptions.go what it is, its kind, its default and its bounds", p)
			case a.required && (d.def != "" || d.without != ""):
				t.Errorf("%s is required and has a default", p)
			case !a.required && (d.def == "") == (d.without == ""):
				t.Errorf("%s: either a default or what holds without it", p)
			}
		}
		for i := range b.blocks {
			p := join(path, b.blocks[i].typ)
			if descriptions[p].text == "" {
				t.Errorf("block %s is not described: say in descriptions.go what it is for", p)
			}
			seen[p] = true
			walk(&b.blocks[i], p)
		}
	}
	walk(&rootSchema, "")
	walk(&blockSchema{blocks: []blockSchema{dynamicSchema}}, "")
	for p := range descriptions {
		if !seen[p] {
			t.Errorf("%s is described and not in the schema", p)
		}
	}
}

// described is a spec with every block, to try values of attributes in.
const described = `format_version = 1
appliance "edge" {
}
hardware {
  platform = "vm"
  memory   = "64GiB"
  dns      = ["10.0.0.53"]
  ntp      = ["10.0.0.123"]
  cpu {
    cores = 4
  }
  nic "wan" {
    match     = { mac = "52:54:00:12:34:56" }
    addresses = ["203.0.113.10/27", "203.0.113.11/27"]
    gateway   = "203.0.113.1"
  }
  nic "wan0" {
    match = { mac = "52:54:00:12:34:57" }
  }
  nic "wan1" {
    match = { mac = "52:54:00:12:34:58" }
  }
  bond "pair" {
    members   = ["wan0", "wan1"]
    addresses = ["10.0.1.10/24"]
  }
  vlan "core" {
    parent    = "wan"
    id        = 100
    addresses = ["10.0.0.10/24"]
  }
  route "far" {
    destination = "10.8.0.0/16"
    via         = "10.0.0.1"
  }
  disk "system" {
  }
}
workload {
  cps              = 10
  concurrent_calls = 600
  call_duration    = "50s"
}
listener "carrier-a" {
  address = "203.0.113.10"
  sources = ["198.51.100.0/24"]
}
listener "core" {
  address = "203.0.113.11"
  sources = ["10.0.0.0/24"]
}
dispatcher "core" {
  id = 1
  probe {
  }
  failover {
  }
  destination "fs1" {
    uri = "sip:10.0.0.11:5060"
  }
}
route "all" {
  from = ["carrier-a"]
  to   = ["core"]
}
route "table" {
  from  = ["core"]
  cache = "carriers"
}
cache "carriers" {
  source = "file"
  file   = "carriers.csv"
}
limits {
  cps              = 100
  concurrent_calls = 1000
  listener "core" {
    cps = 50
  }
  source "office" {
    prefixes = ["198.51.100.0/25"]
    cps      = 50
  }
  carrier "a" {
    prefixes = ["198.51.100.0/24"]
    cps      = 50
  }
}
session {
}
messages {
}
transaction {
}
state {
}
firewall {
}
variable "cps" {
  type    = number
  default = 10
  validation {
    condition     = var.cps > 0
    error_message = "Write more."
  }
}
variable "address" {
  default = ""
}
locals {
  cps = var.cps
}
waiver "a-rule" {
  reason  = "why"
  expires = "2027-01-31"
}
media {
  instance "here" {
    addresses = ["203.0.113.10"]
  }
}
database "calls" {
  engine  = "postgres"
  address = "10.0.0.21"
}
database "panel" {
  engine = "sqlite"
  file   = "/var/lib/trunkline/panel.db"
}
sockets {
  database = "panel"
  sources  = ["198.51.100.0/24"]
}
control {
  address     = "203.0.113.11"
  sources     = ["192.0.2.0/24"]
  certificate = "edge-cert"
  key         = "edge-key"
  metrics {
    address = "203.0.113.10"
    sources = ["192.0.2.0/24"]
  }
  hep {
    address = "10.0.0.60"
  }
  cdr {
  }
}
update {
  url    = "https://192.0.2.80/edge/"
  signer = "update-signer.pem"
}
secret "edge-cert" {
  from = "credential"
}
secret "edge-key" {
  from = "credential"
}
secret "operators-ca" {
  from = "credential"
}
secret "routing-password" {
  from = "credential"
}
`

// signer is a certificate for update.signer.
func signer(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/good/services/update-signer.pem")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// together is what must be said beside an attribute for a spec without errors.
var together = map[string]map[string]string{
	"listener.tls.":         {"listener.transport": `"tls"`, "listener.tls.certificate": `"edge-cert"`, "listener.tls.key": `"edge-key"`},
	"listener.connections.": {"listener.transport": `"tcp"`},
	"state.persistence.":    {"state.persistence.to": `"disk"`},
}

// blockOf is the first block of a type, made where there is none.
func blockOf(body *hclwrite.Body, typ string) *hclwrite.Body {
	i := slices.IndexFunc(body.Blocks(), func(b *hclwrite.Block) bool { return b.Type() == typ })
	if i < 0 {
		return body.AppendNewBlock(typ, nil).Body()
	}
	return body.Blocks()[i].Body()
}

// with is described with one attribute set, or left out where value is empty.
func with(t *testing.T, path, value string) []byte {
	t.Helper()
	const hole = "the_value_goes_here"
	if value == "" {
		return put(t, path, "")
	}
	text, ok := holes.Load(path)
	if !ok {
		text, _ = holes.LoadOrStore(path, put(t, path, hole))
	}
	return bytes.Replace(text.([]byte), []byte(hole), []byte(value), 1)
}

// holes has described with a hole in the place of an attribute, by the attribute's path: to find the
// place takes longer than to load the spec, and an attribute is given many values.
var holes sync.Map

// put sets an attribute, or removes it where value is empty.
func put(t *testing.T, path, value string) []byte {
	t.Helper()
	f, diags := hclwrite.ParseConfig([]byte(described), "main.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	body, steps := f.Body(), strings.Split(path, ".")
	for _, typ := range steps[:len(steps)-1] {
		body = blockOf(body, typ)
	}
	if path == "hardware.nic.gateways" { // one form or the other
		body.RemoveAttribute("gateway")
	}
	for prefix, others := range together {
		if !strings.HasPrefix(path, prefix) {
			continue
		}
		for p, v := range others {
			outer := f.Body()
			steps := strings.Split(p, ".")
			for _, typ := range steps[:len(steps)-1] {
				outer = blockOf(outer, typ)
			}
			outer.SetAttributeRaw(steps[len(steps)-1], hclwrite.Tokens{{Type: hclsyntax.TokenIdent, Bytes: []byte(v)}})
		}
	}
	body.RemoveAttribute(steps[len(steps)-1])
	if value != "" {
		body.SetAttributeRaw(steps[len(steps)-1], hclwrite.Tokens{{Type: hclsyntax.TokenIdent, Bytes: []byte(value)}})
	}
	return f.Bytes()
}

func loadWith(t *testing.T, path, value string) (*Spec, hcl.Diagnostics) {
	t.Helper()
	s, diags, _ := LoadFS(fstest.MapFS{
		"main.hcl":     {Data: with(t, path, value)},
		"carriers.csv": {Data: []byte("+49,core\n")},

		"update-signer.pem": {Data: signer(t)},
	}, "", Options{})
	return s, diags
}

// complaint is what is said about the value of an attribute itself.
func complaint(diags hcl.Diagnostics, name string) string {
	for _, d := range diags {
		if d.Summary == "Invalid "+name || d.Summary == "Unknown attribute" || d.Summary == "Unknown block" {
			return d.Summary + ": " + d.Detail
		}
	}
	return ""
}

// beyond gives values just outside a bound.
func beyond(t *testing.T, k Kind, bound string, by int64) string {
	t.Helper()
	text := strings.Trim(bound, `"`)
	var n int64
	switch k {
	case KindDuration:
		d, err := parseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%q", (d + time.Duration(by)*time.Millisecond).String())
	case KindSize, KindSizeAuto, KindRate:
		parse, unit := parseSize, "B"
		if k == KindRate {
			parse, unit = parseRate, "bps"
		}
		u, err := parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf(`"%d%s"`, int64(u)+by, unit)
	}
	if _, err := fmt.Sscan(text, &n); err != nil {
		t.Fatalf("%s: %v", bound, err)
	}
	return fmt.Sprint(n + by)
}

// What the reference says of values is what the decoder does.
func TestDescriptionsAreTrue(t *testing.T) {
	if _, diags := loadWith(t, "firewall.enabled", "true"); diags.HasErrors() {
		t.Fatal(diags)
	}
	var walk func(b *blockSchema, path string)
	walk = func(b *blockSchema, path string) {
		for _, a := range b.attrs {
			if p := join(path, a.name); p != "format_version" {
				checkDescription(t, p, a, descriptions[p])
			}
		}
		for i := range b.blocks {
			walk(&b.blocks[i], join(path, b.blocks[i].typ))
		}
	}
	walk(&rootSchema, "")
}

func checkDescription(t *testing.T, path string, a attrSchema, d description) {
	t.Helper()
	good := append([]string{a.example}, quoted(d.choices)...)
	var bad []string
	if d.low != "" {
		good = append(good, d.low)
		bad = append(bad, beyond(t, d.kind, d.low, -1))
	}
	if d.high != "" {
		good = append(good, d.high)
		bad = append(bad, beyond(t, d.kind, d.high, 1))
	}
	switch d.kind {
	case KindRatio:
		bad = append(bad, "0", "1.01")
	case KindBoolean:
		bad = append(bad, `"perhaps"`)
	case KindTexts, KindCodes:
		bad = append(bad, `"text"`)
	case KindText:
		bad = append(bad, "12", `""`)
	case KindWholeAuto, KindSizeAuto:
		good = append(good, `"auto"`)
		bad = append(bad, `"automatic"`)
	case KindObject:
		bad = append(bad, "1")
	case KindService:
		good = append(good, `"ef"`)
		bad = append(bad, `"af35"`, `""`)
	}
	if len(d.choices) > 0 {
		bad = append(bad, `"of-no-such-kind"`)
	}
	for _, v := range good {
		if _, diags := loadWith(t, path, v); complaint(diags, a.name) != "" {
			t.Errorf("%s = %s: %s", path, v, complaint(diags, a.name))
		}
	}
	for _, c := range d.choices {
		s, _ := loadWith(t, path, fmt.Sprintf("%q", c))
		if s == nil || a.later {
			continue // it takes more than this value, or nothing of the attribute is built
		}
		told := slices.ContainsFunc(s.NotBuilt, func(n NotBuilt) bool {
			return strings.HasSuffix(n.What, fmt.Sprintf("%s %q", a.name, c))
		})
		if later := slices.Contains(d.later, c); told != later {
			t.Errorf("%s = %q: described as not built: %v; recorded as such: %v", path, c, later, told)
		}
	}
	for _, v := range bad {
		if _, diags := loadWith(t, path, v); complaint(diags, a.name) == "" {
			t.Errorf("%s = %s is taken, %v", path, v, diags)
		}
	}
	if d.def == "" {
		return
	}
	without, diags := loadWith(t, path, "")
	if diags.HasErrors() {
		t.Errorf("without %s: %v", path, diags)
		return
	}
	stated, diags := loadWith(t, path, d.def)
	if diags.HasErrors() {
		t.Errorf("%s = %s, its default: %v", path, d.def, diags)
		return
	}
	without.Digest, stated.Digest, without.Sources, stated.Sources = "", "", nil, nil
	without.NotBuilt, stated.NotBuilt = nil, nil // what is stated is recorded there, default or not
	if x, y := dump(t, without), dump(t, stated); !bytes.Equal(x, y) {
		t.Errorf("%s: stating the default %s changes the spec\n%s\n%s", path, d.def, x, y)
	}
}

func quoted(in []string) []string {
	var out []string
	for _, s := range in {
		out = append(out, fmt.Sprintf("%q", s))
	}
	return out
}

func TestFunctionsAreListed(t *testing.T) {
	all := Functions()
	for _, f := range all {
		if f.Text == "" {
			t.Errorf("%s is not described: say in function_texts.go what it gives", f.Name)
		}
	}
	i := slices.IndexFunc(all, func(f Function) bool { return f.Name == "cidrsubnet" })
	if i < 0 || !slices.Equal(all[i].Params, []string{"prefix", "newbits", "netnum"}) {
		t.Errorf("%v", all)
	}
}

var functionExample = regexp.MustCompile(`([a-z]+\([^)]*\)) is ("[^"]*"|\[[^\]]*\])`)

// Descriptions are of functions there are, and what they show is true.
func TestFunctionTextsAreTrue(t *testing.T) {
	d := newDecoder(newSource(nil, ""), Options{})
	shown := 0
	for name, text := range functionTexts {
		if d.base.Functions[name] == (function.Function{}) {
			t.Errorf("there is no function %s", name)
		}
		for _, m := range functionExample.FindAllStringSubmatch(text, -1) {
			shown++
			e, diags := hclsyntax.ParseExpression([]byte("jsonencode("+m[1]+") == jsonencode("+m[2]+")"), name, hcl.InitialPos)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			if v, diags := e.Value(d.base); diags.HasErrors() || v.False() {
				t.Errorf("%s: %s %v", m[0], v.GoString(), diags)
			}
		}
	}
	if shown < 4 {
		t.Errorf("%d examples", shown)
	}
}
