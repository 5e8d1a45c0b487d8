package warm

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/route"
)

// start makes a warmer of one cache with its state in dir.
func start(t *testing.T, dir string, log *slog.Logger, c runtime.Cache, databases ...runtime.Database) (*Warmer, *route.Router) {
	t.Helper()
	c.Name = "c1"
	cfg := &runtime.Appliance{
		Listeners: []runtime.Listener{{Name: "a"}}, Dispatchers: []runtime.Dispatcher{{Name: "core"}, {Name: "overflow"}},
		Caches: []runtime.Cache{c}, Routes: []runtime.Route{{Name: "r", Cache: "c1"}}, Databases: databases,
		Secrets: []runtime.Secret{{Name: "routing-password", Credential: "routing.password"}},
	}
	r, err := route.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w, err := New(cfg, r, Options{Log: log, StateDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return w, r
}

// background runs Background and ends it with the test.
func background(t *testing.T, w *Warmer) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { w.Background(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".tmp", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		t.Fatal(err)
	}
}

func leads(r *route.Router, user string) string {
	s, ok := r.Choose(0, netip.Addr{}, []byte(user))
	if !ok {
		return ""
	}
	return r.SetName(s.Sets[0])
}

// A table is kept once calls are taken; a start without its source begins with it, says so,
// and goes on to the source when that is back.
func TestLastGood(t *testing.T) {
	source, state := filepath.Join(t.TempDir(), "table.csv"), filepath.Join(t.TempDir(), "state", "caches")
	c := runtime.Cache{Source: "file", Path: source, Warmup: runtime.WarmupSync, OnFail: runtime.OnFailLastGood}
	put(t, source, "+49,core\n+4930,overflow\n%23,core\nalice,overflow\n")
	w, _ := start(t, state, quiet(), c)
	if err := w.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(state); err == nil {
		t.Error("it was written before calls are taken")
	}
	w.Background(context.Background())
	kept := filepath.Join(state, "c1.csv")
	first, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Status()[0]; got.Origin != FromSource || got.Unsaved != "" {
		t.Errorf("%+v", got)
	}

	if err := os.Remove(source); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	w, r := start(t, state, slog.New(slog.NewTextHandler(&log, nil)), c)
	if err := w.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
	s := w.Status()[0]
	if s.Origin != FromLastGood || s.State != Failed || s.Rows != 4 || s.Bytes == 0 || time.Since(s.Since) > time.Hour || !strings.Contains(s.Error, "no such file") {
		t.Errorf("%+v", s)
	}
	for user, want := range map[string]string{"+4930": "overflow", "+4989": "core", "%23123": "core", "alice": "overflow", "bob": ""} {
		if got := leads(r, user); got != want {
			t.Errorf("%s leads to %q, want %q", user, got, want)
		}
	}
	if !strings.Contains(log.String(), "calls are routed by another table until it is") || !strings.Contains(log.String(), "table=last-good") {
		t.Errorf("log: %s", log.String())
	}
	background(t, w)
	put(t, source, "+1,core\n")
	until(t, "from the source again", func() bool { return w.Status()[0].Origin == FromSource })
	if leads(r, "+1") != "core" || leads(r, "+49") != "" {
		t.Error("another table is in place")
	}
	until(t, "kept anew", func() bool { b, _ := os.ReadFile(kept); return !bytes.Equal(b, first) })
}

// What is not whole, not of this query or not there is no last good table: the start is
// refused, and the reason names both.
func TestLastGoodRefuses(t *testing.T) {
	source := csvFile(t, "+49,core\n")
	c := runtime.Cache{Source: "file", Path: source, Warmup: runtime.WarmupSync, OnFail: runtime.OnFailLastGood}
	state := t.TempDir()
	w, _ := start(t, state, quiet(), c)
	if err := w.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.Background(context.Background())
	good, err := os.ReadFile(filepath.Join(state, "c1.csv"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(source); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		data []byte
		path string
		want string
	}{
		"none":              {nil, source, "none was ever kept in"},
		"empty":             {[]byte{}, source, "is not whole"},
		"cut":               {good[:len(good)-10], source, "is not what was written"},
		"no rows of it":     {good[len(good)-snapshotTail:], source, "is not what was written"},
		"a bit":             {bytes.Replace(good, []byte("+49"), []byte("+48"), 1), source, "is not what was written"},
		"of another source": {good, source + "2", "is the answer to another query, or of another source"},
	} {
		t.Run(name, func(t *testing.T) {
			state := t.TempDir()
			if tt.data != nil {
				if err := os.WriteFile(filepath.Join(state, "c1.csv"), tt.data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			c := c
			c.Path = tt.path
			w, r := start(t, state, quiet(), c)
			err := w.Sync(context.Background())
			if err == nil || !strings.Contains(err.Error(), "no such file") || !strings.Contains(err.Error(), "; and there is no last-good table: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if s := w.Status()[0]; s.Origin != "" || r.Table("c1") != nil {
				t.Errorf("%+v", s)
			}
		})
	}
	w, _ = start(t, "", quiet(), c)
	if err := w.Sync(context.Background()); err == nil || !strings.Contains(err.Error(), "no state directory") {
		t.Errorf("%v", err)
	}
}

// A state directory that takes nothing is told, and costs no call.
func TestNotKept(t *testing.T) {
	state := csvFile(t, "") // a file where a directory should be
	w, r := start(t, state, quiet(), runtime.Cache{Source: "file", Path: csvFile(t, "+49,core\n"), Warmup: runtime.WarmupSync, OnFail: runtime.OnFailLastGood})
	if err := w.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.Background(context.Background())
	if s := w.Status()[0]; s.Unsaved == "" || s.Origin != FromSource || leads(r, "+49") != "core" {
		t.Errorf("%+v", s)
	}
}

// With a database that is not there a cache starts from the file of the image.
func TestBaked(t *testing.T) {
	db := runtime.Database{Name: "routing", Engine: "sqlite", File: filepath.Join(t.TempDir(), "none.db")}
	w, r := start(t, "", quiet(), runtime.Cache{Source: "sqlite", Database: "routing", Query: "select a, b from c", Path: csvFile(t, "+49,core\n"),
		Warmup: runtime.WarmupBackground, OnFail: runtime.OnFailBaked}, db)
	background(t, w)
	until(t, "baked", func() bool { return w.Status()[0].Origin == FromBaked })
	if s := w.Status()[0]; s.Rows != 1 || !s.Since.IsZero() || !strings.Contains(s.Error, "there is no such file") || leads(r, "+49") != "core" {
		t.Errorf("%+v", s)
	}
}

// A reload takes a table as a whole, or leaves it as it is.
func TestReload(t *testing.T) {
	one := csvFile(t, "+49,core\n")
	w, r := newWarmer(t, quiet(), runtime.Cache{Path: one, Warmup: runtime.WarmupSync}, runtime.Cache{Path: csvFile(t, "+1,core\n"), Warmup: runtime.WarmupSync})
	if err := w.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
	put(t, one, "+49,overflow\n")
	if st, err := w.Reload(context.Background(), "c1"); err != nil || len(st) != 1 || st[0].Loads != 2 || leads(r, "+49") != "overflow" {
		t.Errorf("%+v, %v", st, err)
	}
	same := r.Table("c1")
	if st, err := w.Reload(context.Background()); err != nil || len(st) != 2 || r.Table("c1") != same {
		t.Errorf("all of them: %+v, %v", st, err)
	}
	put(t, one, "+49,core\n+43,kore\n")
	if _, err := w.Reload(context.Background()); err == nil || !strings.Contains(err.Error(), `:2: prefix "+43": there is no dispatcher "kore"`) {
		t.Errorf("%v", err)
	}
	if s := w.Status(); s[0].State != Failed || s[0].Origin != FromSource || s[0].Rows != 1 || s[0].Failures != 1 || s[1].Loads != 3 || leads(r, "+49") != "overflow" {
		t.Errorf("%+v", s)
	}
	if _, err := w.Reload(context.Background(), "c1", "nope"); err == nil || !strings.Contains(err.Error(), `no cache "nope"`) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := w.Reload(ctx); err == nil {
		t.Error("a reload that nobody waits for was done")
	}
}

// A cache with an interval follows its source, and says once when it cannot.
func TestRefresh(t *testing.T) {
	source := csvFile(t, "+49,core\n")
	var log bytes.Buffer
	w, r := start(t, "", slog.New(slog.NewTextHandler(&log, nil)), runtime.Cache{Source: "file", Path: source, Warmup: runtime.WarmupSync, Refresh: runtime.Duration(5 * time.Millisecond)})
	if err := w.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { w.Background(ctx); close(done) }()
	put(t, source, "+49,overflow\n")
	until(t, "followed", func() bool { return leads(r, "+49") == "overflow" })
	put(t, source, "+49\n")
	until(t, "three failures", func() bool { return w.Status()[0].Failures > 2 })
	if s := w.Status()[0]; s.Origin != FromSource || leads(r, "+49") != "overflow" {
		t.Errorf("%+v", s)
	}
	put(t, source, "+43,core\n")
	until(t, "followed again", func() bool { return leads(r, "+43") == "core" })
	cancel()
	<-done
	if n := strings.Count(log.String(), "its table stays as it is"); n != 1 {
		t.Errorf("told %d times:\n%s", n, log.String())
	}
}
