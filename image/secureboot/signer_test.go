package secureboot

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestLoadSigner(t *testing.T) {
	s := keySet(t)
	rsaKey := s.DB.Key.(*rsa.PrivateKey)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(rsaKey)
	if err != nil {
		t.Fatal(err)
	}
	key, crt := pemOf("PRIVATE KEY", pkcs8), pemOf("CERTIFICATE", s.DB.Certificate.Raw)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(curve)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ed8, err := x509.MarshalPKCS8PrivateKey(edwards)
	if err != nil {
		t.Fatal(err)
	}
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	one := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: noon, NotAfter: noon}
	curveCert, err := x509.CreateCertificate(rand.Reader, one, one, curve.Public(), curve)
	if err != nil {
		t.Fatal(err)
	}
	with := func(edit func(*x509.Certificate)) []byte { return certificate(t, rsaKey, edit) }
	usage := func(u x509.KeyUsage, ext ...x509.ExtKeyUsage) []byte {
		return with(func(c *x509.Certificate) { c.KeyUsage, c.ExtKeyUsage = u, ext })
	}
	tests := []struct {
		name     string
		key, crt []byte
		want     string // of the error; empty: none
	}{
		{"PKCS #8", key, crt, ""},
		{"PKCS #1", pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), crt, ""},
		{"DER certificate", key, s.DB.Certificate.Raw, ""},
		{"both in one file", slices.Concat(crt, key), slices.Concat(key, crt), ""},
		{"code signing", key, usage(x509.KeyUsageDigitalSignature, x509.ExtKeyUsageCodeSigning), ""},
		{"any usage", key, usage(0, x509.ExtKeyUsageAny), ""},
		{"no usage", key, usage(0), ""},

		{"no key file", nil, crt, "db.key: no such file or directory"},
		{"no certificate file", key, nil, "db.crt: no such file or directory"},
		{"empty key", []byte{}, crt, "there is no private key in PEM in it"},
		{"swapped", crt, key, "are key and certificate swapped?"},
		{"two keys", key, key, "it holds a private key: are key and certificate swapped?"},
		{"public key", pemOf("PUBLIC KEY", []byte{1}), crt, "it holds a public key: give the private one"},
		{"passphrase", pemOf("ENCRYPTED PRIVATE KEY", []byte{1}), crt, "protected by a passphrase: decrypt it for the build, `openssl pkey -in "},
		{"old passphrase", []byte("-----BEGIN RSA PRIVATE KEY-----\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"), crt, "protected by a passphrase"},
		{"damaged key", pemOf("PRIVATE KEY", []byte{1, 2}), crt, "it is damaged: "},
		{"curve", pemOf("EC PRIVATE KEY", sec1), crt, "it is an elliptic curve key, firmware verifies RSA"},
		{"Ed25519", pemOf("PRIVATE KEY", ed8), crt, "it is an Ed25519 key, firmware verifies RSA"},
		{"short key", pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(short)), certificate(t, short, func(*x509.Certificate) {}), "(CN=one): its RSA key has 1024 bits, firmware wants 2048"},
		{"certificate of a curve", key, pemOf("CERTIFICATE", curveCert), "its key is of the kind ECDSA, firmware verifies RSA"},
		{"damaged certificate", key, pemOf("CERTIFICATE", []byte{1, 2}), "it is no X.509 certificate"},
		{"text as certificate", key, []byte("hello"), "it is no X.509 certificate"},
		{"chain", key, slices.Concat(crt, crt), "it holds several certificates"},
		{"parameters alone", key, pemOf("DH PARAMETERS", []byte{1}), "there is no certificate in it"},
		{"another's certificate", key, pemOf("CERTIFICATE", s.KEK.Certificate.Raw), "(CN=Test Key Exchange Key) is not for the key "},
		{"ended", key, with(func(c *x509.Certificate) { c.NotAfter = noon.AddDate(0, 0, -1) }), "(CN=one): it ended on 2026-11-20: make a new one for the same key"},
		{"not begun", key, with(func(c *x509.Certificate) { c.NotBefore = noon.AddDate(0, 0, 1) }), "it begins on 2026-11-22, today is 2026-11-21: correct the clock"},
		{"encipherment alone", key, usage(x509.KeyUsageKeyEncipherment), "its key usage does not allow signatures"},
		{"for servers", key, usage(x509.KeyUsageDigitalSignature, x509.ExtKeyUsageServerAuth), "its extended key usage does not allow to sign code"},
		{"for something unknown", key, with(func(c *x509.Certificate) { c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 2, 3}} }), "its extended key usage does not allow to sign code"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			k, c := filepath.Join(dir, "db.key"), filepath.Join(dir, "db.crt")
			if tt.key != nil {
				write(t, dir, "db.key", tt.key)
			}
			if tt.crt != nil {
				write(t, dir, "db.crt", tt.crt)
			}
			got, err := LoadSigner(t.Context(), k, c, noon)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want == "":
				if signed, err := got.Sign(testPE(make([]byte, 512))); err != nil || len(signed) == 0 {
					t.Errorf("signing: %v", err)
				}
			case err == nil || !strings.Contains(err.Error(), tt.want):
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}
