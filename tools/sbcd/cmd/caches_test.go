package cmd_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline/appliance/runtime"
	"trunkline/proxy/control"
	"trunkline/proxy/warm"
	"trunkline/tools/sbcd/cmd"
)

// database is an SQLite file on which statements are run.
func database(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// Tables from a database are loaded again and shown by command; what is wrong changes nothing
// and is told with exit code 1; a start without the database goes on with the last good table.
func TestReloadCaches(t *testing.T) {
	state := t.TempDir()
	t.Setenv("STATE_DIRECTORY", state)
	file := filepath.Join(t.TempDir(), "routing.db")
	database(t, file, "create table routes (prefix text, carrier text)", "insert into routes values ('+49', 'one'), ('%2331%23', 'two')")
	a := config(t, runtime.Cache{Path: "/x", Warmup: runtime.WarmupSync})
	a.Caches = []runtime.Cache{{Name: "prefixes", Source: "sqlite", Database: "routing", Query: "select prefix, carrier from routes", Warmup: runtime.WarmupSync, OnFail: runtime.OnFailLastGood, Rows: 10}}
	a.Databases = []runtime.Database{{Name: "routing", Engine: "sqlite", File: file, Pool: 2}}
	p := start(t, a)
	p.ready()
	dump := func(want string) {
		t.Helper()
		if out, errs, code := sbcd(t, "dump-cache", "prefixes", "--control", p.control); code != 0 || out != want || errs != "" {
			t.Errorf("exit code %d, %q, %q, want %q", code, out, errs, want)
		}
	}
	dump("%2331%23,two\n+49,one\n")
	database(t, file, "delete from routes where carrier = 'two'", "insert into routes values ('+43', 'two')")
	out, errs, code := sbcd(t, "reload-caches", "--control", p.control)
	if code != 0 || !strings.HasPrefix(out, "cache prefixes  2 rows  ") || errs != "" {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
	dump("+43,two\n+49,one\n")
	database(t, file, "insert into routes values ('+1', 'three')")
	out, errs, code = sbcd(t, "reload-caches", "-control", p.control, "prefixes")
	if want := `row 3 of the answer: prefix "+1": there is no dispatcher "three": use one of one, two`; code != 1 || out != "" || !strings.Contains(errs, want) {
		t.Errorf("a bad row: exit code %d, %q, %q, want %q", code, out, errs, want)
	}
	dump("+43,two\n+49,one\n")
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"reload-caches", "nope", "--control", p.control}, 1, `there is no cache "nope"`},
		{[]string{"dump-cache", "nope", "--control", p.control}, 1, `cache "nope" has no table`},
		{[]string{"dump-cache"}, 2, "give the name of a cache, and nothing else"},
	} {
		if out, errs, code := sbcd(t, tt.args...); code != tt.code || out != "" || !strings.Contains(errs, tt.want) {
			t.Errorf("%v: exit code %d, %q, %q", tt.args, code, out, errs)
		}
	}
	b, err := control.Get(t.Context(), p.control, control.MetricsPath)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`trunkline_cache_loaded{cache="prefixes"} 1`, `trunkline_cache_failed{cache="prefixes"} 1`, `trunkline_cache_loads_total{cache="prefixes",result="ok"} 2`,
		`trunkline_cache_loads_total{cache="prefixes",result="failed"} 1`, `trunkline_cache_origin{cache="prefixes",origin="source"} 1`} {
		if !strings.Contains(string(b), want+"\n") {
			t.Errorf("metrics lack %s", want)
		}
	}
	for _, tt := range []struct {
		args []string
		code int
		out  string
		errs string
	}{
		{[]string{"route", "+4930", "--from", "carrier"}, 0, "listener carrier  route by-prefix, prefix +49 of cache prefixes  to one  as +4930\n", ""},
		{[]string{"route", "+4399;x"}, 0, "listener carrier  route by-prefix, prefix +43 of cache prefixes  to two  as +4399;x\nlistener core     route by-prefix, prefix +43 of cache prefixes  to two  as +4399;x\n", ""},
		{[]string{"route", "+1", "-from", "core"}, 1, "listener core  no route matches: such a call gets 404\n", "sbcd: no route matches\n"},
		{[]string{"route", "+1", "--from", "nope"}, 1, "", "sbcd: there is no listener \"nope\": use one of carrier, core\n"},
		{[]string{"route", "+1", "--source", "x"}, 1, "", "sbcd: source \"x\" is no address: write one such as 198.51.100.7\n"},
	} {
		if out, errs, code := sbcd(t, append(tt.args, "--control", p.control)...); code != tt.code || out != tt.out || errs != tt.errs {
			t.Errorf("%v: exit code %d, %q, %q", tt.args, code, out, errs)
		}
	}
	p.cmd.Process.Kill()
	<-p.done

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	p = start(t, a)
	p.ready()
	s := p.until("the last good table", func(s cmd.Status) bool { return s.Caches[0].Origin == warm.FromLastGood })
	if s.Caches[0].Rows != 2 || !strings.Contains(s.Caches[0].Error, "there is no such file") {
		t.Errorf("%+v", s.Caches[0])
	}
	dump("+43,two\n+49,one\n")
}
