package markdown

import (
	"fmt"
	"io"
	"strings"
)

// DefaultLimit is the size of a rendered plan, bytes: below the 65,536 that
// GitHub takes for a comment, with room for a heading of the caller's.
const DefaultLimit = 60_000

// MinLimit is the smallest limit, bytes: it leaves room for verdict, counts and what
// was left out.
const MinLimit = 2_000

// Options choose how a plan or a diff is rendered.
type Options struct {
	Limit int // bytes; 0: DefaultLimit; never below 2,000
}

// doc is a text under a limit.
type doc struct {
	limit int
	kind  string // "plan" or "diff": also the command that shows all of it
	b     strings.Builder
	cut   []string // titles of what did not fit
}

func newDoc(o Options, kind string) *doc {
	if o.Limit == 0 {
		o.Limit = DefaultLimit
	}
	return &doc{limit: max(o.Limit, MinLimit), kind: kind}
}

// tail is kept free for the end of the text: what was cut, and the digest.
const tail = 700

// room is how many bytes are left for text.
func (d *doc) room() int { return d.limit - tail - d.b.Len() }

func (d *doc) fits(s string) bool { return len(s) <= d.room() }

// head is always there: a long verdict is shortened, not left out. The comment
// lets a bot find and replace its own text.
func (d *doc) head(id, title, verdict string) {
	fmt.Fprintf(&d.b, "<!-- trunkline:%s %s -->\n", d.kind, strings.ReplaceAll(escape(id), "--", "- -"))
	fmt.Fprintf(&d.b, "## %s\n\n", shorten(title, 300))
	if verdict != "" {
		fmt.Fprintf(&d.b, "**%s**\n\n", shorten(escape(verdict), 600))
	}
}

// list writes the items that fit, in order, and counts the others as what. It
// leaves a share of the room, 0 to 1, to what comes after it; the first item is
// always there. A title, if any, goes above.
func (d *doc) list(title, what string, items []string, leave float64) {
	if len(items) == 0 {
		return
	}
	if title != "" {
		d.b.WriteString("### " + title + "\n\n")
	}
	floor := int(float64(d.room()) * leave)
	left := 0
	for n, s := range items {
		if n > 0 && len(s) > d.room()-floor {
			left++
			continue
		}
		d.b.WriteString(s)
	}
	if left > 0 {
		d.cut = append(d.cut, plural(left, "more "+what))
	}
	d.b.WriteString("\n")
}

// folded is list within a folded part.
func (d *doc) folded(title, what string, items []string, leave float64) {
	const frame = len("<details><summary></summary>\n\n\n</details>\n\n")
	if len(items) == 0 {
		return
	}
	if len(items[0])+len(title)+frame > d.room() { // not even one
		d.cut = append(d.cut, title)
		return
	}
	d.b.WriteString("<details><summary>" + title + "</summary>\n\n")
	d.limit -= frame // for the end
	d.list("", what, items, leave)
	d.limit += frame
	d.b.WriteString("</details>\n\n")
}

// section writes a part, or names it among what was left out.
func (d *doc) section(title, body string) {
	if body == "" {
		return
	}
	d.part(title, "### "+title+"\n\n"+body+"\n")
}

// fold writes a part that is folded away. The title is markup.
func (d *doc) fold(title, body string) {
	if body == "" {
		return
	}
	d.part(title, "<details><summary>"+title+"</summary>\n\n"+body+"\n</details>\n\n")
}

func (d *doc) part(title, s string) {
	if d.fits(s) {
		d.b.WriteString(s)
	} else {
		d.cut = append(d.cut, title)
	}
}

func (d *doc) write(w io.Writer, end string) error {
	if len(d.cut) > 0 {
		fmt.Fprintf(&d.b, "Left out for length: %s. `trunkline %s -full` shows all of it.\n\n", shorten(strings.Join(d.cut, ", "), 400), d.kind)
	}
	if end != "" {
		d.b.WriteString(end + "\n")
	}
	_, err := io.WriteString(w, strings.TrimRight(d.b.String(), "\n")+"\n")
	return err
}
