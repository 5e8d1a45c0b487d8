package secureboot

import (
	"bytes"
	"crypto/x509"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Signatures of others are read too: two of sbsign's, which has further attributes.
func TestSignaturesOfOthers(t *testing.T) {
	s := keySet(t)
	dir := t.TempDir()
	file := write(t, dir, "x.efi", testPE(make([]byte, 4096)))
	for _, by := range []*Signer{s.DB, s.KEK} {
		key, err := x509.MarshalPKCS8PrivateKey(by.Key)
		if err != nil {
			t.Fatal(err)
		}
		out, ok := tool(t, "sbsign", "--key", write(t, dir, "key", pemOf("PRIVATE KEY", key)), "--cert",
			write(t, dir, "crt", pemOf("CERTIFICATE", by.Certificate.Raw)), "--output", file, file)
		if !ok {
			t.Fatal(out)
		}
	}
	image, err := os.ReadFile(filepath.Join(dir, "x.efi"))
	if err != nil {
		t.Fatal(err)
	}
	check := func(image []byte, want string) {
		t.Helper()
		got, err := Signatures(image)
		if err != nil || len(got) != 2 {
			t.Fatalf("%d signatures, %v", len(got), err)
		}
		for i, by := range []*Signer{s.DB, s.KEK} {
			if !got[i].Certificate.Equal(by.Certificate) {
				t.Errorf("signature %d is by %s", i, got[i].Certificate.Subject)
			}
			if err := got[i].Err; want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
				t.Errorf("signature %d: %v, want %q", i, err, want)
			}
		}
	}
	check(image, "")
	bad := bytes.Clone(image)
	bad[testPEHeaders+7] ^= 1
	check(bad, "the image was changed after it was signed")
}

func TestSignaturesThatDoNotHold(t *testing.T) {
	s := keySet(t)
	image := testPE(make([]byte, 4096))
	if got, err := Signatures(image); err != nil || got != nil {
		t.Errorf("an unsigned image has %v, %v", got, err)
	}
	sign := func(by *Signer) []byte {
		b, err := by.Sign(image)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	signed := sign(s.DB)
	for _, tt := range []struct {
		name  string
		image []byte
		want  string
	}{
		{"another's certificate", sign(&Signer{Key: s.KEK.Key, Certificate: s.DB.Certificate}), "the signature is not by the key of its certificate"},
		{"another attribute", flip(signed, "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04\x31\x22\x04\x20", 13), "the signature is over something else"},
		{"cut", signed[:len(signed)-8], "it must be its end"},
		{"entry too long", edit(signed, 4096+testPEHeaders, 0xff), "an entry of the certificate table has "},
		{"no message", edit(signed, 4096+testPEHeaders+8, 0x31), "it is no Authenticode signature of one signer"},
	} {
		got, err := Signatures(tt.image)
		if err == nil && len(got) == 1 {
			err = got[0].Err
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func edit(b []byte, at int, to byte) []byte {
	b = bytes.Clone(b)
	b[at] = to
	return b
}

// flip changes the byte so far behind where mark begins.
func flip(b []byte, mark string, behind int) []byte {
	at := bytes.Index(b, []byte(mark)) + behind
	return edit(b, at, b[at]^1)
}

var update = flag.Bool("update", false, "write the seeds below testdata anew")

// The fuzz targets begin with files that were made once: under the fuzzer, making RSA
// keys takes longer than all the rest.
func TestSeeds(t *testing.T) {
	if *update {
		s := keySet(t)
		signed, err := s.DB.Sign(testPE(make([]byte, 16)))
		if err != nil {
			t.Fatal(err)
		}
		for name, b := range map[string][]byte{"signed.efi": signed, "db.auth": files(t, noon)["db.auth"]} {
			if err := os.WriteFile(filepath.Join("testdata", name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, err := Signatures(seed(t, "signed.efi")); err != nil || len(got) != 1 || got[0].Err != nil {
		t.Errorf("signed.efi: %+v, %v", got, err)
	}
	if got, err := certificates(seed(t, "db.auth")); err != nil || len(got) != 1 {
		t.Errorf("db.auth: %d certificates, %v", len(got), err)
	}
}

func seed(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func FuzzSignatures(f *testing.F) {
	f.Add(seed(f, "signed.efi"))
	f.Add(testPE(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := Signatures(b)
		if err != nil {
			return
		}
		for _, one := range got {
			if one.Certificate == nil {
				t.Error("a signature without its certificate")
			}
		}
	})
}
