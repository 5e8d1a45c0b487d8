package cmd_test

import (
	"strings"
	"testing"
	"time"

	"trunkline/appliance/runtime"
)

// A listener of each transport answers the check; one that is not there is named.
func TestSelfcheck(t *testing.T) {
	for _, transport := range []string{"udp", "tcp", "tls", "mutual tls", "ws", "wss"} {
		t.Run(transport, func(t *testing.T) {
			a, dir := secureConfig(t)
			putCertificate(t, dir, "edge", time.Now().Add(time.Hour))
			l := &a.Listeners[0]
			tls := *l.TLS
			l.Transport, l.TLS = strings.TrimPrefix(transport, "mutual "), nil
			if l.Transport != "udp" {
				l.Connections = &runtime.Connections{Max: 10, PerSource: 10, Idle: runtime.Duration(time.Minute), Handshake: runtime.Duration(5 * time.Second)}
			}
			if l.Transport == "tls" || l.Transport == "wss" {
				l.TLS = &tls
			} else {
				a.Secrets = nil
			}
			if transport == "mutual tls" {
				l.TLS.ClientCA = "ca"
				a.Secrets = append(a.Secrets, runtime.Secret{Name: "ca", Credential: "trunk.cert"})
			}
			file := write(t, a)
			_, stderr, code := sbcd(t, "selfcheck", "--config", file, "--within", "300ms")
			if code != 1 || !strings.Contains(stderr, "trunkline: refused: self-check: listener carrier ("+l.Address.String()+"/"+l.Transport+") does not answer OPTIONS") {
				t.Errorf("nothing runs: exit %d, %q", code, stderr)
			}
			p := start(t, a)
			p.ready()
			stdout, stderr, code := sbcd(t, "selfcheck", "--config", file)
			if code != 0 || stdout != "trunkline: self-check passed: 2 listeners answer\n" {
				t.Errorf("exit %d, %q, %q", code, stdout, stderr)
			}
		})
	}
}
