package spec

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
)

func (d *decoder) routes(root *section, s *Spec) {
	for _, sec := range root.all("route") {
		r := &Route{
			Name:        sec.name,
			Prefix:      sec.str("prefix", ""),
			Cache:       sec.str("cache", ""),
			Range:       sec.def,
			PrefixRange: sec.rng("prefix"),
			CacheRange:  sec.rng("cache"),
		}
		r.From, r.FromRanges = sec.texts("from")
		r.To, r.ToRanges = sec.texts("to")
		if strings.Trim(r.Prefix, userChars) != "" {
			d.errorf(r.PrefixRange, "Invalid prefix", "%q holds characters that no user part of a SIP URI has (RFC 3261 section 25.1). For example: prefix = \"+49\"", r.Prefix)
		}
		switch {
		case sec.has("to") && sec.has("cache"):
			d.errorf(r.CacheRange, "Route with two aims", "Route %q has both to and cache. Keep one: to names the dispatcher sets, cache looks the set up by the number called. For a fallback write a further route.", sec.name)
		case !sec.has("to") && !sec.has("cache") && !sec.typos["to"] && !sec.typos["cache"]:
			d.errorf(sec.def, "Route without an aim", "Route %q says nothing about where calls go. Write to = [\"DISPATCHER\"], or cache = \"CACHE\" for a table of prefixes.", sec.name)
		}
		s.Routes = append(s.Routes, r)
	}
	if len(root.blocks["route"]) > 0 || root.typos["route"] {
		return
	}
	switch len(s.Dispatchers) {
	case 0:
	case 1: // one place to go: nothing to decide
		s.Routes = []*Route{{Name: "implied", To: []string{s.Dispatchers[0].Name}}}
	default:
		d.errorf(s.Dispatchers[1].Range, "No route", "With more than one dispatcher the spec must say which calls go where. Add a route: route \"default\" { to = [%q] }", s.Dispatchers[0].Name)
	}
}

func (d *decoder) caches(root *section, s *Spec) {
	for _, sec := range root.all("cache") {
		c := &Cache{
			Name:      sec.name,
			Source:    sec.oneOf("source", "file", []string{"file"}, []string{"sqlite", "postgres"}),
			File:      sec.str("file", ""),
			Warmup:    sec.oneOf("warmup", "sync", []string{"sync", "background"}, nil),
			OnFail:    sec.oneOf("on_fail", "refuse", []string{"refuse"}, []string{"last-good", "baked"}),
			Within:    sec.duration("timeout", 100*time.Millisecond, time.Hour, 60*time.Second),
			Rows:      sec.integer("rows", 1, maxInt, 0),
			Range:     sec.def,
			FileRange: sec.rng("file"),

			WarmupRange: sec.rng("warmup"),
		}
		s.Caches = append(s.Caches, c)
		switch {
		case c.File == "":
		case path.IsAbs(c.File):
			if !sec.has("rows") {
				d.errorf(sec.def, "Missing rows", "%s lies on the appliance, so its rows cannot be counted here. Write how many to make room for, for example rows = 100000, or name a file beside the spec to bake it in.", c.File)
			}
			if path.Clean(c.File) != c.File || strings.HasSuffix(c.File, "/") {
				d.errorf(c.FileRange, "Invalid file", "%q is not the plain path of a file. Write it without \"..\", doubled or closing slashes.", c.File)
			}
		default:
			d.bakeCache(sec, s, c)
		}
	}
}

// bakeCache reads a table that goes into the image, and checks every row: what
// is wrong in it would otherwise show at boot, when nobody looks.
func (d *decoder) bakeCache(sec *section, s *Spec, c *Cache) {
	name, ok := localName(c.File)
	if !ok {
		d.errorf(c.FileRange, "File outside the spec", "%q does not lie in the spec directory, so a review of the spec would not show it. Move it beside the *.hcl files.", c.File)
		return
	}
	data, err := d.readFile(name, maxBakedSize)
	if err != nil {
		d.errorf(c.FileRange, "Cache file not readable", "%s cannot be read: %s. The path counts from the spec directory; a file that will be on the appliance has an absolute path.", d.src.display(name), reason(err))
		return
	}
	c.Baked, c.Data = true, data
	if sec.has("rows") {
		d.errorf(sec.rng("rows"), "Rows of a baked cache", "The rows of a file beside the spec are counted. Remove rows.")
	}
	display := d.src.display(name)
	if d.src.files[display] == nil {
		d.src.files[display] = &hcl.File{Bytes: data} // for snippets
	}
	t := table{d: d, display: display, src: data, cache: c.Name, hurt: len(s.Dispatchers) == 0}
	for _, set := range s.Dispatchers {
		t.sets = append(t.sets, set.Name)
	}
	key := tableKey(name, t.sets)
	if rows := d.src.tables[key]; rows > 0 { // right for another appliance: right for this one
		c.Rows = rows
		return
	}
	c.Rows = t.check()
	if t.wrong == 0 && !t.hurt && len(d.hurt) == 0 {
		d.src.tables[key] = c.Rows
	}
	if c.Rows == 0 && t.wrong == 0 {
		d.errorf(c.FileRange, "Empty cache", "%s holds no row, so it matches nothing. Add rows of prefix and dispatcher set, such as \"+49,core\", or remove the cache.", display)
	}
}

// table checks the rows of one CSV file: a prefix and a dispatcher set each,
// lines beginning with # are comments.
type table struct {
	d       *decoder
	display string
	src     []byte
	cache   string
	sets    []string
	hurt    bool // sets cannot be judged
	wrong   int
}

// A file made by a broken export has the same mistake in every row.
const maxWrongRows = 10

func (t *table) check() (rows int) {
	r := csv.NewReader(bytes.NewReader(t.src))
	r.Comment = '#'
	r.FieldsPerRecord = -1
	r.TrimLeadingSpace = true
	r.ReuseRecord = true
	known := map[string]bool{}
	for _, s := range t.sets {
		known[s] = true
	}
	first := map[string]int{}
	for t.wrong <= maxWrongRows {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		var pe *csv.ParseError
		if errors.As(err, &pe) {
			// Where a quote is not closed, the rows after it cannot be told apart.
			t.row(pe.StartLine, "Invalid row", fmt.Sprintf("This is not CSV: %s. Write a prefix, a comma and a dispatcher set, without quotes.", pe.Err))
			break
		} else if err != nil {
			t.row(1, "Invalid file", err.Error())
			break
		}
		line, _ := r.FieldPos(0)
		rows++
		if len(rec) != 2 {
			t.row(line, "Invalid row", fmt.Sprintf("A row has 2 fields, this one has %d. Write a prefix, a comma and a dispatcher set.", len(rec)))
			continue
		}
		prefix, set := strings.TrimSpace(rec[0]), strings.TrimSpace(rec[1])
		switch prev, dup := first[prefix]; {
		case prefix == "":
			t.row(line, "Empty prefix", fmt.Sprintf("A row without a prefix would match every call. Write a route after the one that uses cache %q instead.", t.cache))
		case rows == 1 && !known[set] && prefix == "prefix":
			t.row(line, "Header in a cache file", "The file has rows alone. Remove the header, or put # before it.")
		case strings.Trim(prefix, userChars) != "":
			t.row(line, "Invalid prefix", fmt.Sprintf("%q holds characters that no user part of a SIP URI has (RFC 3261 section 25.1).", prefix))
		case dup:
			t.row(line, "Prefix given twice", fmt.Sprintf("The prefix %q stands in line %d already. Remove one of the two.", prefix, prev))
		case !known[set] && !t.hurt && !t.d.isBroken("dispatcher", set):
			t.row(line, "Unknown dispatcher", fmt.Sprintf("There is no dispatcher %q. %s", set, didYouMean(set, t.sets, "dispatcher")))
		default:
			first[prefix] = line
		}
	}
	return rows
}

// row reports a mistake in a line of the table; beyond a few it stops.
func (t *table) row(line int, summary, detail string) {
	t.wrong++
	rng := lineRange(t.src, t.display, line)
	if t.wrong > maxWrongRows {
		t.d.errorf(rng, "More wrong rows", "The first %d wrong rows of this file are shown. Correct them, then look again.", maxWrongRows)
		return
	}
	t.d.report(hcl.DiagError, rng, summary, detail)
}

// lineRange is the place of a line, counted from 1.
func lineRange(src []byte, display string, line int) hcl.Range {
	start := 0
	for i := 1; i < line; i++ {
		n := bytes.IndexByte(src[start:], '\n')
		if n < 0 {
			break
		}
		start += n + 1
	}
	text := src[start:]
	if n := bytes.IndexByte(text, '\n'); n >= 0 {
		text = text[:n]
	}
	text = bytes.TrimSuffix(text, []byte("\r"))
	return hcl.Range{
		Filename: display,
		Start:    hcl.Pos{Line: line, Column: 1, Byte: start},
		End:      hcl.Pos{Line: line, Column: 1 + len([]rune(string(text))), Byte: start + len(text)},
	}
}
