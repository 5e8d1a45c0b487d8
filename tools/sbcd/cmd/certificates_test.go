package cmd_test

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
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/control"
	"trunkline/tools/sbcd/cmd"
)

// putCertificate writes a certificate of its own making and its key as credentials
// trunk.cert and trunk.key.
func putCertificate(t *testing.T, dir, name string, until time.Time) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-30 * 24 * time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	kd, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	for file, b := range map[string]*pem.Block{"trunk.cert": {Type: "CERTIFICATE", Bytes: der}, "trunk.key": {Type: "PRIVATE KEY", Bytes: kd}} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// secureConfig is config with its first listener over TLS, and the directory of its credentials.
func secureConfig(t *testing.T) (a *runtime.Appliance, dir string) {
	t.Helper()
	dir = t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	a = config(t, runtime.Cache{Path: csvFile(t, "+49,one\n"), Warmup: runtime.WarmupSync})
	a.Listeners[0].Transport, a.Listeners[0].TLS = "tls", &runtime.TLS{Certificate: "cert", Key: "key", MinVersion: "1.2"}
	a.Secrets = []runtime.Secret{{Name: "cert", Credential: "trunk.cert"}, {Name: "key", Credential: "trunk.key"}}
	return a, dir
}

// shown is the name in the certificate the listener shows.
func shown(t *testing.T, l runtime.Listener) string {
	t.Helper()
	d := tls.Dialer{NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 31, 1)}}, Config: &tls.Config{InsecureSkipVerify: true}}
	c, err := d.DialContext(t.Context(), "tcp", l.Address.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName
}

// Certificates are read again on SIGHUP and by command; what is wrong changes nothing and is
// told with exit code 1; what ends soon is in the log; status and metrics have the dates.
func TestReloadCertificates(t *testing.T) {
	a, dir := secureConfig(t)
	putCertificate(t, dir, "first", time.Now().Add(100*time.Hour))
	p := start(t, a)
	p.ready()
	expect := func(want string) {
		t.Helper()
		if got := shown(t, a.Listeners[0]); got != want {
			t.Errorf("the listener shows %q, want %q", got, want)
		}
	}
	expect("first")
	p.logged(`level=WARN msg="certificate ends soon.* listener=carrier secret=cert subject="?CN=first"? .* days=4`)

	putCertificate(t, dir, "second", time.Now().Add(1000*24*time.Hour))
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"RELOADING=1\nMONOTONIC_USEC=", "READY=1", "STATUS=serving"} {
		got := p.told(patience)
		for got == "STATUS=serving" && want != got { // of the start
			got = p.told(patience)
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	expect("second")

	if err := os.WriteFile(filepath.Join(dir, "trunk.key"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code := sbcd(t, "reload-certificates", "--control", p.control)
	if want := "sbcd: nothing was changed: listener carrier: secret cert: is not a PEM certificate with the key of secret key"; code != 1 || out != "" || !strings.HasPrefix(errs, want) {
		t.Errorf("a broken key: exit code %d, %q, %q, want %q", code, out, errs, want)
	}
	expect("second")

	putCertificate(t, dir, "third", time.Date(2999, 1, 2, 3, 4, 5, 0, time.UTC))
	out, errs, code = sbcd(t, "reload-certificates", "--control", p.control)
	if want := "listener carrier  cert  CN=third  until 2999-01-02 03:04:05\n"; code != 0 || out != want || errs != "" {
		t.Errorf("exit code %d, %q, %q, want %q", code, out, errs, want)
	}
	expect("third")

	if s := p.until("four connections", func(s cmd.Status) bool { return s.Engine.Listeners[0].Connections.Accepted == 4 }); s.Engine.Listeners[0].Transport != "tls" {
		t.Errorf("%+v", s.Engine.Listeners[0])
	}
	b, err := control.Get(t.Context(), p.control, control.MetricsPath)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`trunkline_connections_accepted_total{listener="carrier",transport="tls"} 4`, `trunkline_connections_refused_total{listener="carrier",reason="source",transport="tls"} 0`,
		`,subject="CN=third",use="certificate"} 3.2472241445e+10`,
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("metrics lack %s:\n%s", want, b)
		}
	}
	out, _, _ = sbcd(t, "status", "--control", p.control)
	if want := "certificate until 2999-01-02"; !strings.Contains(out, want) {
		t.Errorf("status lacks %q:\n%s", want, out)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.exit(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.stderr)
	}
}

// A hangup while caches load ends nothing, and a reload then says why it cannot be.
func TestReloadWhileLoading(t *testing.T) {
	a, dir := secureConfig(t)
	putCertificate(t, dir, "first", time.Now().Add(time.Hour))
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	a.Caches[0].Path = fifo
	p := start(t, a)
	p.listening()
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := sbcd(t, "reload-certificates", "--control", p.control); code != 1 || !strings.Contains(errs, "the listeners are not open yet") {
		t.Errorf("exit code %d, %q", code, errs)
	}
	f, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	p.ready()
}

// logged waits for a line of the log.
func (p *process) logged(pattern string) {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(patience); !re.MatchString(p.stderr.String()); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("the log lacks %s:\n%s", pattern, p.stderr)
		}
	}
}
