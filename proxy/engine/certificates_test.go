package engine

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline/appliance/runtime"
	"trunkline/proxy/stream"
)

// secretFiles is a directory of credentials, as the service manager makes one.
type secretFiles struct {
	t   *testing.T
	dir string
}

func newSecretFiles(t *testing.T) secretFiles {
	t.Helper()
	s := secretFiles{t, t.TempDir()}
	t.Setenv("CREDENTIALS_DIRECTORY", s.dir)
	return s
}

func (s secretFiles) put(name string, content []byte) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), content, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// overTLS gives each listener a certificate of its own: secrets NAME-cert and NAME-key,
// credentials edge.NAME-cert and edge.NAME-key.
func overTLS(a *runtime.Appliance) {
	for i := range a.Listeners {
		l := &a.Listeners[i]
		l.Transport, l.TLS = "tls", &runtime.TLS{Certificate: l.Name + "-cert", Key: l.Name + "-key", MinVersion: "1.2"}
		for _, n := range []string{l.TLS.Certificate, l.TLS.Key} {
			a.Secrets = append(a.Secrets, runtime.Secret{Name: n, Credential: "edge." + n})
		}
	}
}

// shown is the certificate a listener shows.
func shown(t *testing.T, from string, l runtime.Listener) *x509.Certificate {
	t.Helper()
	d := tls.Dialer{NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}, Config: &tls.Config{InsecureSkipVerify: true}}
	c, err := d.DialContext(t.Context(), "tcp", l.Address.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0]
}

// All listeners change their certificates, or none does.
func TestReloadCertificates(t *testing.T) {
	files := newSecretFiles(t)
	names := []string{"out", "in"}
	certs, keys := map[string][]byte{}, map[string][]byte{}
	renew := func(n string) {
		_, certs[n], keys[n] = certificates(t, "127.0.10.1")
	}
	store := func() {
		for _, n := range names {
			files.put("edge."+n+"-cert", certs[n])
			files.put("edge."+n+"-key", keys[n])
		}
	}
	for _, n := range names {
		renew(n)
	}
	store()
	r := newRig(t, 1, overTLS)
	look := func() [2]string {
		return [2]string{string(shown(t, "127.0.11.1", r.cfg.Listeners[0]).Raw), string(shown(t, "127.0.21.1", r.cfg.Listeners[1]).Raw)}
	}
	before := look()

	renew("out")
	store()
	files.put("edge.in-key", keys["out"]) // of another certificate
	err := r.e.ReloadCertificates()
	if err == nil || !strings.Contains(err.Error(), "listener in: secret in-cert: is not a PEM certificate with the key of secret in-key") {
		t.Errorf("a key of another certificate: %v", err)
	}
	if look() != before {
		t.Error("one listener changed its certificate though the other could not")
	}

	store()
	if err := r.e.ReloadCertificates(); err != nil {
		t.Fatal(err)
	}
	after := look()
	if after[0] == before[0] || after[1] != before[1] {
		t.Errorf("listener out shows a new certificate: %v; listener in the old one: %v", after[0] != before[0], after[1] == before[1])
	}
	cs := r.e.Stats().Listeners[0].Connections.Certificates
	if want := shown(t, "127.0.11.1", r.cfg.Listeners[0]); len(cs) != 1 || cs[0].Use != stream.UseCertificate || !cs[0].NotAfter.Equal(want.NotAfter) || cs[0].Serial != want.SerialNumber.Text(16) {
		t.Errorf("told of %+v", cs)
	}
}

// Without a secret nothing is opened, not even what needs none, and the error says which
// credential is missing.
func TestMissingSecret(t *testing.T) {
	_, cert, key := certificates(t, "127.0.20.1")
	for _, c := range []struct {
		name, want string
		do         func(secretFiles)
	}{
		{"no credential", "listener in: secret in-key: sbcd was not handed credential edge.in-key: pass it to the appliance when it boots", func(f secretFiles) { f.put("edge.in-cert", cert) }},
		{"empty", "credential edge.in-key is empty", func(f secretFiles) { f.put("edge.in-cert", cert); f.put("edge.in-key", nil) }},
		{"a directory", "credential edge.in-cert cannot be read", func(f secretFiles) {
			f.put("edge.in-key", key)
			if err := os.Mkdir(filepath.Join(f.dir, "edge.in-cert"), 0o700); err != nil {
				t.Fatal(err)
			}
		}},
		{"none at all", "sbcd was handed no credentials: pass credential edge.in-cert", func(f secretFiles) { f.t.Setenv("CREDENTIALS_DIRECTORY", "") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.do(newSecretFiles(t))
			cfg := newRig(t, 1, nil).cfg // addresses that are free again below
			plain := *cfg
			plain.Listeners = append([]runtime.Listener{}, cfg.Listeners...)
			for i := range plain.Listeners {
				plain.Listeners[i].Address = freePort(t, plain.Listeners[i].Address.Addr().String())
			}
			overTLS(&plain)
			plain.Listeners[0].Transport, plain.Listeners[0].TLS = "udp", nil
			e := newLoggedEngine(t, &plain, quiet)
			if err := e.Bind(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(plain.Listeners[0].Address))
			if err != nil {
				t.Errorf("listener out was opened: %v", err)
			} else {
				udp.Close()
			}
		})
	}
}
