package secureboot

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A key in SoftHSM signs with the same bytes as from a file.
func TestKeyInAToken(t *testing.T) {
	s := keySet(t)
	dir := t.TempDir()
	tokens := filepath.Join(dir, "tokens")
	if err := os.Mkdir(tokens, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", write(t, dir, "softhsm2.conf", []byte("directories.tokendir = "+tokens+"\n")))
	der, err := x509.MarshalPKCS8PrivateKey(s.DB.Key)
	if err != nil {
		t.Fatal(err)
	}
	key := write(t, dir, "db.key", pemOf("PRIVATE KEY", der))
	for _, args := range [][]string{
		{"--init-token", "--free", "--label", "images", "--pin", "1234", "--so-pin", "12345678"},
		{"--import", key, "--token", "images", "--label", "db", "--id", "01", "--pin", "1234"},
	} {
		if out, ok := tool(t, "softhsm2-util", args...); !ok {
			t.Fatal(out)
		}
	}
	if out, ok := tool(t, "openssl", "engine", "pkcs11"); !ok {
		t.Fatalf("ci/setup test installs libengine-pkcs11-openssl: %s", out)
	}
	crt := write(t, dir, "db.crt", pemOf("CERTIFICATE", s.DB.Certificate.Raw))
	pin := write(t, dir, "pin", []byte("1234"))
	for _, uri := range []string{"pkcs11:token=images;object=db;type=private?pin-value=1234", "pkcs11:token=images;id=%01?pin-source=file:" + pin} {
		signer, err := LoadSigner(t.Context(), uri, crt, noon)
		if err != nil {
			t.Fatal(err)
		}
		image := testPE(make([]byte, 4096))
		want, err := s.DB.Sign(image)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := signer.Sign(image); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: the token signs otherwise than the file (%v)", uri, err)
		}
	}

	// A key without a certificate signs the same, and only as the key of its public key.
	digest := sha256.Sum256([]byte("a policy"))
	bare, err := LoadKey(t.Context(), "pkcs11:token=images;object=db?pin-value=1234", s.DB.Certificate.PublicKey.(*rsa.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	want, err := s.DB.Key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := bare.Sign(nil, digest[:], crypto.SHA256); err != nil || !bytes.Equal(got, want) {
		t.Errorf("without a certificate the token signs otherwise than the file (%v)", err)
	}
	if _, err := LoadKey(t.Context(), "pkcs11:token=images;object=db?pin-value=1234", s.KEK.Certificate.PublicKey.(*rsa.PublicKey)); err == nil ||
		!strings.Contains(err.Error(), "or not that of the public key given") || strings.Contains(err.Error(), "1234") {
		t.Errorf("another public key: %v", err)
	}

	other := write(t, dir, "KEK.crt", pemOf("CERTIFICATE", s.KEK.Certificate.Raw))
	for _, tt := range []struct{ name, uri, crt, want string }{
		{"another certificate", "pkcs11:token=images;object=db?pin-value=1234", other, "the token's key is not the certificate's"},
		{"no such object", "pkcs11:token=images;object=dbx?pin-value=1234", crt, "object=dbx?pin-value=...: OpenSSL cannot sign with it: "},
		{"no such token", "pkcs11:token=none;object=db?pin-value=1234", crt, "is the token there"},
		{"wrong PIN", "pkcs11:token=images;object=db?pin-value=9999", crt, "OpenSSL cannot sign with it: "},
	} {
		_, err := LoadSigner(t.Context(), tt.uri, tt.crt, noon)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
		if err != nil && (strings.Contains(err.Error(), "1234") || strings.Contains(err.Error(), "9999")) {
			t.Errorf("%s: the error shows the PIN: %v", tt.name, err)
		}
	}
}

func TestTokensWithoutOpenSSL(t *testing.T) {
	s := keySet(t)
	crt := write(t, t.TempDir(), "db.crt", pemOf("CERTIFICATE", s.DB.Certificate.Raw))
	t.Setenv("PATH", t.TempDir())
	if _, err := LoadSigner(t.Context(), "pkcs11:object=db", crt, noon); err == nil || !strings.Contains(err.Error(), "used through OpenSSL, which is not installed") {
		t.Errorf("error is %v", err)
	}
}
