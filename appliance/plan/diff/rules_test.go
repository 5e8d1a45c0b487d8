package diff

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"trunkline/appliance/runtime"
)

var update = flag.Bool("update", false, "rewrite golden files")

// Every field of appliance.json has a row, its own or that of what it is in: a
// new field asks for a decision.
func TestEveryFieldHasARule(t *testing.T) {
	var walk func(path string, typ reflect.Type)
	walk = func(path string, typ reflect.Type) {
		switch {
		case typ.Kind() == reflect.Pointer:
			walk(path, typ.Elem())
			return
		case typ.Kind() == reflect.Slice && isNamed(typ.Elem()):
			walk(path+"[]", typ.Elem())
			return
		case typ.Kind() == reflect.Struct && !typ.Implements(marshaler):
			for i := range typ.NumField() {
				name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
				p := name
				if path != "" {
					p = path + "." + name
				}
				if !skipped[p] {
					walk(p, typ.Field(i).Type)
				}
			}
			if !strings.HasSuffix(path, "[]") {
				return
			}
		}
		if r, ok := ruleOf(path, false); !ok {
			t.Errorf("%s has no row in Rules: decide what a change of it takes", path)
		} else if r.Impact == "" || r.Group == "" || r.How == "" || r.Host == "" {
			t.Errorf("row %s is not complete: %+v", r.Path, r)
		}
	}
	walk("", reflect.TypeFor[runtime.Appliance]())
	if r, ok := ruleOf("weather.wind", true); ok || r.Impact != Reboot {
		t.Errorf("a field nobody decided on has impact %q, want the safe side", r.Impact)
	}
}

func TestRulesAreOfFieldsThatExist(t *testing.T) {
	for _, r := range slices.Concat(Rules, hereRules) {
		if strings.HasPrefix(r.Path, "budget") || strings.HasPrefix(r.Path, "sysctls") {
			continue
		}
		typ := reflect.TypeFor[runtime.Appliance]()
		for part := range strings.SplitSeq(r.Path, ".") {
			name := strings.TrimSuffix(part, "[]")
			for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
				typ = typ.Elem()
			}
			found := false
			for i := range typ.NumField() {
				if tag, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ","); tag == name {
					typ, found = typ.Field(i).Type, true
					break
				}
			}
			if !found {
				t.Errorf("row %s: appliance.json has no such field", r.Path)
				break
			}
		}
	}
}

// README.md is the table for readers.
func TestReadme(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# What a change takes

Written by ` + "`go test ./appliance/plan/diff -update`" + ` from the tables in ` + "`rules.go`" + `, which decide the impact
of every change that ` + "`trunkline diff`" + ` shows.

- **live**: a reload would do; sockets and calls stay.
- **restart**: sbcd starts anew; calls being set up are lost, answered ones go on.
- **reboot**: the machine starts anew.

The impact is the least a change needs by what it touches. Today's appliance needs more: its configuration is part of
the image and read at start alone, so every change is a new image and a reboot. The column *host* says what it takes
today where sbcd runs on a host from a baked tree (` + "`trunkline bake`" + `): sbcd has no reload yet and is restarted, the packet
filter is replaced in the running kernel by ` + "`sbcd firewall`" + `.

A field without a row has that of what it is in; what is in no row at all counts as reboot.

## Fields of appliance.json, and figures beside it

| field | impact | host | what taking it up means |
|---|---|---|---|
`)
	row := func(r Rule) {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.Path, impact(r), r.Host, r.How)
	}
	for _, r := range Rules {
		row(r)
	}
	b.WriteString("\n## Media relays on the appliance itself\n\n| field | impact | host | what taking it up means |\n|---|---|---|---|\n")
	for _, r := range hereRules {
		row(r)
	}
	b.WriteString("\n## Files of the config layer\n\n| file | impact | what taking it up means |\n|---|---|---|\n")
	for _, r := range fileRules {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.Path, impact(r), r.How)
	}
	golden(t, "README.md", b.String())
}

func impact(r Rule) string {
	if r.OnAdd == "" {
		return string(r.Impact)
	}
	return string(r.Impact) + ", " + string(r.OnAdd) + " when only added"
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s is not what the code gives; look at the difference, then run with -update:\n%s", name, got)
	}
}
