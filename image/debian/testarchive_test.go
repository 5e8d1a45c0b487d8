package debian

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ulikunitz/xz"
)

// testNow is when the tests' archive is read.
var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// testArchive is a small signed archive served over loopback. Files may be
// changed between requests to spoil it.
type testArchive struct {
	key     *openpgp.Entity
	server  *httptest.Server
	mu      sync.Mutex
	files   map[string][]byte
	hits    map[string]int
	handler func(w http.ResponseWriter, r *http.Request) bool // true: answered
}

func newTestKey(t *testing.T) *openpgp.Entity {
	t.Helper()
	key, err := openpgp.NewEntity("test archive", "", "", &packet.Config{
		Algorithm: packet.PubKeyAlgoEdDSA,
		Time:      func() time.Time { return testNow.Add(-time.Hour) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newTestArchive(t *testing.T) *testArchive {
	a := &testArchive{key: newTestKey(t), files: map[string][]byte{}, hits: map[string]int{}}
	a.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.handler != nil && a.handler(w, r) {
			return
		}
		a.mu.Lock()
		b, ok := a.files[strings.TrimPrefix(r.URL.Path, "/debian/")]
		a.hits[strings.TrimPrefix(r.URL.Path, "/debian/")]++
		a.mu.Unlock()
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Write(b)
	}))
	t.Cleanup(a.server.Close)
	return a
}

func (a *testArchive) url(t *testing.T) *url.URL {
	t.Helper()
	u, err := ParseMirror(a.server.URL + "/debian")
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (a *testArchive) reader(t *testing.T) *Archive {
	ar := NewArchive(a.url(t), testNow)
	ar.Keyring = openpgp.EntityList{a.key}
	ar.client.pause = func(int) time.Duration { return time.Millisecond }
	return ar
}

// publish puts a Packages text into the archive and signs it.
func (a *testArchive) publish(t *testing.T, packages string, header string) {
	t.Helper()
	var packed bytes.Buffer
	w, err := xz.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(packages)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{
		"main/binary-amd64/Packages":    []byte(packages),
		"main/binary-amd64/Packages.xz": packed.Bytes(),
	}
	release := header + "SHA256:\n"
	for _, name := range slices.Sorted(maps.Keys(files)) {
		b := files[name]
		release += fmt.Sprintf(" %s %8d %s\n", digest(b), len(b), name)
		a.files["dists/trixie/"+name] = b
	}
	a.files["dists/trixie/InRelease"] = signed(t, a.key, release)
}

const goodHeader = "Origin: Debian\nSuite: stable\nCodename: trixie\nAcquire-By-Hash: yes\nValid-Until: Sun, 1 Mar 2026 13:00:00 UTC\n"

func signed(t *testing.T, key *openpgp.Entity, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := clearsign.Encode(&out, key.PrivateKey, &packet.Config{Time: func() time.Time { return testNow }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	out.WriteByte('\n')
	return out.Bytes()
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// stanza renders one package of a Packages file whose .deb has the given bytes.
func stanza(name, version, fields string, deb []byte) string {
	s := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: amd64\nFilename: pool/main/%s_%s.deb\nSize: %d\nSHA256: %s\n",
		name, version, name, version, len(deb), digest(deb))
	if fields != "" {
		s += fields + "\n"
	}
	return s + "\n"
}

// add puts a package of arbitrary bytes into the pool and returns it.
func (a *testArchive) add(name, version string, content []byte) Package {
	p := Package{Name: name, Version: version, Path: "pool/main/" + name + "_" + version + ".deb", SHA256: digest(content), Size: int64(len(content))}
	a.files[p.Path] = content
	return p
}
