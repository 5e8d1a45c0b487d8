package inspection

import (
	"fmt"
	"io"

	"trunkline/image/inspect/diff"
	"trunkline/tools/report/canvas"
)

// fewFiles is how many changed files of the root image are listed unless all are
// wanted: a new kernel brings hundreds.
const fewFiles = 20

// Changes writes what differs between two images.
func Changes(w io.Writer, d *diff.Diff, o Options) error {
	v := &changes{view{Canvas: canvas.Canvas{Width: o.Width, Color: o.Color}, o: o}}
	v.rows([]string{"before\t" + name(d.Before), "after\t" + name(d.After)})
	if !d.Changed {
		v.Wrap("The two hold the same.", "", "", "")
	}
	v.list("System", d.Facts)
	v.list("Kernel parameters", d.Cmdline)
	v.list("Debian packages", d.Packages)
	v.list("Go modules", d.Modules)
	v.list("Enabled units", d.Units)
	v.files("Config layer", d.Config, len(d.Config))
	limit := fewFiles
	if o.Full {
		limit = len(d.Root)
	}
	v.files("Root image", d.Root, limit)
	v.files("Initrd", d.Initrd, len(d.Initrd))
	v.files("EFI system partition", d.ESP, len(d.ESP))
	if len(d.Sections) > 0 {
		v.Title("Other sections")
		for _, s := range d.Sections {
			v.WriteString("  " + s + "\n")
		}
	}
	_, err := io.WriteString(w, v.String())
	return err
}

type changes struct{ view }

func name(s diff.Side) string {
	if s.Digest == "" {
		return s.Path + "\tsha256 of the file " + s.SHA256
	}
	return s.Path + "\t" + s.Digest
}

func (v *changes) list(title string, list []diff.Change) {
	if len(list) == 0 {
		return
	}
	v.Title(fmt.Sprintf("%s, %d", title, len(list)))
	lines := make([]string, len(list))
	for i, c := range list {
		switch {
		case c.Before == "":
			lines[i] = "+ " + c.Name + "\t" + c.After
		case c.After == "":
			lines[i] = "- " + c.Name + "\t" + c.Before
		default:
			lines[i] = "~ " + c.Name + "\t" + c.Before + " -> " + c.After
		}
	}
	v.rows(lines)
}

func (v *changes) files(title string, list []diff.FileChange, limit int) {
	if len(list) == 0 {
		return
	}
	v.Title(fmt.Sprintf("%s, %s", title, canvas.Plural(len(list), "file")))
	var lines []string
	for _, c := range list[:min(limit, len(list))] {
		switch {
		case c.Before == nil:
			lines = append(lines, "+ /"+c.Path+"\t"+bytesOf(c.After.Size))
		case c.After == nil:
			lines = append(lines, "- /"+c.Path+"\t"+bytesOf(c.Before.Size))
		case c.Before.Link != c.After.Link:
			lines = append(lines, "~ /"+c.Path+"\t"+c.Before.Link+" -> "+c.After.Link)
		case c.Before.SHA256 == c.After.SHA256:
			lines = append(lines, "~ /"+c.Path+"\tmode "+c.Before.Mode+" -> "+c.After.Mode)
		default:
			lines = append(lines, fmt.Sprintf("~ /%s\t%s -> %s", c.Path, bytesOf(c.Before.Size), bytesOf(c.After.Size)))
		}
	}
	v.rows(lines)
	if more := len(list) - limit; more > 0 {
		v.Wrap(fmt.Sprintf("and %d more: --full lists them.", more), "  ", "  ", canvas.Dim)
	}
}
