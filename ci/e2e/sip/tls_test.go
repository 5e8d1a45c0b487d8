package sip

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// withTLS are the replacements that put the listeners named in over on TLS, with client
// certificates, and the destinations where core is one of them.
func withTLS(over ...string) []string {
	const block = "  tls {\n    certificate = \"cert\"\n    key         = \"key\"\n    client_ca   = \"ca\"\n  }\n"
	pairs := []string{"route \"all\" {", "secret \"cert\" { from = \"credential\" }\nsecret \"key\" { from = \"credential\" }\nsecret \"ca\" { from = \"credential\" }\nroute \"all\" {"}
	for _, l := range over {
		source := map[string]string{"carrier": "127.0.0.10/32", "core": "127.0.0.21/32"}[l]
		pairs = append(pairs, "  transport = \"udp\"\n  sources   = [\""+source+"\"]\n", "  transport = \"tls\"\n  sources   = [\""+source+"\"]\n"+block)
		if l == "core" {
			pairs = append(pairs, "sip:127.0.0.21:5060", "sip:127.0.0.21:5060;transport=tls", "sip:127.0.0.22:5060", "sip:127.0.0.22:5060;transport=tls")
		}
	}
	return pairs
}

func always() time.Time { return time.Now().Add(24 * time.Hour) }

// Another stack on both sides, with a certificate for each: calls pass between TLS and UDP
// in both directions and from TLS to TLS, with a Record-Route for either side by which the
// requests within the dialog come back, whoever sends them.
func TestCallOverTLS(t *testing.T) {
	routes := map[string]string{"carrier udp": "<sip:127.0.0.2:5060;lr>", "carrier tls": "<sip:127.0.0.2:5060;transport=tls;lr>", "core udp": "<sip:127.0.0.3:5060;lr>", "core tls": "<sip:127.0.0.3:5060;transport=tls;lr>"}
	for _, c := range []struct {
		in, out string
		over    []string
	}{{"tls", "udp", []string{"carrier"}}, {"udp", "tls", []string{"core"}}, {"tls", "tls", []string{"carrier", "core"}}} {
		t.Run(c.in+" to "+c.out, func(t *testing.T) {
			a := newAuthority(t, "authority")
			giveCredentials(t, a)
			proxy := startProxyOf(t, withTLS(c.over...)...)
			gw := startGateway(t, c.out, "127.0.0.21:5060", a.peer(a, always(), "127.0.0.21"))
			startGateway(t, c.out, "127.0.0.22:5060", a.peer(a, always(), "127.0.0.22"))
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			d := invite(ctx, t, dialogs(t, c.in, a.peer(a, always(), callerIP)), c.in)
			want := routes["core "+c.out] + " " + routes["carrier "+c.in]
			if got := recordRoutes(gw.next(t, "INVITE")); got != want {
				t.Errorf("the gateway got Record-Route %s, want %s", got, want)
			}
			if got := recordRoutes(d.InviteResponse); got != want {
				t.Errorf("the caller got Record-Route %s, want %s", got, want)
			}
			gw.next(t, "ACK")
			if err := d.Bye(ctx); err != nil {
				t.Errorf("BYE: %v", err)
			}
			if via := gw.next(t, "BYE").Via(); via.Transport != strings.ToUpper(c.out) || via.Host != "127.0.0.3" {
				t.Errorf("BYE came with Via %s", via)
			}
			proxy.eventuallyIdle(time.Minute)
		})
	}
}

// greet connects from the carrier's address, asks OPTIONS and gives the first line of the
// answer and the name in the certificate that sbcd showed.
func greet(c *tls.Config) (answer, shown string, err error) {
	raw, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(callerIP)}}).Dial("tcp", carrier)
	if err != nil {
		return "", "", err
	}
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(time.Minute))
	c = c.Clone()
	c.ServerName = "127.0.0.2"
	conn := tls.Client(raw, c)
	return talk(conn)
}

// talk asks OPTIONS on a connection.
func talk(conn *tls.Conn) (answer, shown string, err error) {
	if _, err = fmt.Fprintf(conn, "OPTIONS sip:127.0.0.2:5060;transport=tls SIP/2.0\r\nVia: SIP/2.0/TLS %s;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\n"+
		"From: <sip:a@%s>;tag=1\r\nTo: <sip:127.0.0.2>\r\nCall-ID: %d\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
		conn.LocalAddr(), time.Now().UnixNano(), callerIP, time.Now().UnixNano()); err != nil {
		return "", "", err
	}
	r := bufio.NewReader(conn)
	if answer, err = r.ReadString('\n'); err != nil {
		return "", "", err
	}
	for line := answer; line != "\r\n"; { // the whole answer, which has no body
		if line, err = r.ReadString('\n'); err != nil {
			return "", "", err
		}
	}
	return strings.TrimSpace(answer), conn.ConnectionState().PeerCertificates[0].Subject.CommonName, nil
}

// With client_ca only clients with a certificate of that authority, and one that is valid,
// are let in; the others never get past the handshake, which is counted.
func TestClientCertificates(t *testing.T) {
	a, other := newAuthority(t, "authority"), newAuthority(t, "another")
	giveCredentials(t, a)
	proxy := startProxyOf(t, withTLS("carrier")...)
	none := a.peer(a, always(), callerIP)
	none.Certificates = nil
	failed := 0
	for _, c := range []struct {
		name   string
		config *tls.Config
		ok     bool
	}{
		{"of the authority", a.peer(a, always(), callerIP), true},
		{"none", none, false},
		{"of another authority", other.peer(a, always(), callerIP), false},
		{"that has ended", a.peer(a, time.Now().Add(-time.Hour), callerIP), false},
		{"of the authority, again", a.peer(a, always(), callerIP), true},
	} {
		answer, _, err := greet(c.config)
		if c.ok && (err != nil || !strings.HasPrefix(answer, "SIP/2.0 200 ")) {
			t.Errorf("a certificate %s: %q, %v", c.name, answer, err)
		}
		if !c.ok {
			failed++
			if err == nil {
				t.Errorf("a certificate %s got %q", c.name, answer)
			}
		}
	}
	// A client that does not take sbcd's certificate leaves by itself.
	if _, _, err := greet(a.peer(other, always(), callerIP)); err == nil {
		t.Error("a client took a certificate of an authority it does not know")
	}
	failed++
	var st struct {
		Engine struct {
			Listeners []struct {
				Connections struct {
					Failed int `json:"handshake_errors"`
				}
			}
		}
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if proxy.statusInto(&st); st.Engine.Listeners[0].Connections.Failed == failed {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d failed handshakes are counted, want %d", st.Engine.Listeners[0].Connections.Failed, failed)
		}
	}
}

// A gateway whose certificate has ended, or that another authority issued, gets no call:
// the next one does.
func TestGatewayWithoutValidCertificate(t *testing.T) {
	for _, c := range []struct {
		name string
		bad  func(a authority) *tls.Config
	}{
		{"ended", func(a authority) *tls.Config { return a.peer(a, time.Now().Add(-time.Hour), fs1) }},
		{"of another authority", func(a authority) *tls.Config { return newAuthority(t, "another").peer(a, always(), fs1) }},
		{"of another address", func(a authority) *tls.Config { return a.peer(a, always(), fs2) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAuthority(t, "authority")
			giveCredentials(t, a)
			proxy := startProxyOf(t, withTLS("core")...)
			bad := startGateway(t, "tls", fs1+":5060", c.bad(a))
			good := startGateway(t, "tls", fs2+":5060", a.peer(a, always(), fs2))
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			d := invite(ctx, t, dialogs(t, "udp", nil), "udp")
			good.next(t, "INVITE")
			good.next(t, "ACK")
			if err := d.Bye(ctx); err != nil {
				t.Errorf("BYE: %v", err)
			}
			if n := len(bad.requests); n != 0 {
				t.Errorf("the gateway that cannot prove who it is got %d requests", n)
			}
			proxy.eventuallyIdle(time.Minute)
		})
	}
}

// reload has sbcd read its certificates again; the error is what the command said.
func (s *sbcd) reload() error {
	var out bytes.Buffer
	cmd := exec.Command(binary(s.t, "sbcd"), "reload-certificates", "--control", s.control)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, out.String())
	}
	return nil
}

// While a call is up the certificate is replaced, once by command and once by signal: the
// call and the connections go on, new connections see the new one, and a set of files that
// do not belong together changes nothing.
func TestReloadDuringACall(t *testing.T) {
	a := newAuthority(t, "authority")
	files := giveCredentials(t, a)
	proxy := startProxyOf(t, withTLS("carrier")...)
	gw := startGateway(t, "udp", fs1+":5060", nil)
	startGateway(t, "udp", fs2+":5060", nil)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	client := a.peer(a, always(), callerIP)
	d := invite(ctx, t, dialogs(t, "tls", client), "tls")
	gw.next(t, "INVITE")
	gw.next(t, "ACK")
	raw, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(callerIP)}}).Dial("tcp", carrier)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(time.Minute))
	named := client.Clone()
	named.ServerName = "127.0.0.2"
	old := tls.Client(raw, named)

	expect := func(want string) {
		t.Helper()
		if _, name, err := greet(client); err != nil || name != want {
			t.Errorf("a new connection is shown %q, %v, want %q", name, err, want)
		}
		if answer, name, err := talk(old); err != nil || name != "first" || answer != "SIP/2.0 200 OK" {
			t.Errorf("the old connection: %q, %q, %v", answer, name, err)
		}
	}
	expect("first")

	files.renew(a, "second", always())
	_, key := a.issue("nobody", always())
	files.put("key", key)
	if err := proxy.reload(); err == nil || !strings.Contains(err.Error(), "nothing was changed: listener carrier: secret cert: is not a PEM certificate with the key of secret key") {
		t.Errorf("a key of another certificate: %v", err)
	}
	expect("first")
	files.renew(a, "ended", time.Now().Add(-time.Hour))
	if err := proxy.reload(); err == nil || !strings.Contains(err.Error(), "secret cert: the certificate ended on ") {
		t.Errorf("a certificate that has ended: %v", err)
	}
	expect("first")

	files.renew(a, "third", always())
	if err := proxy.reload(); err != nil {
		t.Error(err)
	}
	expect("third")
	files.renew(a, "fourth", always())
	if err := proxy.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		_, name, err := greet(client)
		if err == nil && name == "fourth" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("after SIGHUP a new connection is shown %q, %v", name, err)
		}
	}
	expect("fourth")
	if err := d.Bye(ctx); err != nil {
		t.Errorf("BYE: %v", err)
	}
	gw.next(t, "BYE")
	proxy.eventuallyIdle(time.Minute)
}

// A certificate that has ended keeps nobody from starting sbcd: the log names it, and the
// peers refuse it.
func TestOwnCertificateEnded(t *testing.T) {
	a := newAuthority(t, "authority")
	giveCredentials(t, a).renew(a, "ended", time.Now().Add(-time.Hour))
	proxy := startProxyOf(t, withTLS("carrier")...)
	var invalid *tls.CertificateVerificationError
	if _, _, err := greet(a.peer(a, always(), callerIP)); !errors.As(err, &invalid) {
		t.Errorf("a client took it: %v", err)
	}
	proxy.stop()
	if want := `certificate has ended: peers refuse it; put a new one there and reload" listener=carrier secret=cert`; !strings.Contains(proxy.out.String(), want) {
		t.Errorf("the log lacks %s:\n%s", want, proxy.out.String())
	}
}

// Without one of its secrets sbcd says which, with what to do, and does not start.
func TestMissingSecret(t *testing.T) {
	a := newAuthority(t, "authority")
	dir := giveCredentials(t, a).dir
	if err := os.Remove(dir + "/key"); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(spec, "")
	pairs := withTLS("carrier")
	for i := 0; i < len(pairs); i += 2 {
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	out, err := exec.Command(binary(t, "sbcd"), "run", "--config", compile(t, text), "--control", t.TempDir()+"/c").CombinedOutput()
	var exit *exec.ExitError
	want := "trunkline: refused: listener carrier: secret key: sbcd was not handed credential key: pass it to the appliance when it boots, under exactly this name\n"
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || string(out) != want {
		t.Errorf("%v, %q, want exit code 1 and %q", err, out, want)
	}
}
