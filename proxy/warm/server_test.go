package warm

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/warm/postgres/postgrestest"
)

// rows is how many the tables of the server have.
const rows = 300_000

// relay passes connections on to the server until it is told to stop, after a number of
// bytes from the server at the latest: a server that dies during a load, exactly there.
type relay struct {
	net.Listener
	to string

	mu    sync.Mutex
	left  int64 // bytes from the server; below 0: no end
	pause chan struct{}
	conns []net.Conn
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: l, to: to, left: -1}
	t.Cleanup(func() { l.Close(); r.cut() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go r.pass(c)
		}
	}()
	return r
}

func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		c.Close()
	}
	r.conns = nil
}

func (r *relay) pass(c net.Conn) {
	s, err := net.Dial("tcp", r.to)
	if err != nil {
		c.Close()
		return
	}
	r.mu.Lock()
	r.conns = append(r.conns, c, s)
	left, pause := r.left, r.pause
	r.mu.Unlock()
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := c.Read(b)
			if err != nil {
				s.Close()
				return
			}
			_, _ = s.Write(b[:n])
		}
	}()
	b := make([]byte, 4096)
	for {
		n, err := s.Read(b)
		if err != nil {
			break
		}
		if left >= 0 {
			if left -= int64(n); left < 0 {
				if pause != nil {
					<-pause
				}
				break
			}
		}
		if _, err := c.Write(b[:n]); err != nil {
			break
		}
	}
	c.Close()
	s.Close()
}

func (r *relay) after(bytes int64, pause chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left, r.pause = bytes, pause
}

// A real server with a table of six figures of rows, through all that may become of it.
func TestServer(t *testing.T) {
	server := postgrestest.New(t)
	server.Exec(fmt.Sprintf(`create table routes (prefix text primary key, carrier text not null);
		insert into routes select '+' || (1000000 + i * 37), case i %% 2 when 0 then 'core' else 'overflow' end from generate_series(1, %d) i;
		create view good as select prefix, carrier from routes;
		create view bad as select prefix, case when prefix = '+4700000' then 'kore' else carrier end as carrier from routes;`, rows))
	credentials := t.TempDir()
	if err := os.WriteFile(filepath.Join(credentials, "routing.password"), []byte(postgrestest.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", credentials)
	direct := server.Database()
	way := newRelay(t, direct.Address)
	through := direct
	through.Address = way.Addr().String()

	cache := runtime.Cache{Source: "postgres", Database: "routing", Query: "select prefix, carrier from good", Warmup: runtime.WarmupSync, Rows: rows,
		Within: runtime.Duration(time.Minute), OnFail: runtime.OnFailRefuse}
	with := func(change func(*runtime.Cache)) runtime.Cache {
		c := cache
		change(&c)
		return c
	}
	one, other := "+1000037", "+1000074" // of the first and of the second row

	t.Run("warm-up", func(t *testing.T) {
		w, r := start(t, "", quiet(), cache, direct)
		if err := w.Sync(context.Background()); err != nil {
			t.Fatal(err)
		}
		s := w.Status()[0]
		t.Logf("%d rows of PostgreSQL in %.2f s, %.1f B a row", s.Rows, s.Seconds, float64(s.Bytes)/float64(s.Rows))
		if s.Rows != rows || leads(r, one) != "overflow" || leads(r, other) != "core" {
			t.Errorf("%+v", s)
		}
	})
	t.Run("a bad row", func(t *testing.T) {
		w, r := start(t, "", quiet(), with(func(c *runtime.Cache) { c.Query = "select prefix, carrier from bad order by length(prefix), prefix" }), direct)
		err := w.Sync(context.Background())
		want := `cache "c1": database routing (` + direct.Address + `): row 100000 of the answer: prefix "+4700000": there is no dispatcher "kore": use one of core, overflow`
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if r.Table("c1") != nil {
			t.Error("half a table is in place")
		}
	})
	t.Run("no password", func(t *testing.T) {
		d := direct
		d.Password = "other"
		w, _ := start(t, "", quiet(), cache, d)
		if err := w.Sync(context.Background()); err == nil || !strings.Contains(err.Error(), `cache "c1": database routing: secret other: the configuration has no secret of this name`) {
			t.Errorf("%v", err)
		}
	})
	t.Run("dies during a reload", func(t *testing.T) {
		w, r := start(t, "", quiet(), cache, through)
		if err := w.Sync(context.Background()); err != nil {
			t.Fatal(err)
		}
		before := r.Table("c1")
		at := rand.Int64N(2_000_000)
		way.after(at, nil)
		_, err := w.Reload(context.Background())
		if err == nil || r.Table("c1") != before {
			t.Errorf("cut after %d bytes: %v", at, err)
		}
		t.Logf("cut after %d bytes: %v", at, err)
		way.after(-1, nil)
		if _, err := w.Reload(context.Background()); err != nil {
			t.Errorf("back again: %v", err)
		}
	})
	t.Run("slow", func(t *testing.T) {
		// The server answers a part, and then nothing.
		pause := make(chan struct{})
		way.after(500_000, pause)
		w, r := start(t, "", quiet(), with(func(c *runtime.Cache) { c.Within = runtime.Duration(time.Second) }), through)
		err := w.Sync(context.Background())
		close(pause)
		way.after(-1, nil)
		if err == nil || !strings.Contains(err.Error(), "not complete within 1s: raise the cache's timeout, or see why the source is slow") || r.Table("c1") != nil {
			t.Errorf("%v", err)
		}
	})
	t.Run("memory", func(t *testing.T) {
		// Rows are not gathered: while a table is loaded there is not much beside it and the
		// old one. Without collection the heap is all that was ever asked for.
		w, _ := start(t, "", quiet(), cache, direct)
		if err := w.Sync(context.Background()); err != nil {
			t.Fatal(err)
		}
		debug.FreeOSMemory()
		before := allocated()
		if _, err := w.Reload(context.Background()); err != nil {
			t.Fatal(err)
		}
		table := float64(w.Status()[0].Bytes)
		took := float64(allocated() - before)
		t.Logf("a load asked for %.1f MB, its table has %.1f MB", took/1e6, table/1e6)
		if took > 3*table+4e6 {
			t.Errorf("a load of %d rows asked for %.0f B in all, its table has %.0f B", rows, took, table)
		}
	})
	t.Run("down at boot", func(t *testing.T) {
		state := t.TempDir()
		c := with(func(c *runtime.Cache) { c.OnFail = runtime.OnFailLastGood })
		w, _ := start(t, state, quiet(), c, direct)
		if err := w.Sync(context.Background()); err != nil {
			t.Fatal(err)
		}
		w.Background(context.Background())
		server.Kill()

		w, r := start(t, state, quiet(), c, direct)
		if err := w.Sync(context.Background()); err != nil {
			t.Fatal(err)
		}
		if s := w.Status()[0]; s.Origin != FromLastGood || s.Rows != rows || leads(r, one) != "overflow" || !strings.Contains(s.Error, "nothing listens there") {
			t.Errorf("last-good: %+v", s)
		}
		refused, _ := start(t, state, quiet(), cache, direct)
		if err := refused.Sync(context.Background()); err == nil || !strings.Contains(err.Error(), "nothing listens there: start the server") {
			t.Errorf("refuse: %v", err)
		}
		baked, r2 := start(t, state, quiet(), with(func(c *runtime.Cache) { c.OnFail, c.Path = runtime.OnFailBaked, csvFile(t, "+1,core\n") }), direct)
		if err := baked.Sync(context.Background()); err != nil || baked.Status()[0].Origin != FromBaked || leads(r2, one) != "core" {
			t.Errorf("baked: %v", err)
		}
		late, r3 := start(t, state, quiet(), with(func(c *runtime.Cache) { c.Warmup = runtime.WarmupBackground }), direct)
		background(t, late)
		until(t, "a failure", func() bool { return late.Status()[0].Failures > 0 })
		background(t, w)
		server.Start()
		until(t, "the source again", func() bool { return w.Status()[0].Origin == FromSource && late.Status()[0].Origin == FromSource })
		if leads(r3, other) != "core" {
			t.Error("the background cache leads elsewhere")
		}
	})
}

// allocated is how much memory the program has asked for so far, bytes.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
