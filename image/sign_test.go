package image

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline/image/inspect"
	"trunkline/image/measure"
	"trunkline/image/secureboot"
)

// testKeys writes a key set and reads from it what a build needs.
func testKeys(t *testing.T) (signer *secureboot.Signer, enrol []secureboot.File, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "keys")
	now := time.Now()
	set, err := secureboot.NewKeySet("Test", now, 1)
	if err != nil {
		t.Fatal(err)
	}
	files, err := set.Files(now)
	if err != nil {
		t.Fatal(err)
	}
	if err := secureboot.WriteFiles(dir, files); err != nil {
		t.Fatal(err)
	}
	if enrol, err = secureboot.LoadEnrolment(dir, set.DB.Certificate); err != nil {
		t.Fatal(err)
	}
	return set.DB, enrol, dir
}

func command(t *testing.T, name string, args ...string) (string, bool) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed (Debian: sbsigntool, mtools)", name)
	}
	out, err := exec.Command(name, args...).CombinedOutput()
	return string(out), err == nil
}

// UKI and boot loader of a signed build verify, also as they lie on the disk; the same
// request gives the same bytes, and the base layer knows nothing of it.
func TestSignedBuild(t *testing.T) {
	r := request(t)
	plain := mustBuild(t, r)
	var keys string
	r.Signer, r.Enrol, keys = testKeys(t)
	signed := mustBuild(t, r)
	if !signed.BaseReused || plain.Signature != nil || signed.Signature == nil || signed.Signature.Certificate != r.Signer.Fingerprint() {
		t.Errorf("base reused %v, signatures %+v and %+v", signed.BaseReused, plain.Signature, signed.Signature)
	}
	// The image keeps its name when it is signed.
	img := mustInspect(t, signed.Disk.Path)
	if signed.Digest != plain.Digest || img.Digest != plain.Digest || img.Changed() != nil {
		t.Errorf("image %s, signed %s, as inspected %s (%v)", plain.Digest, signed.Digest, img.Digest, img.Changed())
	}
	for what, list := range map[string][]inspect.Signature{"UKI": img.UKI.Signatures, "boot loader": img.Disk.LoaderSignatures} {
		if len(list) != 1 || list[0].Certificate != r.Signer.Fingerprint() || list[0].Subject != r.Signer.Certificate.Subject.String() || list[0].Problem != "" {
			t.Errorf("signatures of the %s: %+v", what, list)
		}
	}
	r.OutDir = t.TempDir()
	if again := mustBuild(t, r); again.UKI.SHA256 != signed.UKI.SHA256 || again.Disk.SHA256 != signed.Disk.SHA256 {
		t.Error("a second build gives other bytes")
	}

	dir, crt := t.TempDir(), filepath.Join(keys, "db.crt")
	for path, name := range map[string]string{
		"::/EFI/BOOT/BOOTX64.EFI": "loader.efi", "::/EFI/Linux/edge-test_0.efi": "uki.efi",
		"::/loader/keys/auto/PK.auth": "PK.auth", "::/loader/keys/auto/KEK.auth": "KEK.auth", "::/loader/keys/auto/db.auth": "db.auth",
		"::/loader/loader.conf": "loader.conf",
	} {
		name = filepath.Join(dir, name)
		if out, ok := command(t, "mcopy", "-i", signed.Disk.Path+"@@1M", path, name); !ok {
			t.Fatalf("%s: %s", path, out)
		}
		switch filepath.Ext(name) {
		case ".efi":
			if out, ok := command(t, "sbverify", "--cert", crt, name); !ok || strings.Contains(out, "warning") {
				t.Errorf("%s: %s", path, out)
			}
		case ".auth":
			if !bytes.Equal(read(t, name), read(t, filepath.Join(keys, filepath.Base(name)))) {
				t.Errorf("%s is not the one of the key set", path)
			}
		default:
			if !strings.Contains(string(read(t, name)), "\nsecure-boot-enroll if-safe\n") {
				t.Errorf("%s: %s", path, read(t, name))
			}
		}
	}
	uki := read(t, signed.UKI.Path)
	if !bytes.Equal(uki, read(t, filepath.Join(dir, "uki.efi"))) {
		t.Error("the UKI on the disk is another one")
	}
	at := bytes.Index(uki, []byte("PRETTY_NAME"))
	if at < 0 {
		t.Fatal("the UKI does not say what it is")
	}
	uki[at] ^= 1
	bad := filepath.Join(dir, "bad.efi")
	if err := os.WriteFile(bad, uki, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, ok := command(t, "sbverify", "--cert", crt, bad); ok {
		t.Errorf("a changed UKI verifies: %s", out)
	}
	if img := mustInspect(t, bad); img.Changed() == nil || img.UKI.Signatures[0].Problem == "" {
		t.Errorf("a changed UKI is not told: %+v", img.UKI.Signatures)
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEnrolmentNeedsASignature(t *testing.T) {
	r := request(t)
	_, r.Enrol, _ = testKeys(t)
	if _, err := Build(t.Context(), r); err == nil || !strings.Contains(err.Error(), "keys to enrol are given, but none to sign with") {
		t.Errorf("error is %v", err)
	}
}

// An image that is signed for TPMs says what PCR 11 will hold, the same bytes every time,
// and has the digest that it names. Signing it for Secure Boot changes none of this.
func TestImageSignedForTPM(t *testing.T) {
	r := request(t)
	key, _, err := measure.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	r.PCRKey = key
	first, again := mustBuild(t, r), mustBuild(t, r)
	if first.UKI != again.UKI || first.Disk != again.Disk || first.Measured == nil || *first.Measured != *again.Measured || first.Measured.Key != key.Fingerprint() {
		t.Errorf("%+v, then %+v", first.Measured, again.Measured)
	}
	r.Signer, _, _ = testKeys(t)
	signed := mustBuild(t, r)
	for _, res := range []Result{again, signed} { // signed last: both read what lies there
		if res.Digest != first.Digest || *res.Measured != *first.Measured {
			t.Errorf("%s, %+v, want %s, %+v", res.Digest, res.Measured, first.Digest, first.Measured)
		}
	}
	img := mustInspect(t, signed.Disk.Path)
	if err := img.Changed(); err != nil || img.Digest != first.Digest || img.Measured == nil || *img.Measured != (inspect.Measured{Value: first.Measured.Value, Key: key.Fingerprint()}) {
		t.Errorf("inspect says %v, %s, %+v", err, img.Digest, img.Measured)
	}
	// Another configuration, another value.
	r.Config = append(r.Config, File{Path: "etc/motd", Data: []byte("x")})
	if other := mustBuild(t, r); other.Measured.Value == first.Measured.Value {
		t.Error("another image has the same value")
	}
}
