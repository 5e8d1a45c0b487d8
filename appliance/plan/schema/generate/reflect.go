package main

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"

	"trunkline/appliance/plan"
	"trunkline/appliance/plan/schema"
	"trunkline/appliance/runtime"
)

const (
	// What time.Duration.String writes.
	durationPattern = `^-?([0-9]+(\.[0-9]+)?(h|m|s|ms|µs|ns))+$`
	prefixPattern   = `^[0-9a-fA-F.:]+/[0-9]{1,3}$`
	addrPattern     = `^[0-9a-fA-F]*[.:][0-9a-fA-F.:]+(%[^ ]+)?$`
	addrPortPattern = `^([0-9.]+|\[[0-9a-fA-F.:]+(%[^ ]+)?\]):[0-9]{1,5}$`
)

// described are the directories, below the root of the module, with the types that
// make up a plan.
var described = []string{"appliance", "policies/checks"}

// reflectSchema makes the schema; module is the root of the module.
func reflectSchema(module string) (*jsonschema.Schema, error) {
	names := &namer{byType: map[reflect.Type]string{}, byName: map[string]reflect.Type{}}
	r := &jsonschema.Reflector{Anonymous: true, Mapper: scalar, Namer: names.name}
	for _, dir := range described {
		if err := addComments(r, module, dir); err != nil {
			return nil, err
		}
	}
	defs := jsonschema.Definitions{}
	for _, document := range []any{plan.Plan{}, schema.Fleet{}} {
		for name, def := range r.Reflect(document).Definitions {
			defs[name] = def
		}
	}
	for name, def := range defs {
		if err := nullable(def, names.byName[name]); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := constrain(defs, module); err != nil {
		return nil, err
	}
	return &jsonschema.Schema{
		Version:     jsonschema.Version,
		ID:          jsonschema.ID(schema.ID()),
		Title:       fmt.Sprintf("Trunkline plan, format version %d", plan.FormatVersion),
		Description: "One plan, as `trunkline plan -json` prints it and a build keeps it in plan.json, or the plans of a fleet.",
		OneOf:       []*jsonschema.Schema{{Ref: "#/$defs/" + names.byType[reflect.TypeFor[plan.Plan]()]}, {Ref: "#/$defs/" + names.byType[reflect.TypeFor[schema.Fleet]()]}},
		Definitions: defs,
	}, nil
}

// addComments reads the comments of the packages at and below dir.
func addComments(r *jsonschema.Reflector, module, dir string) error {
	here, err := filepath.Abs(".")
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(module, here)
	if err != nil {
		return err
	}
	up, err := filepath.Rel(here, module)
	if err != nil {
		return err
	}
	// The library joins the two: what comes out is the import path.
	base := modulePath + "/" + filepath.ToSlash(rel)
	if err := r.AddGoComments(base, filepath.ToSlash(filepath.Join(up, dir)), jsonschema.WithFullComment()); err != nil {
		return fmt.Errorf("comments of %s: %w", dir, err)
	}
	for name, text := range r.CommentMap {
		r.CommentMap[name] = flow(text)
	}
	return nil
}

// flow undoes the line breaks of a comment, but not its paragraphs.
func flow(text string) string {
	paragraphs := strings.Split(text, "\n\n")
	for i, p := range paragraphs {
		paragraphs[i] = strings.Join(strings.Fields(p), " ")
	}
	return strings.Join(paragraphs, "\n\n")
}

// namer gives definitions the names of their types. Two types of one name are told
// apart by their package: the one that comes later is called RuntimeListener.
type namer struct {
	byType map[reflect.Type]string
	byName map[string]reflect.Type
}

func (n *namer) name(t reflect.Type) string {
	if t.Name() == "" {
		return ""
	}
	if name, ok := n.byType[t]; ok {
		return name
	}
	name := t.Name()
	if _, taken := n.byName[name]; taken {
		pkg := t.PkgPath()[strings.LastIndexByte(t.PkgPath(), '/')+1:]
		name = strings.ToUpper(pkg[:1]) + pkg[1:] + name
	}
	n.byType[t], n.byName[name] = name, t
	return name
}

// scalar is the schema of a type that is one value in JSON; nil: of any other.
func scalar(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[runtime.Duration]():
		return &jsonschema.Schema{Type: "string", Pattern: durationPattern}
	case reflect.TypeFor[netip.Prefix]():
		return &jsonschema.Schema{Type: "string", Pattern: prefixPattern}
	case reflect.TypeFor[netip.Addr]():
		return &jsonschema.Schema{Type: "string", Pattern: addrPattern}
	case reflect.TypeFor[netip.AddrPort]():
		return &jsonschema.Schema{Type: "string", Pattern: addrPortPattern}
	}
	if t.Implements(reflect.TypeFor[json.Marshaler]()) {
		panic(fmt.Sprintf("%s writes JSON of its own: say in scalar what form it has", t))
	}
	if t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		return &jsonschema.Schema{Type: "string"}
	}
	switch t.Kind() {
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return &jsonschema.Schema{Type: "integer", Minimum: "0"}
	}
	return nil
}

// nullable lets pointers be null that are written even when they are nil.
func nullable(def *jsonschema.Schema, t reflect.Type) error {
	if t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Type.Kind() != reflect.Pointer || name == "" || name == "-" || strings.Contains(options, "omit") {
			continue
		}
		p, ok := def.Properties.Get(name)
		if !ok {
			return fmt.Errorf("no property %s", name)
		}
		text := p.Description
		p.Description = ""
		def.Properties.Set(name, &jsonschema.Schema{Description: text, OneOf: []*jsonschema.Schema{p, {Type: "null"}}})
	}
	return nil
}

// undescribed lists the types and fields of s without a description, sorted by type,
// then in their order.
func undescribed(s *jsonschema.Schema) []string {
	var out []string
	for _, name := range sortedKeys(s.Definitions) {
		def := s.Definitions[name]
		if def.Description == "" {
			out = append(out, name)
		}
		for p := def.Properties.Oldest(); p != nil; p = p.Next() {
			if p.Value.Description == "" {
				out = append(out, name+"."+p.Key)
			}
		}
	}
	return out
}

// render writes s, indented, ending in a newline.
func render(s *jsonschema.Schema) ([]byte, error) {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, err
	}
	// This is not for a browser, and the library leaves no choice.
	text := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(b)) + "\n"
	if !json.Valid([]byte(text)) {
		return nil, errors.New("a comment holds a backslash that JSON reads otherwise: write the comment without")
	}
	return []byte(text), nil
}
