package stream

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"trunkline/appliance/runtime"
)

// patience is how long a test waits for what must happen.
const patience = time.Minute

func config(transport string) runtime.Listener {
	return runtime.Listener{Name: "a", Transport: transport, Address: netip.MustParseAddrPort("127.0.50.1:0"), Workers: 2,
		RecvBuffer: 1 << 16, SendBuffer: 1 << 16, MaxMessage: 20000,
		Connections: &runtime.Connections{Max: 100, PerSource: 100, Idle: runtime.Duration(time.Minute), Handshake: runtime.Duration(5 * time.Second)}}
}

// rig is a group whose messages a test sees.
type rig struct {
	testing.TB
	*Group
	got    chan string         // messages, unless the test has a handler
	last   atomic.Uint32       // flow of the message that came last
	failed chan netip.AddrPort // what Options.Failed was told
	causes chan error          //
	files  map[string][]byte   // credentials
	mu     sync.Mutex          // guards files
}

// start opens a group and serves it until the test ends; h nil: messages go to got.
func start(t testing.TB, l runtime.Listener, o Options, h func(r *rig, worker int, p []byte, src netip.AddrPort)) *rig {
	t.Helper()
	before := goruntime.NumGoroutine()
	r := &rig{TB: t, got: make(chan string, 10000), failed: make(chan netip.AddrPort, 10000), causes: make(chan error, 10000), files: map[string][]byte{}}
	if h == nil {
		h = func(r *rig, _ int, p []byte, _ netip.AddrPort) { r.got <- string(p) }
	}
	o.Failed = func(to netip.AddrPort, _ Flow, err error) {
		r.failed <- to
		r.causes <- err
	}
	if o.Credential == nil && l.TLS != nil {
		maps.Copy(r.files, ourCredentials(t))
		o.Credential = r.credential
	}
	g, err := Open(l, o)
	if err != nil {
		t.Fatal(err)
	}
	r.Group = g
	var wg sync.WaitGroup
	for i := range g.Workers() {
		wg.Go(func() {
			if err := g.Serve(i, func(p []byte, src netip.AddrPort, f Flow) {
				r.last.Store(uint32(f))
				h(r, i, p, src)
			}); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if err := g.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		if st := g.Stats(); st.Connections != 0 || st.Handshaking != 0 || st.Dialing != 0 {
			t.Errorf("after Close: %+v", st)
		}
		r.eventually("goroutines to end", func() bool { return goruntime.NumGoroutine() <= before+8 })
	})
	return r
}

func (r *rig) credential(name string) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, ok := r.files[name]
	if !ok {
		return nil, errors.New("no such credential")
	}
	return b, nil
}

// reload reads the certificates again.
func (r *rig) reload() error {
	swap, err := r.Prepare(r.credential)
	if err == nil {
		swap()
	}
	return err
}

func (r *rig) put(files map[string][]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.Copy(r.files, files)
}

// eventually waits until a condition holds.
func (r *rig) eventually(what string, ok func() bool) {
	r.Helper()
	until := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(until) {
			r.Fatalf("waited for %s in vain; %+v", what, r.Stats())
		}
		time.Sleep(time.Millisecond)
	}
}

// figures waits until the figures are as they must be: some are counted just after a peer sees
// what they count.
func (r *rig) figures(ok func(Stats) bool) {
	r.Helper()
	r.eventually("the figures", func() bool { return ok(r.Stats()) })
}

func wait[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited for %s in vain", what)
		panic("unreachable")
	}
}

// peer connects to the group from an address.
func (r *rig) peer(from string) *net.TCPConn {
	r.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", r.Address().String())
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

// turnedAway connects and expects to be reset, which connecting may notice already.
func (r *rig) turnedAway(from string) {
	r.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
	c, err := d.Dial("tcp", r.Address().String())
	if err != nil {
		if !errors.Is(err, syscall.ECONNRESET) {
			r.Error(err)
		}
		return
	}
	defer c.Close()
	ended(r.TB, c)
}

// secure connects over TLS.
func (r *rig) secure(c *tls.Config) (*tls.Conn, error) {
	t := tls.Client(r.peer("127.0.50.2"), c)
	return t, t.Handshake()
}

func local(c net.Conn) netip.AddrPort { return c.LocalAddr().(*net.TCPAddr).AddrPort() }

// say writes and expects that it can.
func say(t testing.TB, w io.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		t.Error(err)
	}
}

// hear reads exactly what is expected.
func hear(t testing.TB, r io.Reader, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if n, err := io.ReadFull(r, b); err != nil || string(b) != want {
		t.Fatalf("read %q, %v; want %q", b[:n], err, want)
	}
}

// ended expects the end of a connection, however it comes.
func ended(t testing.TB, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	var timeout net.Error
	if _, err := io.Copy(io.Discard, c); errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatal("the connection did not end")
	}
}

// options is a message with a body of n bytes.
func options(i, n int) string {
	return fmt.Sprintf("OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK%d\r\nContent-Length: %d\r\n\r\n%s", i, n, strings.Repeat("b", n))
}

// readMessages reads n messages off a connection.
func readMessages(r io.Reader, n int, each func(string)) error {
	f := &Framer{MaxHeader: 1 << 16, MaxMessage: 1 << 20}
	defer f.Release()
	b := bufio.NewReader(r)
	for n > 0 {
		k, err := b.Read(f.Space())
		f.Wrote(k)
		for kind, p := f.Next(); kind != More; kind, p = f.Next() {
			if kind != Message {
				return fmt.Errorf("kind %d, %v", kind, f.Fault())
			}
			each(string(p))
			n--
		}
		if err != nil && n > 0 {
			return err
		}
	}
	return nil
}

// authority is a CA made for the tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

var serial = big.NewInt(0)

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// issue makes a certificate, as PEM, for names: addresses, DNS names or SIP URIs.
func (a *authority) issue(t testing.TB, until time.Time, names ...string) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial = new(big.Int).Add(serial, big.NewInt(2))
	tmpl := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: strings.Join(names, " ")},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else if u, err := url.Parse(n); err == nil && u.Scheme == "sip" {
			tmpl.URIs = append(tmpl.URIs, u)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &k.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	kd, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: kd})
}

func (a *authority) pair(t testing.TB, names ...string) tls.Certificate {
	t.Helper()
	p, err := tls.X509KeyPair(a.issue(t, time.Now().Add(time.Hour), names...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ca issues what the groups of the tests show, and what they accept.
var ca = sync.OnceValue(func() *authority { return newAuthority(&testing.B{}) })

func ourCredentials(t testing.TB) map[string][]byte {
	cert, key := ca().issue(t, time.Now().Add(time.Hour), "127.0.50.1", "sbc.example")
	return map[string][]byte{"cert": cert, "key": key, "ca": ca().pem()}
}

func secureConfig(transport string) runtime.Listener {
	l := config(transport)
	l.TLS = &runtime.TLS{Certificate: "cert", Key: "key", MinVersion: "1.2"}
	return l
}
