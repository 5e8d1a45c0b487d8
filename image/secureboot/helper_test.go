package secureboot

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// noon is when everything of the tests happens.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// testSet is made once: RSA keys cost time.
var testSet = sync.OnceValues(func() (*KeySet, error) { return NewKeySet("Test", noon, 10) })

func keySet(t *testing.T) *KeySet {
	t.Helper()
	s, err := testSet()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const testPEHeaders = 1024

// testPE is a PE32+ image with one section behind its headers.
func testPE(content []byte) []byte {
	const peAt, optSize, page = 64, 112 + 16*8, 4096
	raw := make([]byte, testPEHeaders)
	copy(raw, "MZ")
	le.PutUint32(raw[60:], peAt)
	copy(raw[peAt:], "PE\x00\x00")
	coff := raw[peAt+4:]
	le.PutUint16(coff, 0x8664)
	le.PutUint16(coff[2:], 1)
	le.PutUint16(coff[16:], optSize)
	le.PutUint16(coff[18:], 0x22)
	o := coff[20:]
	le.PutUint16(o, 0x20b)
	le.PutUint32(o[16:], page)
	le.PutUint32(o[32:], page)
	le.PutUint32(o[36:], 512)
	le.PutUint32(o[56:], 2*page)
	le.PutUint32(o[60:], testPEHeaders)
	le.PutUint16(o[68:], 10)
	le.PutUint32(o[108:], 16)
	s := o[optSize:]
	copy(s[:8], ".text")
	le.PutUint32(s[8:], uint32(len(content)))
	le.PutUint32(s[12:], page)
	le.PutUint32(s[16:], uint32(len(content)))
	le.PutUint32(s[20:], testPEHeaders)
	le.PutUint32(s[36:], 0x60000020)
	return append(raw, content...)
}

// tool runs a program of ci/setup and returns its output, and whether it succeeded.
func tool(t *testing.T, name string, args ...string) (string, bool) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed (Debian: sbsigntool, openssl)", name)
	}
	out, err := exec.Command(name, args...).CombinedOutput()
	return string(out), err == nil
}

func write(t *testing.T, dir, name string, b []byte) string {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := os.WriteFile(p, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// certificate is one for key as edit wants it, PEM.
func certificate(t *testing.T, key *rsa.PrivateKey, edit func(*x509.Certificate)) []byte {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "one"},
		NotBefore: noon.AddDate(-1, 0, 0), NotAfter: noon.AddDate(1, 0, 0),
	}
	edit(c)
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("CERTIFICATE", der)
}
