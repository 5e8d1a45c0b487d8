package scenarios

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// secrets are a certificate authority and one certificate for everybody of a group.
type secrets struct {
	config  *tls.Config // of the parties
	visitor *tls.Config // of those without a certificate
}

// make issues the certificate and puts it where sbcd finds credentials.
func (s *secrets) make(t testing.TB, g *group, dir string) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.Mkdir(dir, 0o700))
	if !secure(g.a) && !secure(g.b) {
		return
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	check(err)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "everybody"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, host := range hosts {
		leaf.IPAddresses = append(leaf.IPAddresses, net.IP(g.address(host).Addr().AsSlice()))
	}
	for _, f := range []face{g.carrier(), g.core()} {
		leaf.IPAddresses = append(leaf.IPAddresses, net.IP(f.addr.Addr().AsSlice()))
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	check(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	check(err)
	encode := func(typ string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: b}) }
	files := map[string][]byte{"ca": encode("CERTIFICATE", caDER), "cert": encode("CERTIFICATE", der), "key": encode("PRIVATE KEY", keyDER)}
	for name, b := range files {
		check(os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}
	pair, err := tls.X509KeyPair(files["cert"], files["key"])
	check(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(files["ca"])
	s.config = &tls.Config{
		Certificates: []tls.Certificate{pair}, RootCAs: pool, ServerName: g.carrier().addr.Addr().String(),
		ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}
	s.visitor = &tls.Config{RootCAs: pool, ServerName: s.config.ServerName}
}
