package spec

import "fmt"

// checkListenerSecrets resolves what TLS listeners show and accept.
func (d *decoder) checkListenerSecrets(s *Spec) {
	for _, l := range s.Listeners {
		t := l.TLS
		if t == nil {
			continue
		}
		owner := fmt.Sprintf("listener %q", l.Name)
		d.checkSecret(s, owner, "certificate", t.Certificate, t.CertificateRange)
		d.checkSecret(s, owner, "key", t.Key, t.KeyRange)
		d.checkSecret(s, owner, "client_ca", t.ClientCA, t.ClientCARange)
		if t.ClientCA != "" && t.ClientCA == t.Key {
			d.errorf(t.ClientCARange, "Key as a certificate authority", "client_ca names whose certificates are taken, and this is the key of listener %q itself. Name the secret that holds the authority's certificates.", l.Name)
		}
	}
}
