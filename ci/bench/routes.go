package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/procfs"
	_ "modernc.org/sqlite" // writes the file that both read

	"trunkline/appliance/runtime"
)

// prefixes is how many rows the table has that both proxies load.
const prefixes = 1_000_000

// tableOf is what a proxy has made of the table.
type tableOf struct {
	Load     float64 `json:"load_seconds"`     // from the start of the program until it answers
	CPU      float64 `json:"cpu_seconds"`      // until then, of its processes: what a busy machine does not spoil
	Table    int64   `json:"table_bytes"`      // by its own account
	Resident int64   `json:"resident_bytes"`   // of its processes, each shared page once
	Empty    int64   `json:"resident_without"` // the same with a table of one row
}

// routes loads one SQLite file with a million prefixes into both proxies: mtree of Kamailio, which
// reads it with db_sqlite, and a cache of sbcd.
func (b *bench) routes(ctx context.Context) (map[string]tableOf, error) {
	full, one := filepath.Join(b.work, "full.db"), filepath.Join(b.work, "one.db")
	for path, rows := range map[string]int{full: prefixes, one: 1} {
		if err := writeRoutes(ctx, path, rows); err != nil {
			return nil, err
		}
	}
	out := map[string]tableOf{}
	for _, kind := range kinds {
		empty, err := b.loaded(ctx, kind, one)
		if err != nil {
			return nil, err
		}
		t, err := b.loaded(ctx, kind, full)
		if err != nil {
			return nil, err
		}
		t.Empty = empty.Resident
		out[kind] = t
	}
	return out, nil
}

// writeRoutes writes prefixes of five to ten digits; the types of the columns are those mtree wants.
func writeRoutes(ctx context.Context, path string, rows int) error {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	defer db.Close()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, s := range []string{
		"create table version (table_name varchar(32) primary key, table_version integer)",
		"insert into version values ('mtree', 1), ('mtrees', 2), ('routes', 1)",
		"create table routes (tprefix varchar(32) not null, tvalue varchar(32) not null)",
	} {
		if _, err := tx.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	insert, err := tx.PrepareContext(ctx, "insert into routes values (?, 'uas')")
	if err != nil {
		return err
	}
	r, seen := rand.New(rand.NewPCG(5, 6)), make(map[int]bool, rows)
	for len(seen) < rows {
		n := 10_000 + r.IntN(2_000_000_000)
		if seen[n] {
			continue
		}
		seen[n] = true
		if _, err := insert.ExecContext(ctx, strconv.Itoa(n)); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// routesWithin bounds a load.
const routesWithin = 2 * time.Minute

// loaded starts a proxy with the table of a file, and ends it.
func (b *bench) loaded(ctx context.Context, kind, file string) (t tableOf, err error) {
	dir, err := os.MkdirTemp(b.work, kind+"-routes")
	if err != nil {
		return t, err
	}
	args, err := b.routesOfSbcd(dir, file)
	if kind == kamailio {
		args, err = routesOfKamailio(dir, file)
	}
	if err != nil {
		return t, err
	}
	begun := time.Now()
	p, err := b.run(ctx, kind, dir, args)
	if err != nil {
		return t, err
	}
	defer p.stop()
	for {
		if t.Table, err = p.table(ctx); err == nil {
			break
		}
		if err := p.Alive(); err != nil {
			return t, err
		}
		if time.Since(begun) > routesWithin {
			return t, fmt.Errorf("%s has no table after %s: %w\n%s", kind, routesWithin, err, p.Output())
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Load = time.Since(begun).Seconds()
	t.Resident, t.CPU, err = ofAll(p.Pid())
	return t, err
}

func routesOfKamailio(dir, file string) ([]string, error) {
	modules, err := filepath.Glob("/usr/lib/*/kamailio/modules")
	if err != nil || len(modules) == 0 {
		return nil, errors.New("kamailio's modules are not installed: run ci/setup bench")
	}
	cfg := strings.NewReplacer("{{.Modules}}", modules[0]+"/", "{{.Dir}}", dir, "{{.File}}", file, "{{.Address}}", target)
	text, err := files.ReadFile("kamailio/routes.cfg")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "routes.cfg")
	if err := os.WriteFile(path, []byte(cfg.Replace(string(text))), 0o644); err != nil {
		return nil, err
	}
	return []string{"kamailio", "-f", path, "-DD", "-E", "-m", "4000", "-M", "1000", "-x", "fm", "-X", "fm", "-P", filepath.Join(dir, "pid"), "-Y", dir}, nil
}

// routesOfSbcd is the proxy of the other parts, with a cache.
func (b *bench) routesOfSbcd(dir, file string) ([]string, error) {
	args, err := b.sbcd(dir, b.spec)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "tree", runtime.DefaultPath)
	a, err := runtime.Load(path)
	if err != nil {
		return nil, err
	}
	a.Databases = []runtime.Database{{Name: "routes", Engine: "sqlite", File: file, Pool: 1}}
	a.Caches = []runtime.Cache{{Name: "routes", Source: "sqlite", Database: "routes", Query: "select tprefix, tvalue from routes", Warmup: runtime.WarmupSync, OnFail: runtime.OnFailRefuse, Rows: prefixes}}
	a.Routes = append([]runtime.Route{{Name: "routes", From: []string{}, Cache: "routes"}}, a.Routes...)
	data, err := runtime.Encode(a)
	if err != nil {
		return nil, err
	}
	return args, os.WriteFile(path, data, 0o644)
}

var memsize = regexp.MustCompile(`memsize: (\d+)`)

// table is the memory of the loaded table, by the proxy's own account.
func (p *proxy) table(ctx context.Context) (int64, error) {
	if p.kind == kamailio {
		out, err := exec.CommandContext(ctx, "kamcmd", "-s", "unix:"+filepath.Join(p.dir, "ctl"), "mtree.summary").Output()
		if err != nil {
			return 0, err
		}
		m := memsize.FindSubmatch(out)
		if m == nil {
			return 0, fmt.Errorf("kamcmd mtree.summary says %q", out)
		}
		return strconv.ParseInt(string(m[1]), 10, 64)
	}
	if !strings.Contains(p.Output(), "trunkline: ready") {
		return 0, errors.New("not ready")
	}
	out, err := exec.CommandContext(ctx, p.program, "status", "--json", "--control", filepath.Join(p.dir, "control")).Output()
	if err != nil {
		return 0, err
	}
	var s struct{ Caches []struct{ Bytes int64 } }
	if err := json.Unmarshal(out, &s); err != nil || len(s.Caches) != 1 {
		return 0, fmt.Errorf("sbcd status says %q", out)
	}
	return s.Caches[0].Bytes, nil
}

// ofAll is what a process and its children have in main memory, each shared page once, and the
// CPU time they took so far.
func ofAll(pid int) (bytes int64, seconds float64, err error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return 0, 0, err
	}
	m, err := p.ProcSMapsRollup()
	if err != nil {
		return 0, 0, err
	}
	st, err := p.Stat()
	if err != nil {
		return 0, 0, err
	}
	bytes, seconds = int64(m.Pss), st.CPUTime()
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0, 0, err
	}
	for _, c := range strings.Fields(string(children)) {
		n, err := strconv.Atoi(c)
		if err != nil {
			return 0, 0, err
		}
		b, s, err := ofAll(n)
		if err != nil {
			return 0, 0, err
		}
		bytes, seconds = bytes+b, seconds+s
	}
	return bytes, seconds, nil
}

// printRoutes shows the tables of both.
func printRoutes(w io.Writer, t map[string]tableOf) {
	if len(t) == 0 {
		return
	}
	k, s := t[kamailio], t[sbcd]
	mb := func(n int64) string { return fmt.Sprintf("%.1f", float64(n)/1e6) }
	ratio := func(a, b float64) string { return fmt.Sprintf("%.3f", a/b) }
	fmt.Fprintf(w, "%d prefixes out of one SQLite file: mtree of Kamailio (db_sqlite), a cache of sbcd\n", prefixes)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "\tkamailio\tsbcd\tunit\tratio")
	fmt.Fprintf(tw, "start until it answers\t%.2f\t%.2f\ts\t%s\n", k.Load, s.Load, ratio(s.Load, k.Load))
	fmt.Fprintf(tw, "CPU until then\t%.2f\t%.2f\ts\t%s\n", k.CPU, s.CPU, ratio(s.CPU, k.CPU))
	fmt.Fprintf(tw, "the table, by its own account\t%s\t%s\tMB\t%s\n", mb(k.Table), mb(s.Table), ratio(float64(s.Table), float64(k.Table)))
	fmt.Fprintf(tw, "resident, beyond that with one row\t%s\t%s\tMB\t%s\n", mb(k.Resident-k.Empty), mb(s.Resident-s.Empty), ratio(float64(s.Resident-s.Empty), float64(k.Resident-k.Empty)))
	fmt.Fprintf(tw, "resident in all\t%s\t%s\tMB\t%s\n", mb(k.Resident), mb(s.Resident), ratio(float64(s.Resident), float64(k.Resident)))
	_ = tw.Flush()
}
