package release

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trunkline/image/imagetest"
	"trunkline/image/secureboot"
)

func good() Index {
	hex := strings.Repeat("0a", 32)
	return Index{FormatVersion: 1, Name: "edge-fra1", Version: "20260131.120000", File: "edge-fra1_20260131.120000.efi",
		Size: 1 << 20, SHA256: hex, Image: "sha256:" + hex, Signer: hex}
}

func TestIndex(t *testing.T) {
	b, err := good().Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(good(), got); d != "" {
		t.Error(d)
	}
	// A later version may say more.
	if _, err := Decode(bytes.Replace(b, []byte("{"), []byte(`{"notes": "x",`), 1)); err != nil {
		t.Errorf("a field more: %v", err)
	}
}

func TestIndexRefused(t *testing.T) {
	with := func(change func(map[string]any)) string {
		var m map[string]any
		b, _ := good().Encode()
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		change(m)
		b, _ = json.Marshal(m)
		return string(b)
	}
	set := func(key string, value any) string { return with(func(m map[string]any) { m[key] = value }) }
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "no index"},
		{"a web page", "\n<!doctype html>", "a web page"},
		{"cut off", `{"format_version": 1, "name": "ed`, "no index"},
		{"too long", strings.Repeat(" ", MaxIndex+1), "more than 65536 bytes"},
		{"of a later version", set("format_version", 2), "format_version 2, and this program reads 1"},
		{"a name that is a path", set("name", "../edge"), `its name "../edge"`},
		{"a version that is a path", set("version", "1/../2"), "its version"},
		{"no version", with(func(m map[string]any) { m["version"] = "0"; m["file"] = "edge-fra1_0.efi" }), "nobody gave one"},
		{"another directory", set("file", "../edge-fra1_20260131.120000.efi"), "its file is"},
		{"another server", set("file", "https://example.net/x.efi"), "its file is"},
		{"no size", set("size", 0), "its size is 0"},
		{"too large", set("size", int64(MaxImage)+1), "its size is"},
		{"a negative size", set("size", -1), "its size is -1"},
		{"no digest", set("sha256", ""), "digests"},
		{"a digest in capitals", set("sha256", strings.Repeat("0A", 32)), "digests"},
		{"an image digest without its kind", set("image", strings.Repeat("0a", 32)), "digests"},
		{"no signer", set("signer", "x"), "digests"},
	} {
		if _, err := Decode([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	b, _ := good().Encode()
	f.Add(b)
	f.Add([]byte("<html>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := Decode(b)
		if err != nil {
			return
		}
		if strings.ContainsAny(x.File, "/\\") || !strings.HasSuffix(x.File, ".efi") || x.Size > MaxImage {
			t.Errorf("%+v", x)
		}
		again, err := x.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if y, err := Decode(again); err != nil || x != y {
			t.Errorf("%+v is read back as %+v (%v)", x, y, err)
		}
	})
}

func keys(t *testing.T, name string) *secureboot.Signer {
	t.Helper()
	set, err := secureboot.NewKeySet(name, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 10)
	if err != nil {
		t.Fatal(err)
	}
	return set.DB
}

func TestImage(t *testing.T) {
	ours, others := keys(t, "ours"), keys(t, "ours") // the same subject, another key
	raw, err := imagetest.Signed("edge", "7.1", 5000, ours)
	if err != nil {
		t.Fatal(err)
	}
	img, err := Read(raw)
	if err != nil {
		t.Fatal(err)
	}
	if img.Name != "edge" || img.Version != "7.1" || !strings.HasPrefix(img.Digest, "sha256:") {
		t.Errorf("%+v", img)
	}
	if err := img.SignedBy(ours.Certificate); err != nil {
		t.Error(err)
	}
	if err := img.SignedBy(others.Certificate); err == nil || !strings.Contains(err.Error(), "another certificate") {
		t.Errorf("another certificate of the same name: %v", err)
	}
	plain, err := imagetest.Signed("edge", "7.1", 5000, nil)
	if err != nil {
		t.Fatal(err)
	}
	img, err = Read(plain)
	if err != nil {
		t.Fatal(err)
	}
	if err := img.SignedBy(ours.Certificate); err == nil || !strings.Contains(err.Error(), "not signed") {
		t.Errorf("no signature: %v", err)
	}
}

// A byte changed anywhere is told: by the digest, the signature, or as a file that is none.
func TestChangedImage(t *testing.T) {
	ours := keys(t, "ours")
	raw, err := imagetest.Signed("edge", "7.1", 5000, ours)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(raw); at += 97 {
		b := bytes.Clone(raw)
		b[at] ^= 0x20
		img, err := Read(b)
		if err == nil {
			err = img.SignedBy(ours.Certificate)
		}
		// What Authenticode leaves out: the checksum and the entry of the table; padding of the table.
		if err == nil && (img.Name != "edge" || img.Version != "7.1") {
			t.Errorf("byte %d changed the identity, and nobody says so", at)
		}
		if err == nil && at > 4096 && at < len(raw)-4096 {
			t.Errorf("byte %d changed, and nobody says so", at)
		}
	}
	for _, n := range []int{0, 1, 64, 1000, len(raw) / 2, len(raw) - 1} {
		img, err := Read(raw[:n])
		if err == nil {
			err = img.SignedBy(ours.Certificate)
		}
		if err == nil {
			t.Errorf("the first %d bytes pass for the image", n)
		}
	}
}
