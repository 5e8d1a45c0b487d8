package secureboot

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func files(t *testing.T, at time.Time) map[string][]byte {
	t.Helper()
	list, err := keySet(t).Files(at)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, f := range list {
		out[f.Name] = f.Data
	}
	return out
}

func TestKeySetIsWritten(t *testing.T) {
	s := keySet(t)
	list, err := s.Files(noon)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "keys")
	if err := WriteFiles(dir, list); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, v := range []string{"KEK", "PK", "db"} {
		for _, ext := range []string{"auth", "cer", "crt", "esl", "key"} {
			want = append(want, v+"."+ext)
		}
	}
	want = append(want, "owner.guid")
	slices.Sort(want)
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
	for _, name := range append(want, ".") {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", name, st.Mode())
		}
	}
	for _, name := range []string{"PK", "KEK", "db"} {
		if _, err := LoadSigner(t.Context(), filepath.Join(dir, name+".key"), filepath.Join(dir, name+".crt"), noon); err != nil {
			t.Error(err)
		}
	}
	if err := WriteFiles(dir, list); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("writing again: %v", err)
	}
}

// One file of the set is there: the others are not written beside it.
func TestNothingIsOverwritten(t *testing.T) {
	list, err := keySet(t).Files(noon)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, dir, "db.key", []byte("precious"))
	if err := WriteFiles(dir, list); err == nil || !strings.Contains(err.Error(), "db.key is there already") {
		t.Errorf("error is %v", err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"db.key"}) {
		t.Errorf("left %v", got)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "db.key")); err != nil || string(b) != "precious" {
		t.Errorf("db.key is now %q, %v", b, err)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// The lists are those that sbsiglist makes of the same certificate.
func TestSignatureListsAreThoseOfOthers(t *testing.T) {
	s := keySet(t)
	dir := t.TempDir()
	for name, b := range files(t, noon) {
		cer, ok := strings.CutSuffix(name, ".cer")
		if !ok {
			continue
		}
		out := filepath.Join(dir, cer+".esl")
		if text, ok := tool(t, "sbsiglist", "--owner", s.Owner.String(), "--type", "x509", "--output", out, write(t, dir, name, b)); !ok {
			t.Fatal(text)
		}
		want, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if got := files(t, noon)[cer+".esl"]; !bytes.Equal(got, want) {
			t.Errorf("%s.esl is not what sbsiglist makes", cer)
		}
	}
}

// OpenSSL verifies the signature of each update with the certificate that firmware will
// have for it; the time and the value are covered.
func TestUpdatesAreSignedByTheKeyAbove(t *testing.T) {
	s := keySet(t)
	guid := map[string]string{ // as firmware has it, UEFI 2.10, 3.3 and 32.4
		"PK": "61dfe48bca93d211aa0d00e098032b8c", "KEK": "61dfe48bca93d211aa0d00e098032b8c", "db": "cbb219d73a3d9645a3bcdad00e67656f",
	}
	for name, by := range map[string]*Signer{"PK": s.PK, "KEK": s.PK, "db": s.KEK} {
		all := files(t, noon)
		update, list := all[name+".auth"], all[name+".esl"]
		stamp := "ea070b150c0000000000000000000000" // 2026-11-21 12:00:00
		if got := hex.EncodeToString(update[:16]); got != stamp {
			t.Errorf("%s: time %s, want %s", name, got, stamp)
		}
		if !bytes.HasSuffix(update, list) {
			t.Errorf("%s: the list is not behind the signature", name)
		}
		if got, want := hex.EncodeToString(update[20:40]), "0002f10e9dd2af4adf68ee498aa9347d375665a7"; got != want {
			t.Errorf("%s: certificate header %s, want %s", name, got, want)
		}
		message := update[40 : 16+le.Uint32(update[16:])]
		if len(message)+40+len(list) != len(update) {
			t.Fatalf("%s: %d bytes of signature and %d of list in %d", name, len(message), len(list), len(update))
		}
		info, err := contentInfo(message)
		if err != nil {
			t.Fatal(err)
		}
		var content []byte
		for _, c := range name {
			content = append(content, byte(c), 0)
		}
		head, err := hex.DecodeString(guid[name] + "27000000" + stamp)
		if err != nil {
			t.Fatal(err)
		}
		content = slices.Concat(content, head, list)
		dir := t.TempDir()
		verify := func(content []byte) (string, bool) {
			return tool(t, "openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", write(t, dir, "sig", info),
				"-content", write(t, dir, "content", content), "-CAfile", write(t, dir, "ca", pemOf("CERTIFICATE", by.Certificate.Raw)),
				"-partial_chain", "-purpose", "any", "-no_check_time", "-out", filepath.Join(dir, "out"))
		}
		if out, ok := verify(content); !ok {
			t.Errorf("%s: %s", name, out)
		}
		content[len(content)-1] ^= 1
		if _, ok := verify(content); ok {
			t.Errorf("%s: another value verifies", name)
		}
	}
}

func TestLoadEnrolment(t *testing.T) {
	s := keySet(t)
	good := files(t, noon)
	for _, tt := range []struct {
		name string
		edit func(map[string][]byte)
		want string // empty: no error
	}{
		{"whole", func(map[string][]byte) {}, ""},
		{"no KEK", func(m map[string][]byte) { delete(m, "KEK.auth") }, "no such file or directory: give a directory with PK.auth, KEK.auth and db.auth"},
		{"list as update", func(m map[string][]byte) { m["PK.auth"] = m["PK.esl"] }, "PK.auth: it is no signed update"},
		{"empty file", func(m map[string][]byte) { m["PK.auth"] = nil }, "too short"},
		{"cut", func(m map[string][]byte) { m["db.auth"] = m["db.auth"][:len(m["db.auth"])-1] }, "db.auth: its signature list is damaged"},
		{"no list", func(m map[string][]byte) { m["db.auth"] = bytes.TrimSuffix(m["db.auth"], m["db.esl"]) }, "db.auth: it holds no key"},
		{"another db", func(m map[string][]byte) { m["db.auth"] = m["KEK.auth"] }, "holds no certificate of sha256:" + sum(s.DB.Certificate.Raw) + " (CN=Test Image Signing Key)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := map[string][]byte{}
			for k, v := range good {
				m[k] = v
			}
			tt.edit(m)
			dir := t.TempDir()
			for name, b := range m {
				write(t, dir, name, b)
			}
			got, err := LoadEnrolment(dir, s.DB.Certificate)
			switch {
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want one with %q", err, tt.want)
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want == "":
				for i, name := range []string{"PK.auth", "KEK.auth", "db.auth"} {
					if got[i].Name != name || !bytes.Equal(got[i].Data, good[name]) {
						t.Errorf("file %d is %s", i, got[i].Name)
					}
				}
			}
		})
	}
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func FuzzCertificates(f *testing.F) {
	f.Add(seed(f, "db.auth"))
	f.Fuzz(func(t *testing.T, b []byte) {
		certs, err := certificates(b)
		if err == nil && len(b) < updateHeader {
			t.Errorf("%d certificates in %d bytes", len(certs), len(b))
		}
	})
}
