package reference

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"

	"trunkline/appliance/spec"
)

const head = `# The spec language

<!-- Written by ` + "`trunkline reference`" + `; do not edit. go generate ./appliance/spec/... renews it. -->

Format version %d. A spec is a directory of ` + "`*.hcl`" + ` files in [HCL](https://github.com/hashicorp/hcl) syntax, read as one;
how it is cut into files is a matter of taste, but routes are tried in the order of the files' names. ` + "`trunkline validate`" + `
checks a spec, ` + "`trunkline fmt`" + ` brings it into the one layout, ` + "`trunkline init`" + ` writes one to start from.

| kind of value | as written | units |
|---|---|---|
| text | ` + "`\"fra1\"`" + ` | |
| whole number | ` + "`5060`" + ` | |
| duration | ` + "`\"1m30s\"`" + ` | ms, s, m, h |
| size in bytes | ` + "`\"16GiB\"`" + ` | B, KiB, MiB, GiB, TiB: powers of 1024 |
| rate in bits per second | ` + "`\"10Gbps\"`" + ` | bps, kbps, Mbps, Gbps, Tbps: powers of 1000 |
| list | ` + "`[\"a\", \"b\"]`" + ` | |
| object | ` + "`{ mac = \"52:54:00:12:34:56\" }`" + ` | |

Names, of blocks that have one, are 1 to 63 letters, digits, hyphens, underscores and dots, beginning with a letter or digit.

`

// dynamicExample says more than attributes one by one would.
const dynamicExample = `dynamic "listener" {
  for_each = var.carriers
  iterator = carrier
  labels   = [carrier.key]
  content {
    address = carrier.value.address
    sources = carrier.value.sources
  }
}
`

// Markdown renders the reference.
func Markdown() []byte {
	root := spec.Language()
	var b bytes.Buffer
	fmt.Fprintf(&b, head, spec.FormatVersion)
	contents(&b, root)
	fmt.Fprintf(&b, "\n## Outside any block\n\n")
	table(&b, root)
	for _, block := range root.Blocks {
		section(&b, block, nil)
	}
	dynamic := spec.Dynamic()
	dynamic.Many, dynamic.Blocks = true, nil // content: as the example has it
	section(&b, dynamic, nil)
	drivers(&b)
	functions(&b)
	notBuilt(&b, root)
	return b.Bytes()
}

func contents(b *bytes.Buffer, root spec.Block) {
	var links []string
	for _, block := range root.Blocks {
		links = append(links, fmt.Sprintf("[%s](#%s)", block.Type, block.Type))
	}
	links = append(links, "[dynamic](#dynamic)")
	fmt.Fprintf(b, "Blocks: %s. [Drivers](#drivers). [Functions](#functions). [Not built yet](#not-built-yet).\n", strings.Join(links, ", "))
}

// section renders a block below the blocks it stands in.
func section(b *bytes.Buffer, block spec.Block, in []string) {
	level := strings.Repeat("#", len(in)+2)
	title := strings.Join(append(in[:len(in):len(in)], block.Type), " / ")
	fmt.Fprintf(b, "\n%s %s\n\n%s\n\n%s%s\n\n", level, title, block.Text, often(block, in), mark(block.Later))
	fmt.Fprintf(b, "```hcl\n%s```\n", example(block))
	if hasAttrs(block) {
		b.WriteByte('\n')
		table(b, block)
	}
	for _, inner := range block.Blocks {
		section(b, inner, append(in[:len(in):len(in)], block.Type))
	}
}

// often says how many of a block there are.
func often(block spec.Block, in []string) string {
	where := "in a spec"
	if block.Type == "dynamic" {
		where = "in a spec, or in a block, where blocks may stand"
	}
	if len(in) > 0 {
		where = fmt.Sprintf("in each `%s`", in[len(in)-1])
	}
	switch {
	case block.Required && block.Many:
		return "One or more " + where + "."
	case block.Required:
		return "Exactly one " + where + "."
	case block.Many:
		return "Any number " + where + "."
	default:
		return "At most one " + where + "."
	}
}

// example writes the block with every attribute of this version.
func example(block spec.Block) string {
	if block.Type == "dynamic" {
		return dynamicExample
	}
	var b strings.Builder
	b.WriteString(block.Type)
	if block.Labelled {
		b.WriteString(` "NAME"`)
	}
	b.WriteString(" {\n")
	for _, a := range block.Attrs {
		fmt.Fprintf(&b, "%s = %s\n", a.Name, a.Example)
	}
	if block.Open {
		b.WriteString("NAME = \"value\"\n")
	}
	for _, inner := range block.Blocks {
		if attr(block, inner.Type) == nil {
			label := ""
			if inner.Labelled {
				label = ` "NAME"`
			}
			fmt.Fprintf(&b, "%s%s { }\n", inner.Type, label)
		}
	}
	b.WriteString("}\n")
	return string(hclwrite.Format([]byte(b.String())))
}

func attr(b spec.Block, name string) *spec.Attr {
	for i := range b.Attrs {
		if b.Attrs[i].Name == name {
			return &b.Attrs[i]
		}
	}
	return nil
}

func hasAttrs(b spec.Block) bool {
	return len(b.Attrs) > 0
}

func table(b *bytes.Buffer, block spec.Block) {
	b.WriteString("| attribute | value | default | bounds | meaning |\n|---|---|---|---|---|\n")
	for _, a := range block.Attrs {
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s%s |\n", a.Name, a.Kind, byDefault(a), bounds(a), cell(a.Text), mark(a.Later))
	}
}

// mark says of a part that this version cannot run it.
func mark(later bool) string {
	if !later {
		return ""
	}
	return " *[Not built yet](#not-built-yet).*"
}

func byDefault(a spec.Attr) string {
	switch {
	case a.Required:
		return "**required**"
	case a.Default != "":
		return "`" + cell(a.Default) + "`"
	}
	return cell(a.Without)
}

func bounds(a spec.Attr) string {
	var out []string
	if len(a.Choices) > 0 {
		var q []string
		for _, c := range a.Choices {
			q = append(q, fmt.Sprintf("`%q`", c))
		}
		out = append(out, strings.Join(q, ", "))
	}
	low, high := strings.Trim(a.Low, `"`), strings.Trim(a.High, `"`)
	switch {
	case low != "" && low == high:
		out = append(out, low)
	case low != "" && high != "":
		out = append(out, low+" to "+high)
	case low != "":
		out = append(out, "at least "+low)
	case high != "":
		out = append(out, "at most "+high)
	}
	if a.Rule != "" {
		out = append(out, cell(a.Rule))
	}
	return strings.Join(out, "; ")
}

// cell keeps text within its cell of a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

func functions(b *bytes.Buffer) {
	b.WriteString("\n## Functions\n\nExpressions may call these. Files are named from the spec directory and lie below it.\n\n")
	for _, f := range spec.Functions() {
		fmt.Fprintf(b, "- `%s(%s)`: %s.\n", f.Name, strings.Join(f.Params, ", "), f.Text)
	}
}

// notBuilt lists what this version checks and cannot run.
func notBuilt(b *bytes.Buffer, root spec.Block) {
	var out []string
	var walk func(block spec.Block, in string)
	walk = func(block spec.Block, in string) {
		for _, a := range block.Attrs {
			if a.Later {
				out = append(out, fmt.Sprintf("`%s%s`", in, a.Name))
			}
			for _, c := range a.LaterChoices {
				out = append(out, fmt.Sprintf("`%s%s = %q`", in, a.Name, c))
			}
		}
		for _, inner := range block.Blocks {
			if inner.Later {
				out = append(out, fmt.Sprintf("`%s%s { }`", in, inner.Type))
				continue
			}
			walk(inner, in+inner.Type+" / ")
		}
	}
	walk(root, "")
	if len(out) > 0 {
		fmt.Fprintf(b, "\n## Not built yet\n\nThe run-time part of these is not built in this version. A spec that uses them is checked, sized, planned and\ncompared like any other; `trunkline build` and `trunkline bake` refuse it and name each:\n%s.\n", strings.Join(out, ", "))
	}
}
