package debian

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
)

func TestKeyringHoldsTheTwoKeysOfTrixie(t *testing.T) {
	keys, err := Keyring()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, k := range keys {
		for n := range k.Identities {
			names = append(names, n)
		}
	}
	got := strings.Join(names, "\n")
	if len(keys) != 2 || !strings.Contains(got, "Automatic Signing Key (13/trixie)") || !strings.Contains(got, "Stable Release Key (13/trixie)") {
		t.Fatalf("keys: %s", got)
	}
}

func TestIndexIsVerified(t *testing.T) {
	packages := stanza("a", "1", "", []byte("deb"))
	const at = "dists/trixie/main/binary-amd64/Packages"
	tests := map[string]struct {
		spoil func(t *testing.T, a *testArchive)
		err   string // "" = fine
	}{
		"good": {spoil: func(*testing.T, *testArchive) {}},
		"only the plain file is kept": {spoil: func(_ *testing.T, a *testArchive) {
			delete(a.files, at+".xz")
		}},
		"only by hash": {spoil: func(_ *testing.T, a *testArchive) {
			b := a.files[at+".xz"]
			a.files["dists/trixie/main/binary-amd64/by-hash/SHA256/"+digest(b)] = b
			a.files[at+".xz"] = []byte("from another update")
		}},
		"another key": {spoil: func(t *testing.T, a *testArchive) {
			a.key = newTestKey(t)
			a.publish(t, packages, goodHeader)
		}, err: "not signed by a key of Debian's archive"},
		"signed text changed": {spoil: func(_ *testing.T, a *testArchive) {
			a.files["dists/trixie/InRelease"] = bytes.Replace(a.files["dists/trixie/InRelease"], []byte("Origin: Debian"), []byte("Origin: debian"), 1)
		}, err: "not signed by a key of Debian's archive"},
		"text after the signature": {spoil: func(_ *testing.T, a *testArchive) {
			a.files["dists/trixie/InRelease"] = append(a.files["dists/trixie/InRelease"], "SHA256:\n"...)
		}, err: "text after its signature"},
		"text before the signature is not read": {spoil: func(_ *testing.T, a *testArchive) {
			a.files["dists/trixie/InRelease"] = append([]byte("Codename: sid\n\n"), a.files["dists/trixie/InRelease"]...)
		}},
		"not signed": {spoil: func(_ *testing.T, a *testArchive) {
			a.files["dists/trixie/InRelease"] = []byte(goodHeader)
		}, err: "not a signed file"},
		"another suite": {spoil: func(t *testing.T, a *testArchive) {
			a.publish(t, packages, "Codename: bookworm\n")
		}, err: `InRelease of "bookworm" was served for "trixie"`},
		"expired": {spoil: func(t *testing.T, a *testArchive) {
			a.publish(t, packages, "Codename: trixie\nValid-Until: Sun, 1 Mar 2026 11:59:59 UTC\n")
		}, err: "the mirror is stale"},
		"index changed": {spoil: func(_ *testing.T, a *testArchive) {
			b := bytes.Clone(a.files[at+".xz"])
			b[len(b)/2] ^= 1
			a.files[at+".xz"] = b
		}, err: "does not have the digest the signed index states"},
		"index longer than signed": {spoil: func(_ *testing.T, a *testArchive) {
			a.files[at+".xz"] = append(bytes.Clone(a.files[at+".xz"]), 0)
		}, err: "larger than"},
		"index gone": {spoil: func(_ *testing.T, a *testArchive) {
			delete(a.files, at+".xz")
			delete(a.files, at)
		}, err: "not on the mirror"},
		"no such mirror": {spoil: func(_ *testing.T, a *testArchive) { clear(a.files) }, err: "dists/trixie/InRelease: not on the mirror (404"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := newTestArchive(t)
			a.publish(t, packages, goodHeader)
			r := a.reader(t)
			tt.spoil(t, a)
			ix, err := r.Index(context.Background(), "trixie", "amd64")
			if tt.err == "" {
				if err != nil {
					t.Fatal(err)
				}
				if ix.Len() != 1 || ix.Lookup("a") == nil {
					t.Fatalf("%d packages", ix.Len())
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("error %v, want %q", err, tt.err)
			}
		})
	}
}

func TestRetriesServerErrorsOnly(t *testing.T) {
	for _, tt := range []struct {
		status, fails, hits int
		ok                  bool
	}{
		{http.StatusServiceUnavailable, 2, 3, true},
		{http.StatusTooManyRequests, 1, 2, true},
		{http.StatusInternalServerError, 99, attempts, false},
		{http.StatusForbidden, 99, 1, false},
	} {
		a := newTestArchive(t)
		hits := 0
		a.handler = func(w http.ResponseWriter, r *http.Request) bool {
			hits++
			if hits <= tt.fails {
				w.WriteHeader(tt.status)
				return true
			}
			w.Write([]byte("x"))
			return true
		}
		_, err := a.reader(t).client.fetch(context.Background(), a.url(t), "f", 10)
		if (err == nil) != tt.ok || hits != tt.hits {
			t.Errorf("%d: %d requests, error %v", tt.status, hits, err)
		}
	}
}
