package warm

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/route"
)

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// newWarmer makes a warmer whose caches are c1, c2, ... of the given kind.
func newWarmer(t *testing.T, log *slog.Logger, caches ...runtime.Cache) (*Warmer, *route.Router) {
	t.Helper()
	cfg := &runtime.Appliance{
		Listeners:   []runtime.Listener{{Name: "a"}},
		Dispatchers: []runtime.Dispatcher{{Name: "core"}, {Name: "overflow"}},
	}
	for i, c := range caches {
		c.Name, c.Source, c.OnFail = fmt.Sprintf("c%d", i+1), "file", runtime.OnFailRefuse
		cfg.Caches = append(cfg.Caches, c)
		cfg.Routes = append(cfg.Routes, runtime.Route{Name: c.Name, Cache: c.Name})
	}
	r, err := route.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w, err := New(cfg, r, Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return w, r
}

func csvFile(t *testing.T, text string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "table.csv")
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}

func fifo(t *testing.T) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(p, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSyncLoads(t *testing.T) {
	one := csvFile(t, "\ufeff# prefix, set\n+49,core\r\n+4930 , overflow\n\n+49,core\n\"+1\",core")
	two := csvFile(t, "")
	w, r := newWarmer(t, quiet(),
		runtime.Cache{Path: one, Warmup: runtime.WarmupSync, Rows: 3}, runtime.Cache{Path: two, Warmup: runtime.WarmupSync},
		runtime.Cache{Path: one, Warmup: runtime.WarmupBackground})
	if err := w.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
	if s, ok := r.Choose(0, netip.Addr{}, []byte("+493012")); !ok || s.Sets[0] != 1 {
		t.Errorf("+4930 leads to %v, %t", s, ok)
	}
	st := w.Status()
	if st[0].State != Loaded || st[0].Rows != 3 || st[0].Bytes == 0 || st[0].Planned != 3 || st[1].State != Loaded || st[2].State != Waiting {
		t.Errorf("status %+v", st)
	}
	if r.Table("c3") != nil {
		t.Error("a background cache was loaded by Sync")
	}
	w.Background(context.Background())
	if st := w.Status(); st[2].State != Loaded || r.Table("c3").Len() != 3 {
		t.Errorf("status %+v", st[2])
	}
}

func TestSyncRefuses(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"unknown set", "+49,core\n+43,kore\n", `table.csv:2: prefix "+43": there is no dispatcher "kore": use one of core, overflow`},
		{"one field", "# comment\n\n+49\n", "table.csv:3: a row has 2 fields, this one has 1"},
		{"three fields", "+49,core,x\n", "table.csv:1: a row has 2 fields, this one has 3"},
		{"empty prefix", "+49,core\n,core\n", "table.csv:2: prefix \"\": the prefix is empty"},
		{"given twice", "+49,core\n+49,overflow\n", "table.csv:2: prefix \"+49\": the prefix has another dispatcher set"},
		{"space inside", "+49 30,core\n", `table.csv:1: prefix "+49 30" holds a character`},
		{"a whole address", "49@example.net,core\n", "holds a character"},
		{"open quote", "+49,core\n\"+43,core\n", "table.csv:2: this is not CSV"},
		{"header", "prefix,dispatcher\n", `there is no dispatcher "dispatcher"`},
		{"binary", strings.Repeat("\x00", 10000), "table.csv:1: the line is longer than 4096 bytes"},
		{"long line", "+49,core\n" + strings.Repeat("1", 5000) + ",core\n", "table.csv:2: the line is longer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, r := newWarmer(t, quiet(), runtime.Cache{Path: csvFile(t, tt.text), Warmup: runtime.WarmupSync})
			err := w.Sync(context.Background())
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), `cache "c1": /`) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if st := w.Status()[0]; st.State != Failed || st.Error != err.Error() {
				t.Errorf("status %+v", st)
			}
			if r.Table("c1") != nil {
				t.Error("half a table is in place")
			}
		})
	}
}

func TestSyncMissingFile(t *testing.T) {
	w, _ := newWarmer(t, quiet(), runtime.Cache{Path: "/nonexistent/c.csv", Warmup: runtime.WarmupSync})
	err := w.Sync(context.Background())
	want := `cache "c1": open /nonexistent/c.csv: no such file or directory: put the file there, or correct the cache's path and build again`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	w, _ = newWarmer(t, quiet(), runtime.Cache{Path: t.TempDir(), Warmup: runtime.WarmupSync})
	if err := w.Sync(context.Background()); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("directory: %v", err)
	}
}

// While a FIFO has no writer, or one that is slow, Sync waits and says where it is.
func TestSyncWaitsForSlowSource(t *testing.T) {
	p := fifo(t)
	w, r := newWarmer(t, quiet(), runtime.Cache{Path: p, Warmup: runtime.WarmupSync})
	done := make(chan error, 1)
	go func() { done <- w.Sync(context.Background()) }()
	f, err := os.OpenFile(p, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var text bytes.Buffer
	for i := range 3000 {
		fmt.Fprintf(&text, "+%d,core\n", 1000+i)
	}
	if _, err := f.Write(text.Bytes()); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for w.Status()[0].Read < 1024 {
		if time.Now().After(deadline) {
			t.Fatalf("no progress: %+v", w.Status())
		}
		time.Sleep(time.Millisecond)
	}
	if st := w.Status()[0]; st.State != Loading || r.Table("c1") != nil {
		t.Errorf("before the end: %+v", st)
	}
	select {
	case err := <-done:
		t.Fatalf("Sync returned before the source ended: %v", err)
	default:
	}
	f.Close()
	if err := <-done; err != nil || r.Table("c1").Len() != 3000 {
		t.Errorf("%v, %d rows", err, r.Table("c1").Len())
	}
}

// Both waits end: for a writer to come, and for one to write.
func TestWithin(t *testing.T) {
	idle := fifo(t)
	holder := fifo(t)
	go func() {
		if f, err := os.OpenFile(holder, os.O_WRONLY, 0); err == nil {
			f.WriteString("+49,core\n")
			t.Cleanup(func() { f.Close() })
		}
	}()
	for _, p := range []string{idle, holder} {
		w, _ := newWarmer(t, quiet(), runtime.Cache{Path: p, Warmup: runtime.WarmupSync, Within: runtime.Duration(50 * time.Millisecond)})
		err := w.Sync(context.Background())
		if err == nil || !strings.Contains(err.Error(), p+": not complete within 50ms: raise the cache's timeout") {
			t.Errorf("error %v", err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	w, _ := newWarmer(t, quiet(), runtime.Cache{Path: idle, Warmup: runtime.WarmupSync})
	if err := w.Sync(ctx); err == nil {
		t.Error("Sync outlived its context")
	}
}

// A broken background source is tried again and does not hold up the next.
func TestBackgroundRetries(t *testing.T) {
	var log bytes.Buffer
	broken, fine := filepath.Join(t.TempDir(), "later.csv"), csvFile(t, "+1,core\n")
	w, r := newWarmer(t, slog.New(slog.NewTextHandler(&log, nil)),
		runtime.Cache{Path: broken, Warmup: runtime.WarmupBackground}, runtime.Cache{Path: fine, Warmup: runtime.WarmupBackground})
	done := make(chan struct{})
	go func() { w.Background(context.Background()); close(done) }()
	deadline := time.Now().Add(time.Minute)
	for st := w.Status(); st[0].State != Failed || st[1].State != Loaded; st = w.Status() {
		if time.Now().After(deadline) {
			t.Fatalf("%+v", st)
		}
		time.Sleep(time.Millisecond)
	}
	if err := os.WriteFile(broken+".new", []byte("+49,core\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(broken+".new", broken); err != nil {
		t.Fatal(err)
	}
	<-done
	if st := w.Status()[0]; st.State != Loaded || st.Error != "" || r.Table("c1").Len() != 1 {
		t.Errorf("%+v", st)
	}
	if !strings.Contains(log.String(), "matches nothing until it is") {
		t.Errorf("log: %s", log.String())
	}
}

func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct {
		c    runtime.Cache
		want string
	}{
		{runtime.Cache{Source: "redis", Warmup: "sync"}, `use "file", "sqlite" or "postgres"`},
		{runtime.Cache{Source: "odd", Database: "odd", Warmup: "sync"}, `use "file", "sqlite" or "postgres"`},
		{runtime.Cache{Source: "postgres", Database: "gp", Warmup: "sync"}, `there is no database "gp"`},
		{runtime.Cache{Source: "sqlite", Database: "pg", Warmup: "sync"}, `source is "sqlite", and database "pg" is "postgres"`},
		{runtime.Cache{Source: "postgres", Database: "pg", Warmup: "sync", OnFail: "baked"}, `the file to start from`},
		{runtime.Cache{Source: "file", Warmup: "sync"}, "name the CSV file"},
		{runtime.Cache{Source: "file", Path: "/x", Warmup: "later"}, `warmup "later"`},
		{runtime.Cache{Source: "file", Path: "/x", Warmup: "sync", OnFail: "ignore"}, `on_fail "ignore"`},
	} {
		if _, err := New(&runtime.Appliance{
			Caches: []runtime.Cache{tt.c}, Databases: []runtime.Database{{Name: "pg", Engine: "postgres"}, {Name: "odd", Engine: "odd"}},
		}, nil, Options{Log: quiet()}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v", tt.c, err)
		}
	}
}

// text is a file that is in memory.
type text []byte

func (b text) rows(ctx context.Context, add adder) error {
	return parse(ctx, "x", bytes.NewReader(b), add)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("+49,core\n#x\n+1,overflow"))
	f.Add([]byte("\ufeff\"+49\",core\r\n,\n"))
	cfg := &runtime.Appliance{Dispatchers: []runtime.Dispatcher{{Name: "core"}, {Name: "overflow"}}}
	r, err := route.New(cfg)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		tab, err := build(context.Background(), text(in), 0, r, func(int) {})
		if (tab == nil) == (err == nil) {
			t.Errorf("table %v, error %v", tab, err)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "x:") {
			t.Errorf("no position: %v", err)
		}
	})
}

func BenchmarkMillion(b *testing.B) {
	var lines bytes.Buffer
	for i := range 1_000_000 {
		fmt.Fprintf(&lines, "+49%d,core\n", 1_000_000+i)
	}
	r, err := route.New(&runtime.Appliance{Dispatchers: []runtime.Dispatcher{{Name: "core"}}})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := build(context.Background(), text(lines.Bytes()), 1_000_000, r, func(int) {}); err != nil {
			b.Fatal(err)
		}
	}
}
