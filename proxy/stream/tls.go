package stream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// identity is what a listener shows and accepts, as read at one moment.
type identity struct {
	server *tls.Config // its session tickets rotate by themselves
	client *tls.Config
	roots  *x509.CertPool // of peers we connect to; nil: the system's
	ends   time.Time      // of the certificate
}

// Reload reads certificate, key and client CA again. From then on handshakes use the new
// ones; connections that stand go on. Where anything is wrong with them, a certificate that
// has ended included, the old ones stay and the error says what to do.
func (g *Group) Reload() error {
	if !g.secure {
		return nil
	}
	id, err := g.loadIdentity(time.Now())
	if err != nil {
		return err
	}
	g.keys.Store(id)
	return nil
}

// serverConfig and clientConfig are what the next handshake uses.
func (g *Group) serverConfig() *tls.Config { return g.keys.Load().server }

func (g *Group) clientConfig(to netip.AddrPort) *tls.Config {
	id := g.keys.Load()
	name := ""
	if g.o.ServerName != nil {
		name = g.o.ServerName(to)
	}
	if name == "" {
		name = to.Addr().WithZone("").String()
	}
	c := id.client.Clone()
	c.ServerName = name
	// The chain is verified below, with names as SIP has them.
	c.InsecureSkipVerify = true
	c.VerifyConnection = func(s tls.ConnectionState) error { return verify(s.PeerCertificates, id.roots, name) }
	return c
}

// loadIdentity reads the credentials. valid, unless zero, is when the certificate must be.
func (g *Group) loadIdentity(valid time.Time) (*identity, error) {
	t := g.l.TLS
	if t == nil || g.o.Credential == nil {
		return nil, fmt.Errorf("listener %s: transport %s needs a certificate and a key: write a tls block with the names of two secrets", g.l.Name, g.l.Transport)
	}
	fail := func(name string, err error) (*identity, error) {
		return nil, fmt.Errorf("listener %s: credential %s: %w", g.l.Name, name, err)
	}
	cert, err := g.o.Credential(t.Certificate)
	if err != nil {
		return fail(t.Certificate, fmt.Errorf("cannot be read: %w: give the appliance the certificate under this name", err))
	}
	key, err := g.o.Credential(t.Key)
	if err != nil {
		return fail(t.Key, fmt.Errorf("cannot be read: %w: give the appliance the key under this name", err))
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fail(t.Certificate, fmt.Errorf("is not a PEM certificate with the key of credential %s: %w", t.Key, err))
	}
	id := &identity{ends: pair.Leaf.NotAfter, roots: g.o.Roots}
	if !valid.IsZero() && valid.After(id.ends) {
		return fail(t.Certificate, fmt.Errorf("the certificate ended on %s: put a new one there", id.ends.UTC().Format(time.DateOnly)))
	}
	least := uint16(tls.VersionTLS12)
	switch t.MinVersion {
	case "", "1.2":
	case "1.3":
		least = tls.VersionTLS13
	default:
		return nil, fmt.Errorf("listener %s: TLS version %q: write 1.2 or 1.3", g.l.Name, t.MinVersion)
	}
	id.server = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: least}
	id.client = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: least}
	if t.ClientCA != "" {
		pem, err := g.o.Credential(t.ClientCA)
		if err != nil {
			return fail(t.ClientCA, fmt.Errorf("cannot be read: %w: give the appliance the certificates under this name", err))
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return fail(t.ClientCA, errors.New("holds no PEM certificate"))
		}
		id.server.ClientCAs, id.server.ClientAuth = pool, tls.RequireAndVerifyClientCert
		if id.roots == nil {
			id.roots = pool
		}
	}
	return id, nil
}

// verify checks the chain of a peer we connected to, and that the peer is who was meant:
// by the SIP URIs of its certificate where there are any, else by its DNS names and
// addresses (RFC 5922 7.1, 7.2).
func verify(chain []*x509.Certificate, roots *x509.CertPool, name string) error {
	if len(chain) == 0 {
		return errors.New("the peer shows no certificate")
	}
	o := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	if _, err := chain[0].Verify(o); err != nil {
		return err
	}
	sip := false
	for _, u := range chain[0].URIs {
		if !strings.EqualFold(u.Scheme, "sip") {
			continue
		}
		sip = true
		// Only a URI without user part stands for a domain.
		if !strings.Contains(u.Opaque, "@") && strings.EqualFold(u.Opaque, name) {
			return nil
		}
	}
	if sip {
		return fmt.Errorf("the SIP URIs of the certificate do not name %s", name)
	}
	return chain[0].VerifyHostname(name)
}
