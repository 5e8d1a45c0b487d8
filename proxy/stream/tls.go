package stream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

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
