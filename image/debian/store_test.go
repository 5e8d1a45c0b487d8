package debian

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// recorder is a Progress that adds up.
type recorder struct {
	mu          sync.Mutex
	packages    int
	total, seen int64
	ends        int
	failed      int
}

func (r *recorder) lock() func() { r.mu.Lock(); return r.mu.Unlock }

func (r *recorder) Plan(n int, b int64)        { defer r.lock()(); r.packages, r.total = n, b }
func (r *recorder) Begin(Package)              {}
func (r *recorder) Advance(_ Package, n int64) { defer r.lock()(); r.seen += n }
func (r *recorder) End(_ Package, err error) {
	defer r.lock()()
	r.ends++
	if err != nil {
		r.failed++
	}
}

func newTestStore(t *testing.T) (*Store, string) {
	dir := t.TempDir()
	s := NewStore(dir)
	s.client.pause = func(int) time.Duration { return time.Millisecond }
	return s, dir
}

// leftovers lists the regular files of a cache, temporary ones included.
func leftovers(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			out = append(out, filepath.Base(p))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func somePackages(a *testArchive, n int) []Package {
	var out []Package
	for i := range n {
		out = append(out, a.add("p"+string(rune('a'+i)), "1:2+b~1", bytes.Repeat([]byte{byte(i), 7}, 50_000+i)))
	}
	return out
}

func TestFetchThenOffline(t *testing.T) {
	a := newTestArchive(t)
	s, dir := newTestStore(t)
	pkgs := somePackages(a, 9)
	rec := &recorder{}
	got, err := s.Fetch(context.Background(), a.url(t), pkgs, FetchOptions{Progress: rec})
	if err != nil {
		t.Fatal(err)
	}
	var total int64
	for _, p := range pkgs {
		total += p.Size
	}
	if got != (Fetched{Downloaded: 9, Bytes: total}) || rec.packages != 9 || rec.total != total || rec.seen != total || rec.ends != 9 || rec.failed != 0 {
		t.Fatalf("%+v %+v", got, rec)
	}
	if n := len(leftovers(t, dir)); n != 9 {
		t.Fatalf("%d files", n)
	}
	a.server.Close()
	got, err = s.Fetch(context.Background(), nil, pkgs, FetchOptions{Offline: true, Progress: rec})
	if err != nil || got != (Fetched{Cached: 9}) {
		t.Fatalf("%+v %v", got, err)
	}
}

func TestFetchReplacesDamagedFiles(t *testing.T) {
	a := newTestArchive(t)
	s, _ := newTestStore(t)
	pkgs := somePackages(a, 3)
	if _, err := s.Fetch(context.Background(), a.url(t), pkgs, FetchOptions{}); err != nil {
		t.Fatal(err)
	}
	spoil := func() {
		b, err := os.ReadFile(s.Path(pkgs[0]))
		if err != nil {
			t.Fatal(err)
		}
		b[0] ^= 1 // same size
		if err := os.WriteFile(s.Path(pkgs[0]), b, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(s.Path(pkgs[1]), 3); err != nil {
			t.Fatal(err)
		}
	}
	spoil()
	var bad *CorruptError
	if _, err := s.Open(pkgs[0]); !errors.As(err, &bad) || bad.Package.Name != "pa" {
		t.Fatalf("open: %v", err)
	}
	var missing *NotCachedError
	if _, err := s.Fetch(context.Background(), a.url(t), pkgs, FetchOptions{Offline: true}); !errors.As(err, &missing) || len(missing.Packages) != 2 {
		t.Fatalf("offline: %v", err)
	}
	if !strings.Contains(missing.Error(), "pa 1:2+b~1, pb 1:2+b~1") || !strings.Contains(missing.Error(), "without --offline") {
		t.Fatal(missing)
	}
	got, err := s.Fetch(context.Background(), a.url(t), pkgs, FetchOptions{})
	if err != nil || got.Downloaded != 2 || got.Cached != 1 {
		t.Fatalf("%+v %v", got, err)
	}
}

func TestFetchOfAPackageTheMirrorHasNoMore(t *testing.T) {
	a := newTestArchive(t)
	s, dir := newTestStore(t)
	pkgs := somePackages(a, 2)
	delete(a.files, pkgs[1].Path)
	_, err := s.Fetch(context.Background(), a.url(t), pkgs, FetchOptions{})
	var gone *MissingError
	if !errors.As(err, &gone) || gone.Package != pkgs[1] {
		t.Fatal(err)
	}
	for _, want := range []string{"pb 1:2+b~1", pkgs[1].Path, "trunkline lock", "snapshot"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if slices.ContainsFunc(leftovers(t, dir), func(n string) bool { return strings.HasPrefix(n, ".") }) {
		t.Error("a temporary file is left")
	}
}

func TestFetchSurvivesACutConnection(t *testing.T) {
	a := newTestArchive(t)
	s, dir := newTestStore(t)
	pkgs := somePackages(a, 1)
	cuts := 0
	a.handler = func(w http.ResponseWriter, r *http.Request) bool {
		if cuts++; cuts > 2 {
			return false
		}
		w.Header().Set("Content-Length", "100000")
		w.Write(a.files[pkgs[0].Path][:1234])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	rec := &recorder{}
	if _, err := s.Fetch(context.Background(), a.url(t), pkgs, FetchOptions{Progress: rec}); err != nil {
		t.Fatal(err)
	}
	if rec.seen != pkgs[0].Size {
		t.Errorf("progress of %d of %d bytes", rec.seen, pkgs[0].Size)
	}
	if left := leftovers(t, dir); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}

// A mirror that stops in the middle, or takes the connection and says nothing,
// costs an attempt, not the build.
func TestFetchSurvivesAStalledMirror(t *testing.T) {
	for name, start := range map[string]func(http.ResponseWriter, []byte){
		"in the middle": func(w http.ResponseWriter, b []byte) {
			w.Header().Set("Content-Length", strconv.Itoa(len(b)))
			w.Write(b[:1234])
			w.(http.Flusher).Flush()
		},
		"before the answer": func(http.ResponseWriter, []byte) {},
	} {
		t.Run(name, func(t *testing.T) {
			a := newTestArchive(t)
			s, dir := newTestStore(t)
			pause := s.client.pause
			s.client = newClient(time.Second) // more than a busy machine takes to answer the second time
			s.client.pause = pause
			pkgs := somePackages(a, 1)
			stalls := 0
			a.handler = func(w http.ResponseWriter, r *http.Request) bool {
				if stalls++; stalls > 1 {
					return false
				}
				start(w, a.files[pkgs[0].Path])
				<-r.Context().Done()
				return true
			}
			rec := &recorder{}
			if _, err := s.Fetch(context.Background(), a.url(t), pkgs, FetchOptions{Progress: rec}); err != nil {
				t.Fatal(err)
			}
			if left := leftovers(t, dir); rec.seen != pkgs[0].Size || len(left) != 1 {
				t.Errorf("progress of %d of %d bytes, left: %v", rec.seen, pkgs[0].Size, left)
			}
		})
	}
}

// Nothing waits without a bound, the connection itself included.
func TestClientBoundsEveryWait(t *testing.T) {
	c := newClient(50 * time.Millisecond)
	tr := c.http.Transport.(*http.Transport)
	if tr.ResponseHeaderTimeout != c.stall || tr.TLSHandshakeTimeout != c.stall {
		t.Errorf("bounds %v, %v", tr.ResponseHeaderTimeout, tr.TLSHandshakeTimeout)
	}
	// A listener whose backlog is full leaves connections without an answer.
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	local, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(local.(*unix.SockaddrInet4).Port))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for range 4 {
		conn, err := tr.DialContext(ctx, "tcp", addr)
		if err == nil {
			defer conn.Close()
			continue
		}
		if ctx.Err() != nil {
			t.Fatal("the dialer waited for its context")
		}
		return
	}
	t.Error("no connection was left without an answer")
}

func TestFetchRemovesWhatKilledOnesLeft(t *testing.T) {
	a := newTestArchive(t)
	s, dir := newTestStore(t)
	pkgs := somePackages(a, 1)
	sub := filepath.Dir(s.Path(pkgs[0]))
	if err := os.MkdirAll(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, age := range map[string]time.Duration{".killed.deb1": 2 * abandoned, ".running.deb2": 0} {
		name = filepath.Join(sub, name)
		if err := os.WriteFile(name, []byte("part"), 0o600); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(-age)
		if err := os.Chtimes(name, when, when); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Fetch(context.Background(), a.url(t), pkgs, FetchOptions{}); err != nil {
		t.Fatal(err)
	}
	want := []string{".running.deb2", filepath.Base(s.Path(pkgs[0]))}
	if left := leftovers(t, dir); !slices.Equal(left, want) {
		t.Errorf("left: %v, want %v", left, want)
	}
}

func TestFetchOfWrongContentLeavesNothing(t *testing.T) {
	for name, serve := range map[string]func([]byte) []byte{
		"other bytes": func(b []byte) []byte { return append(bytes.Clone(b[:len(b)-1]), 'x') },
		"short":       func(b []byte) []byte { return b[:len(b)-1] },
		"long":        func(b []byte) []byte { return append(bytes.Clone(b), make([]byte, 1<<20)...) },
	} {
		t.Run(name, func(t *testing.T) {
			a := newTestArchive(t)
			s, dir := newTestStore(t)
			pkgs := somePackages(a, 1)
			a.files[pkgs[0].Path] = serve(a.files[pkgs[0].Path])
			rec := &recorder{}
			_, err := s.Fetch(context.Background(), a.url(t), pkgs, FetchOptions{Progress: rec})
			var bad *CorruptError
			if !errors.As(err, &bad) {
				t.Fatal(err)
			}
			if left := leftovers(t, dir); len(left) != 0 || rec.seen != 0 || rec.failed != 1 {
				t.Errorf("left: %v, progress %+v", left, rec)
			}
			if n := a.hits[pkgs[0].Path]; n != attempts {
				t.Errorf("%d attempts", n)
			}
		})
	}
}

func TestFetchEndsWithItsContext(t *testing.T) {
	a := newTestArchive(t)
	s, dir := newTestStore(t)
	pkgs := somePackages(a, 8)
	ctx, cancel := context.WithCancel(context.Background())
	a.handler = func(w http.ResponseWriter, r *http.Request) bool {
		w.Write([]byte("part"))
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
		return true
	}
	if _, err := s.Fetch(ctx, a.url(t), pkgs, FetchOptions{}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if left := leftovers(t, dir); len(left) != 0 {
		t.Fatalf("left: %v", left)
	}
}

func TestFetchIntoACacheThatCannotBeWritten(t *testing.T) {
	a := newTestArchive(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := NewStore(filepath.Join(file, "cache")).Fetch(context.Background(), a.url(t), somePackages(a, 1), FetchOptions{})
	if err == nil || !strings.Contains(err.Error(), "package") {
		t.Fatal(err)
	}
}

func TestFetchFromADirectory(t *testing.T) {
	a := newTestArchive(t)
	s, _ := newTestStore(t)
	pkgs := somePackages(a, 2)
	root := t.TempDir()
	for _, p := range pkgs {
		name := filepath.Join(root, p.Path)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, a.files[p.Path], 0o644); err != nil {
			t.Fatal(err)
		}
	}
	u, err := ParseMirror("file://" + root)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Fetch(context.Background(), u, pkgs, FetchOptions{}); err != nil || got.Downloaded != 2 {
		t.Fatalf("%+v %v", got, err)
	}
}

func TestCacheDir(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", "/x/cache")
	for _, tt := range [][3]string{{"/flag", "/env", "/flag"}, {"", "/env", "/env"}, {"", "", "/x/cache/trunkline"}} {
		if got, err := CacheDir(tt[0], tt[1]); err != nil || got != tt[2] {
			t.Errorf("%v: %s %v", tt, got, err)
		}
	}
}
