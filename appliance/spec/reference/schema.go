package reference

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"trunkline/appliance/spec"
)

// node is a JSON object; encoding/json sorts its members.
type node = map[string]any

// A value may be computed wherever it may be written.
const computed = `[$%]\{`

const (
	durationPattern = `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`
	sizePattern     = `^[0-9]+(\.[0-9]+)? ?(B|KiB|MiB|GiB|TiB)$`
	ratePattern     = `^[0-9]+(\.[0-9]+)? ?(bps|kbps|Mbps|Gbps|Tbps)$`
	dscpPattern     = `^([cC][sS][0-7]|[aA][fF][1-4][1-3]|[eE][fF])$`
	namePattern     = `^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`
)

// JSONSchema renders the JSON Schema of the JSON form of the language.
func JSONSchema() ([]byte, error) {
	root := spec.Language()
	n, err := blockSchema(root)
	if err != nil {
		return nil, err
	}
	n["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	n["title"] = fmt.Sprintf("Trunkline spec, format version %d", spec.FormatVersion)
	n["$comment"] = "The JSON form of HCL, for editors and for programs that write specs. Trunkline itself reads the native syntax, *.hcl."
	b, err := json.MarshalIndent(n, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(b, '\n'), nil
}

// blockSchema is the content of a block.
func blockSchema(b spec.Block) (node, error) {
	properties := node{"//": node{"description": "A comment."}}
	required := []string{}
	for _, a := range b.Attrs {
		n, err := attrSchema(a)
		if err != nil {
			return nil, fmt.Errorf("attribute %s of %s: %w", a.Name, b.Type, err)
		}
		properties[a.Name] = n
		if a.Required {
			required = append(required, a.Name)
		}
	}
	for _, inner := range b.Blocks {
		content, err := blockSchema(inner)
		if err != nil {
			return nil, err
		}
		content["description"] = inner.Text
		properties[inner.Type] = repeated(inner, content)
		if attr(b, inner.Type) != nil { // both forms: an object either way, or computed
			properties[inner.Type] = orComputed(content)
		}
		if inner.Required && !inner.Many { // several may come from a dynamic block instead
			required = append(required, inner.Type)
		}
	}
	if dynamic := spec.Dynamic(); len(b.Blocks) > 0 {
		properties[dynamic.Type] = node{"type": []string{"object", "array"}, "description": dynamic.Text}
	}
	n := node{"type": "object", "properties": properties, "additionalProperties": b.Open}
	if len(required) > 0 {
		n["required"] = required
	}
	return n, nil
}

// repeated wraps a block's content as the JSON form has it: by name where it has
// one, and in a list where the order of several counts.
func repeated(b spec.Block, content node) node {
	switch {
	case !b.Labelled && b.Many:
		return node{"anyOf": []any{content, node{"type": "array", "items": content}}}
	case !b.Labelled:
		return content
	}
	named := node{"type": "object", "propertyNames": node{"pattern": namePattern}, "additionalProperties": content, "minProperties": 1}
	if !b.Many {
		named["maxProperties"] = 1
		return named
	}
	return node{"description": b.Text, "anyOf": []any{named, node{"type": "array", "items": named, "minItems": 1}}}
}

func attrSchema(a spec.Attr) (node, error) {
	n, err := kindSchema(a)
	if err != nil {
		return nil, err
	}
	n["description"] = strings.TrimSpace(a.Text + " " + sentence(a.Rule))
	if a.Default != "" {
		if n["default"], err = value(a.Default); err != nil {
			return nil, err
		}
	}
	example, err := value(a.Example)
	if err != nil {
		return nil, err
	}
	n["examples"] = []any{example}
	return n, nil
}

func sentence(rule string) string {
	if rule == "" {
		return ""
	}
	return strings.ToUpper(rule[:1]) + rule[1:] + "."
}

// value is an expression of HCL as JSON: computed ones are text, and so are
// keywords, such as types.
func value(literal string) (json.RawMessage, error) {
	e, diags := hclsyntax.ParseExpression([]byte(literal), "value", hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	if hcl.ExprAsKeyword(e) != "" {
		return json.Marshal(literal)
	}
	v, diags := e.Value(nil)
	if diags.HasErrors() {
		return json.Marshal("${" + literal + "}")
	}
	b, err := ctyjson.SimpleJSONValue{Value: v}.MarshalJSON()
	return b, err
}

func kindSchema(a spec.Attr) (node, error) {
	text := node{"type": "string", "minLength": 1}
	switch a.Kind {
	case spec.KindText:
		if len(a.Choices) > 0 {
			return orComputed(node{"enum": a.Choices}), nil
		}
		return text, nil
	case spec.KindWhole:
		n, err := whole(a)
		return orComputed(n), err
	case spec.KindWholeAuto:
		n, err := whole(a)
		return orComputed(n, node{"const": "auto"}), err
	case spec.KindService:
		n, err := whole(a)
		return orComputed(n, node{"type": "string", "pattern": dscpPattern}), err
	case spec.KindRatio:
		return orComputed(node{"type": "number", "exclusiveMinimum": 0, "maximum": 1}), nil
	case spec.KindBoolean:
		return orComputed(node{"type": "boolean"}), nil
	case spec.KindDuration:
		return orComputed(node{"type": "string", "pattern": durationPattern}), nil
	case spec.KindSize:
		return orComputed(node{"type": "string", "pattern": sizePattern}), nil
	case spec.KindSizeAuto:
		return orComputed(node{"type": "string", "pattern": sizePattern}, node{"const": "auto"}), nil
	case spec.KindRate:
		return orComputed(node{"type": "string", "pattern": ratePattern}), nil
	case spec.KindTexts:
		return orComputed(node{"type": "array", "items": text}), nil
	case spec.KindCodes:
		return orComputed(node{"type": "array", "items": node{"anyOf": []any{
			node{"type": "string", "pattern": `^([1-6][xX][xX]|[1-6][0-9][0-9]|timeout)$`},
			node{"type": "integer", "minimum": 100, "maximum": 699},
		}}}), nil
	case spec.KindObject:
		return orComputed(node{"type": "object"}), nil
	case spec.KindAny, spec.KindExpression:
		return node{}, nil
	}
	return nil, fmt.Errorf("kind %q has no JSON form", a.Kind)
}

func whole(a spec.Attr) (node, error) {
	n := node{"type": "integer"}
	for member, bound := range map[string]string{"minimum": a.Low, "maximum": a.High} {
		if bound == "" {
			continue
		}
		v, err := strconv.Atoi(bound)
		if err != nil {
			return nil, err
		}
		n[member] = v
	}
	return n, nil
}

func orComputed(forms ...node) node {
	var any []any
	for _, f := range forms {
		any = append(any, f)
	}
	return node{"anyOf": append(any, node{"type": "string", "pattern": computed})}
}
