package stream

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline/appliance/runtime"
)

func TestTLSEcho(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		r := start(t, secureConfig("tls"), Options{}, echo)
		c, err := r.secure(&tls.Config{RootCAs: ca().pool(), ServerName: "sbc.example", MaxVersion: version})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			say(t, c, options(i, i*300))
			hear(t, c, options(i, i*300))
		}
		say(t, c, "\r\n\r\n")
		hear(t, c, "\r\n")
		if cs := r.Stats().Certificates; len(cs) != 1 || cs[0].Secret != "cert" || cs[0].Use != UseCertificate || cs[0].NotAfter.IsZero() {
			t.Errorf("nobody can see when the certificate ends: %+v", cs)
		}
		// The end is authentic: a close_notify, not a cut.
		_ = r.Close()
		if _, err := io.ReadAll(c); err != nil {
			t.Errorf("the connection ended with %v", err)
		}
	}
}

func TestTLSRefusesOldVersions(t *testing.T) {
	l := secureConfig("tls")
	l.TLS.MinVersion = "1.3"
	r := start(t, l, Options{}, nil)
	if _, err := r.secure(&tls.Config{RootCAs: ca().pool(), ServerName: "sbc.example", MaxVersion: tls.VersionTLS12}); err == nil {
		t.Error("TLS 1.2 is taken where 1.3 is required")
	}
	r.eventually("the failed handshake", func() bool { st := r.Stats(); return st.Handshakes == 1 && st.Connections == 0 })
	if len(r.failed) != 0 {
		t.Error("a connection that never stood was told as failed")
	}
}

func TestTLSClientCertificates(t *testing.T) {
	l := secureConfig("tls")
	l.TLS.ClientCA = "ca"
	r := start(t, l, Options{}, echo)
	stranger := newAuthority(t)
	for _, c := range []struct {
		name string
		cert []tls.Certificate
		ok   bool
	}{
		{"none", nil, false},
		{"of another CA", []tls.Certificate{stranger.pair(t, "x")}, false},
		{"ours", []tls.Certificate{ca().pair(t, "peer.example")}, true},
	} {
		conn, err := r.secure(&tls.Config{RootCAs: ca().pool(), ServerName: "sbc.example", Certificates: c.cert})
		if err == nil { // TLS 1.3: the client learns of the refusal when it reads
			_, _ = io.WriteString(conn, options(1, 0))
			b := make([]byte, len(options(1, 0)))
			_, err = io.ReadFull(conn, b)
		}
		if (err == nil) != c.ok {
			t.Errorf("client certificate %s: %v", c.name, err)
		}
	}
}

// A peer that connects and says nothing, or something that is not TLS, ends within the
// handshake's time, and so many of them shut nobody out.
func TestTLSHandshakeBounds(t *testing.T) {
	l := secureConfig("tls")
	l.Connections.Handshake = runtime.Duration(300 * time.Millisecond)
	r := start(t, l, Options{MaxHandshakes: 2}, nil)
	silent, rude := r.peer("127.0.50.2"), r.peer("127.0.50.3")
	r.eventually("two handshakes", func() bool { return r.Stats().Handshaking == 2 })
	r.turnedAway("127.0.50.4")
	if n := r.Stats().Refused["handshakes"]; n != 1 {
		t.Errorf("%d refused", n)
	}
	_, _ = io.WriteString(rude, options(1, 0))
	ended(t, rude)
	ended(t, silent)
	r.eventually("no handshake", func() bool { return r.Stats().Handshaking == 0 })
	c, err := r.secure(&tls.Config{RootCAs: ca().pool(), ServerName: "sbc.example"})
	if err != nil {
		t.Fatal(err)
	}
	say(t, c, options(1, 0))
	wait(t, "a message", r.got)
	r.figures(func(st Stats) bool { return st.Handshakes == 2 })
}

func TestTLSReload(t *testing.T) {
	r := start(t, secureConfig("tls"), Options{}, echo)
	connect := func() (*tls.Conn, string) {
		c, err := r.secure(&tls.Config{RootCAs: ca().pool(), ServerName: "sbc.example"})
		if err != nil {
			t.Error(err)
			return nil, ""
		}
		return c, c.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	old, before := connect()
	cert, key := ca().issue(t, time.Now().Add(time.Hour), "sbc.example")
	ended, endedKey := ca().issue(t, time.Now().Add(-time.Minute), "sbc.example")
	for _, bad := range []struct {
		want  string
		files map[string][]byte
	}{
		{"is not a PEM certificate with the key", map[string][]byte{"cert": cert}},
		{"is not a PEM certificate with the key", map[string][]byte{"cert": []byte("nonsense")}},
		{"the certificate ended on", map[string][]byte{"cert": ended, "key": endedKey}},
	} {
		r.put(bad.files)
		if err := r.reload(); err == nil || !strings.Contains(err.Error(), bad.want) || !strings.HasPrefix(err.Error(), "listener a: secret ") {
			t.Errorf("%v, want %q", err, bad.want)
		}
		if _, now := connect(); now != before {
			t.Error("a bad certificate took the place of the good one")
		}
	}
	// Under load: no handshake fails, and those after Reload see the new certificate.
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if c, _ := connect(); c != nil {
					say(t, c, options(1, 10))
					hear(t, c, options(1, 10))
					_ = c.Close()
				}
			}
		})
	}
	r.put(map[string][]byte{"cert": cert, "key": key})
	for range 20 {
		if err := r.reload(); err != nil {
			t.Error(err)
		}
	}
	_, now := connect()
	close(stop)
	wg.Wait()
	if now == before {
		t.Error("the new certificate is not shown")
	}
	say(t, old, options(2, 0))
	hear(t, old, options(2, 0))
}

func TestTLSOpenErrors(t *testing.T) {
	good := ourCredentials(t)
	for _, c := range []struct {
		want   string
		change func(l *runtime.Listener, files map[string][]byte)
	}{
		{"secret cert: no such credential", func(_ *runtime.Listener, f map[string][]byte) { delete(f, "cert") }},
		{"secret key: no such credential", func(_ *runtime.Listener, f map[string][]byte) { delete(f, "key") }},
		{"secret ca: no such credential", func(l *runtime.Listener, f map[string][]byte) { l.TLS.ClientCA = "ca"; delete(f, "ca") }},
		{"secret ca: holds a PEM block", func(l *runtime.Listener, f map[string][]byte) { l.TLS.ClientCA, f["ca"] = "ca", f["key"] }},
		{"secret ca: certificate 2 cannot be read", func(l *runtime.Listener, f map[string][]byte) {
			l.TLS.ClientCA = "ca"
			f["ca"] = append(bytes.Clone(f["ca"]), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})...)
		}},
		{"secret ca: holds no PEM certificate", func(l *runtime.Listener, f map[string][]byte) { l.TLS.ClientCA, f["ca"] = "ca", nil }},
		{"write 1.2 or 1.3", func(l *runtime.Listener, _ map[string][]byte) { l.TLS.MinVersion = "1.1" }},
	} {
		l, files := secureConfig("tls"), map[string][]byte{}
		for k, v := range good {
			files[k] = v
		}
		c.change(&l, files)
		g, err := Open(l, Options{Credential: func(name string) ([]byte, error) {
			if b, ok := files[name]; ok {
				return b, nil
			}
			return nil, errors.New("no such credential")
		}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
		if g != nil {
			_ = g.Close()
		}
	}
}

// We connect only to who is meant: by a SIP URI in its certificate, a DNS name or the
// address (RFC 5922).
func TestTLSDial(t *testing.T) {
	stranger := newAuthority(t)
	for _, c := range []struct {
		name string
		cert tls.Certificate
		as   string
		ok   bool
	}{
		{"address", ca().pair(t, "127.0.50.9"), "", true},
		{"another address", ca().pair(t, "127.0.50.8"), "", false},
		{"DNS name", ca().pair(t, "carrier.example"), "carrier.example", true},
		{"another DNS name", ca().pair(t, "other.example"), "carrier.example", false},
		{"SIP URI", ca().pair(t, "sip:carrier.example"), "carrier.example", true},
		{"SIP URI of a user", ca().pair(t, "sip:joe@carrier.example"), "carrier.example", false},
		{"DNS name beside another SIP URI", ca().pair(t, "carrier.example", "sip:other.example"), "carrier.example", false},
		{"another CA", stranger.pair(t, "127.0.50.9"), "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, secureConfig("tls"), Options{Roots: ca().pool(), ServerName: func(netip.AddrPort) string { return c.as }}, nil)
			ln := server(t)
			var shown []*x509.Certificate
			done := make(chan error, 1)
			go func() {
				raw, err := ln.Accept()
				if err != nil {
					done <- err
					return
				}
				defer raw.Close()
				_ = raw.SetDeadline(time.Now().Add(patience))
				s := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{c.cert}, ClientAuth: tls.RequestClientCert})
				b := make([]byte, len(options(1, 10)))
				_, err = io.ReadFull(s, b)
				shown = s.ConnectionState().PeerCertificates
				done <- err
				_, _ = io.Copy(io.Discard, s)
			}()
			if err := r.Send([]byte(options(1, 10)), ln.Addr().(*net.TCPAddr).AddrPort()); err != nil {
				t.Fatal(err)
			}
			err := wait(t, "the server", done)
			if (err == nil) != c.ok {
				t.Errorf("server: %v", err)
			}
			if c.ok && len(shown) == 0 {
				t.Error("we show no certificate")
			}
			if !c.ok {
				wait(t, "the failure", r.failed)
			}
		})
	}
}
