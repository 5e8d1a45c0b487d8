package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline/appliance/runtime"
)

// newFile makes a file of what statements say.
func newFile(t *testing.T, name string, statements ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path}).String())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return path
}

func read(ctx context.Context, path, query string) (rows []string, err error) {
	err = Source{runtime.Database{Name: "routing", File: path}, query}.Rows(ctx, func(prefix, set []byte) error {
		rows = append(rows, string(prefix)+"="+string(set))
		if string(set) == "wrong" {
			return errors.New("that is wrong")
		}
		return nil
	})
	return rows, err
}

func TestRows(t *testing.T) {
	path := newFile(t, "what? of it#%.db", "create table routes (prefix text, carrier text)",
		"insert into routes values ('+49','core'),('+43','over flow')",
		"create table odd (prefix, carrier)", "insert into odd values (49, 'core'), (x'2b31', 'core'), (1.5, null)",
		"create table bad (prefix text, carrier text)", "insert into bad values ('1','core'),('2','wrong'),('3','core')")
	none := filepath.Join(t.TempDir(), "none.db")
	text := filepath.Join(t.TempDir(), "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database at all\n", 100)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, path, query, rows, want string }{
		{"rows", path, "select prefix, carrier from routes order by prefix", "[+43=over flow +49=core]", ""},
		{"no rows", path, "select prefix, carrier from routes where false", "[]", ""},
		{"a semicolon", path, "select prefix, carrier from routes where prefix = '+49';", "[+49=core]", ""},
		{"other types, and nothing", path, "select prefix, carrier from odd order by rowid", "[49=core +1=core]", `row 3 of the answer: prefix "1.5": the dispatcher set is NULL`},
		{"no prefix", path, "select null, 'x'", "[]", "row 1 of the answer: the prefix is NULL"},
		{"wrong row", path, "select prefix, carrier from bad order by prefix", "[1=core 2=wrong]", "row 2 of the answer: that is wrong"},
		{"three columns", path, "select 1, 2, 3", "[]", "gives 3 columns"},
		{"no table", path, "select a, b from roads", "[]", "no such table: roads (1): correct the cache's query"},
		{"no SQL", path, "select select", "[]", "correct the cache's query"},
		{"writes", path, "insert into routes values ('1', 'x') returning prefix, carrier", "[]", "the user sbcd runs as"},
		{"no file", none, "select 1, 2", "[]", "there is no such file: put it there, or correct file of the database"},
		{"a directory", t.TempDir(), "select 1, 2", "[]", "is a directory"},
		{"no database", text, "select 1, 2 from sqlite_schema", "[]", "name an SQLite file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rows, err := read(context.Background(), tt.path, tt.query)
			if got := fmt.Sprint(rows); got != tt.rows {
				t.Errorf("%s, want %s", got, tt.rows)
			}
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "database routing ("+tt.path+")") {
				t.Errorf("no place: %v", err)
			}
		})
	}
	if _, err := os.Stat(none); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was made: %v", err)
	}
}

// A query without end ends with its context.
func TestSlow(t *testing.T) {
	path := newFile(t, "r.db", "create table x (a)")
	cause := errors.New("that took too long")
	ctx, cancel := context.WithTimeoutCause(context.Background(), 100*time.Millisecond, cause)
	defer cancel()
	_, err := read(ctx, path, "with recursive n(i) as (select 1 union all select i+1 from n) select max(i), 'core' from n")
	if !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
}

// Who writes meanwhile does not disturb, and what is written meanwhile is not seen.
func TestWhileItIsWritten(t *testing.T) {
	path := newFile(t, "r.db", "pragma journal_mode=wal", "create table routes (prefix text, carrier text)",
		"with recursive n(i) as (select 1 union all select i+1 from n where i < 5000) insert into routes select i, 'core' from n")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	n := 0
	err = Source{runtime.Database{Name: "routing", File: path}, "select prefix, carrier from routes"}.Rows(context.Background(), func(_, set []byte) error {
		if n++; n == 10 {
			if _, err := db.Exec("update routes set carrier = 'other'"); err != nil {
				t.Error(err)
			}
		}
		if string(set) != "core" {
			return errors.New("a row of another state")
		}
		return nil
	})
	if err != nil || n != 5000 {
		t.Errorf("%d rows, %v", n, err)
	}
	if rows, err := read(context.Background(), path, "select prefix, carrier from routes where carrier <> 'other'"); err != nil || len(rows) != 0 {
		t.Errorf("what was written is not seen later: %d rows, %v", len(rows), err)
	}
}

func BenchmarkMillion(b *testing.B) {
	path := filepath.Join(b.TempDir(), "r.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range []string{"create table routes (prefix text, carrier text)",
		"with recursive n(i) as (select 1 union all select i+1 from n where i < 1000000) insert into routes select '+' || (1000000 + i), 'core' from n"} {
		if _, err := db.Exec(s); err != nil {
			b.Fatal(err)
		}
	}
	db.Close()
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if err := (Source{runtime.Database{Name: "routing", File: path}, "select prefix, carrier from routes"}).Rows(context.Background(), func(_, _ []byte) error { n++; return nil }); err != nil || n != 1_000_000 {
			b.Fatal(n, err)
		}
	}
}
