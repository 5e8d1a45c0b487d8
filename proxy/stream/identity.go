package stream

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"trunkline/appliance/runtime"
)

// identity is what a listener shows and accepts, as read at one moment.
type identity struct {
	server       *tls.Config // its session tickets rotate by themselves
	client       *tls.Config
	roots        *x509.CertPool // of peers we connect to; nil: the system's
	certificates []Certificate
}

// Certificate is one certificate out of the secrets of a listener.
type Certificate struct {
	Secret    string    `json:"secret"`  // name of the secret it came in
	Use       string    `json:"use"`     // what the secret is to the listener: "certificate" or "client_ca"
	Subject   string    `json:"subject"` // RFC 2253
	Serial    string    `json:"serial"`  // hexadecimal
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
}

// Uses of a certificate.
const (
	UseCertificate = "certificate" // shown: the listener's own and those that lead to its authority
	UseClientCA    = "client_ca"   // of an authority whose clients are let in
)

// Check reads what a listener over TLS or WSS shows and accepts, without opening it; with
// another transport there is nothing to read. The error names listener, secret and remedy.
// A certificate that has ended is no error: a clock that is wrong at boot must not keep an
// appliance from its calls.
func Check(l runtime.Listener, credential func(name string) ([]byte, error)) error {
	if !secure(l) {
		return nil
	}
	_, err := loadIdentity(l, nil, credential, time.Time{})
	return err
}

func secure(l runtime.Listener) bool { return l.Transport == "tls" || l.Transport == "wss" }

// Prepare reads certificate, key and client CA again and checks them. From swap on,
// handshakes use the new ones and sessions of before are not resumed; connections that stand
// go on. Where anything is wrong with them, a certificate that has ended included, the error
// says what to do. Without TLS swap does nothing.
func (g *Group) Prepare(credential func(name string) ([]byte, error)) (swap func(), err error) {
	if !g.secure {
		return func() {}, nil
	}
	id, err := loadIdentity(g.l, g.o.Roots, credential, time.Now())
	if err != nil {
		return nil, err
	}
	return func() { g.keys.Store(id) }, nil
}

// loadIdentity reads the credentials. valid, unless zero, is when the certificate must be.
func loadIdentity(l runtime.Listener, roots *x509.CertPool, credential func(name string) ([]byte, error), valid time.Time) (*identity, error) {
	t := l.TLS
	if t == nil || credential == nil {
		return nil, fmt.Errorf("listener %s: transport %s needs a certificate and a key: write a tls block with the names of two secrets", l.Name, l.Transport)
	}
	fail := func(name string, err error) (*identity, error) {
		return nil, fmt.Errorf("listener %s: secret %s: %w", l.Name, name, err)
	}
	cert, err := credential(t.Certificate)
	if err != nil {
		return fail(t.Certificate, err)
	}
	key, err := credential(t.Key)
	if err != nil {
		return fail(t.Key, err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fail(t.Certificate, fmt.Errorf("is not a PEM certificate with the key of secret %s: %w: put the two there that belong together, the listener's own certificate first", t.Key, err))
	}
	id := &identity{roots: roots}
	for _, der := range pair.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return fail(t.Certificate, fmt.Errorf("holds a certificate that is none: %w: put the whole chain there as PEM", err))
		}
		id.add(t.Certificate, UseCertificate, c)
	}
	own := id.certificates[0]
	switch {
	case valid.IsZero():
	case valid.After(own.NotAfter):
		return fail(t.Certificate, fmt.Errorf("the certificate ended on %s: put a new one there", day(own.NotAfter)))
	case valid.Before(own.NotBefore):
		return fail(t.Certificate, fmt.Errorf("the certificate is valid from %s on: put one there that is valid, or set the clock", day(own.NotBefore)))
	}
	least := uint16(tls.VersionTLS12)
	switch t.MinVersion {
	case "", "1.2":
	case "1.3":
		least = tls.VersionTLS13
	default:
		return nil, fmt.Errorf("listener %s: TLS version %q: write 1.2 or 1.3", l.Name, t.MinVersion)
	}
	id.server = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: least}
	id.client = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: least}
	if t.ClientCA == "" {
		return id, nil
	}
	text, err := credential(t.ClientCA)
	if err != nil {
		return fail(t.ClientCA, err)
	}
	authorities, err := parseCertificates(text)
	if err != nil {
		return fail(t.ClientCA, err)
	}
	pool := x509.NewCertPool()
	for _, c := range authorities {
		pool.AddCert(c)
		id.add(t.ClientCA, UseClientCA, c)
	}
	id.server.ClientCAs, id.server.ClientAuth = pool, tls.RequireAndVerifyClientCert
	if id.roots == nil {
		id.roots = pool
	}
	return id, nil
}

func (id *identity) add(secret, use string, c *x509.Certificate) {
	id.certificates = append(id.certificates, Certificate{
		Secret: secret, Use: use, Subject: strings.ToValidUTF8(c.Subject.String(), "?"), Serial: c.SerialNumber.Text(16), NotBefore: c.NotBefore, NotAfter: c.NotAfter,
	})
}

// parseCertificates reads all certificates of a PEM file. One that cannot be read is an
// error: leaving it out would shut out its clients without a word.
func parseCertificates(text []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("holds a PEM block %q: put nothing but certificates of authorities there", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d cannot be read: %w: put it there again", len(out)+1, err)
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, errors.New("holds no PEM certificate: put those of the authorities there whose clients are let in")
	}
	return out, nil
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
