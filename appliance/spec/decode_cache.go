package spec

import (
	"path"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Sources of a cache. The databases go by the names of their engines.
const (
	SourceFile     = "file"
	SourceSQLite   = EngineSQLite
	SourcePostgres = EnginePostgres
)

// What becomes of a start on which a cache cannot be loaded.
const (
	OnFailRefuse   = "refuse"    // no start; the default
	OnFailLastGood = "last-good" // what was loaded last, kept on the state partition
	OnFailBaked    = "baked"     // the file beside the spec
)

func (d *decoder) caches(root *section, s *Spec) {
	for _, sec := range root.all("cache") {
		source, sure := sec.choice("source", SourceFile, []string{SourceFile, SourceSQLite, SourcePostgres}, nil)
		c := &Cache{
			Name:   sec.name,
			Source: source,
			File:   sec.str("file", ""),
			Warmup: sec.oneOf("warmup", "sync", []string{"sync", "background"}, nil),
			OnFail: sec.oneOf("on_fail", OnFailRefuse, []string{OnFailRefuse, OnFailLastGood, OnFailBaked}, nil),
			Within: sec.duration("timeout", 100*time.Millisecond, time.Hour, 60*time.Second),
			Rows:   sec.integer("rows", 1, maxInt, 0),
			Range:  sec.def,

			FileRange: sec.rng("file"), WarmupRange: sec.rng("warmup"), DatabaseRange: sec.rng("database"),
			QueryRange: sec.rng("query"), OnFailRange: sec.rng("on_fail"), RefreshRange: sec.rng("refresh"),
		}
		s.Caches = append(s.Caches, c)
		c.Database, c.Query = sec.str("database", ""), sec.str("query", "")
		c.Refresh = sec.duration("refresh", time.Second, 24*time.Hour, 0)
		switch {
		case !sure || !sec.stated("source"):
		case source == SourceFile:
			d.fileCache(sec, s, c)
		default:
			d.databaseCache(sec, s, c)
		}
	}
}

// fileCache reads a table that is beside the spec or on the appliance.
func (d *decoder) fileCache(sec *section, s *Spec, c *Cache) {
	for _, name := range []string{"database", "query", "refresh"} {
		if sec.stated(name) {
			d.errorf(sec.rng(name), "Cache of a file", "Cache %q comes from a file, which has no %s. Remove it, or write the source it is for: source = \"postgres\" or source = \"sqlite\".", c.Name, name)
		}
	}
	switch {
	case !sec.stated("file") && !sec.typos["file"]:
		d.errorf(sec.def, "Missing file", "Cache %q needs file: a CSV file beside the spec, or an absolute path on the appliance. For example: file = \"carriers.csv\"", c.Name)
	case c.File == "":
	case !path.IsAbs(c.File):
		if c.OnFail != OnFailRefuse {
			d.errorf(c.OnFailRange, "Fallback of a baked cache", "A file beside the spec is in the image and is always there, so on_fail = %q would never be used. Remove on_fail.", c.OnFail)
		}
		d.bakeCache(sec, s, c)
	default:
		if !sec.stated("rows") && !sec.typos["rows"] {
			d.errorf(sec.def, "Missing rows", "%s lies on the appliance, so its rows cannot be counted here. Write how many to make room for, for example rows = 100000, or name a file beside the spec to bake it in.", c.File)
		}
		if path.Clean(c.File) != c.File || strings.HasSuffix(c.File, "/") {
			d.errorf(c.FileRange, "Invalid file", "%q is not the plain path of a file. Write it without \"..\", doubled or closing slashes.", c.File)
		}
		if c.OnFail == OnFailBaked {
			d.errorf(c.OnFailRange, "Nothing baked in", "Cache %q names a file on the appliance, so there is none beside the spec to fall back to. Write on_fail = \"last-good\", or name a file beside the spec.", c.Name)
		}
	}
}

// databaseCache reads a table that is the answer to a query. With on_fail =
// "baked" file names the rows to start from when the database is down.
func (d *decoder) databaseCache(sec *section, s *Spec, c *Cache) {
	if !sec.stated("database") && !sec.typos["database"] {
		d.errorf(sec.def, "Missing database", "Cache %q comes from a database. Name its block: database = \"NAME\".", c.Name)
	}
	if !sec.stated("query") && !sec.typos["query"] {
		d.errorf(sec.def, "Missing query", "Cache %q needs the query that gives its rows, a prefix and a dispatcher set each. For example: query = \"select prefix, carrier from routes\"", c.Name)
	}
	if !sec.stated("rows") && !sec.typos["rows"] {
		d.errorf(sec.def, "Missing rows", "The rows of a database cannot be counted here. Write how many to make room for, for example rows = 100000.")
	}
	if c.Query != "" {
		if why := checkQuery(c.Query); why != "" {
			d.errorf(c.QueryRange, "Invalid query", "%s For example: query = \"select prefix, carrier from routes\"", why)
		}
	}
	switch {
	case c.OnFail == OnFailBaked && !sec.stated("file") && !sec.typos["file"]:
		d.errorf(c.OnFailRange, "Nothing baked in", "With on_fail = \"baked\" cache %q starts from a file when the database is down. Name one beside the spec, for example file = \"carriers.csv\", or write on_fail = \"last-good\".", c.Name)
	case c.File == "":
	case c.OnFail != OnFailBaked:
		d.errorf(c.FileRange, "File beside a database", "The rows of cache %q come from its database, and the file would never be read. Remove it, or write on_fail = \"baked\" to start from it when the database is down.", c.Name)
	case path.IsAbs(c.File):
		d.errorf(c.FileRange, "File outside the spec", "What is baked in lies beside the spec; %q is a path on the appliance. Name a file beside the *.hcl files.", c.File)
	default:
		d.bakeCache(sec, s, c)
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
	if sec.stated("rows") && c.Source == SourceFile {
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
	rows := d.src.tables[key]
	if rows == 0 { // not found right for another appliance: right for one is right for all
		rows = t.check()
		if t.wrong == 0 && !t.hurt && len(d.hurt) == 0 {
			d.src.tables[key] = rows
		}
	}
	switch {
	case c.Source == SourceFile:
		c.Rows = rows
	case rows > c.Rows && c.Rows > 0: // of a database they are what there is room for
		d.errorf(sec.rng("rows"), "More rows than room", "%s has %d rows already, and rows makes room for %d. Write how many the table may come to.", display, rows, c.Rows)
	}
	if rows == 0 && t.wrong == 0 {
		d.errorf(c.FileRange, "Empty cache", "%s holds no row, so it matches nothing. Add rows of prefix and dispatcher set, such as \"+49,core\", or remove the cache.", display)
	}
}
