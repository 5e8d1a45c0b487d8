package sip

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// authority is a certificate authority of the test's own.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return authority{t, c, key}
}

func (a authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// issue makes a certificate for addresses and its key, both PEM.
func (a authority) issue(name string, until time.Time, addresses ...string) (cert, key []byte) {
	a.t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, ip := range addresses {
		c.IPAddresses = append(c.IPAddresses, net.ParseIP(ip))
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, k.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	kd, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: kd})
}

// peer is the configuration of an agent with a certificate of a: it takes whom trust
// issued a certificate, on both sides.
func (a authority) peer(trust authority, until time.Time, addresses ...string) *tls.Config {
	a.t.Helper()
	pair, err := tls.X509KeyPair(a.issue("peer", until, addresses...))
	if err != nil {
		a.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(trust.cert)
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
}

// credentials is the directory in which sbcd finds its secrets.
type credentials struct {
	t   *testing.T
	dir string
}

// giveCredentials hands the next sbcd a certificate of a, and a's own for its clients.
func giveCredentials(t *testing.T, a authority) credentials {
	t.Helper()
	c := credentials{t, t.TempDir()}
	t.Setenv("CREDENTIALS_DIRECTORY", c.dir)
	c.put("ca", a.pem())
	c.renew(a, "first", time.Now().Add(24*time.Hour))
	return c
}

func (c credentials) put(name string, content []byte) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), content, 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// renew puts a new certificate there.
func (c credentials) renew(a authority, name string, until time.Time) {
	c.t.Helper()
	cert, key := a.issue(name, until, "127.0.0.2", "127.0.0.3")
	c.put("cert", cert)
	c.put("key", key)
}

// gateway answers calls by sipgo, and keeps what came.
type gateway struct {
	requests chan *sip.Request // in the order they came
	dialogs  chan *sipgo.DialogServerSession
	ringing  chan chan<- int // calls that wait for the code to be answered with
}

// startGateway serves at an address until the test ends; transport is udp or tls.
func startGateway(t *testing.T, transport, at string, c *tls.Config) *gateway {
	t.Helper()
	return startRinging(t, transport, at, c, false)
}

// startRinging is startGateway for one whose calls may ring until the test answers them.
func startRinging(t *testing.T, transport, at string, c *tls.Config, ring bool) *gateway {
	t.Helper()
	ua, err := sipgo.NewUA(sipgo.WithUserAgenTLSConfig(c))
	if err != nil {
		t.Fatal(err)
	}
	srv, err := sipgo.NewServer(ua, sipgo.WithServerLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	cli, err := sipgo.NewClient(ua)
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddrPort(at)
	contact := sip.Uri{Scheme: "sip", User: "bob", Host: addr.Addr().String(), Port: int(addr.Port()), UriParams: sip.NewParams()}
	contact.UriParams.Add("transport", transport)
	dialogs := sipgo.NewDialogServerCache(cli, sip.ContactHeader{Address: contact})
	g := &gateway{requests: make(chan *sip.Request, 100), dialogs: make(chan *sipgo.DialogServerSession, 100), ringing: make(chan chan<- int, 100)}
	srv.OnInvite(func(req *sip.Request, tx sip.ServerTransaction) {
		g.requests <- req
		d, err := dialogs.ReadInvite(req, tx)
		if err != nil {
			t.Errorf("INVITE: %v", err)
			return
		}
		code := 200
		if ring {
			if err := d.Respond(180, "Ringing", nil); err != nil {
				t.Errorf("180: %v", err)
			}
			answer := make(chan int, 1)
			g.ringing <- answer
			select {
			case code = <-answer:
			case <-t.Context().Done():
				return
			}
		}
		if err := d.Respond(code, "Answer", nil); err != nil {
			t.Errorf("%d: %v", code, err)
			return
		}
		g.dialogs <- d
	})
	srv.OnAck(func(req *sip.Request, tx sip.ServerTransaction) {
		if err := dialogs.ReadAck(req, tx); err != nil {
			t.Errorf("ACK: %v", err)
		}
		g.requests <- req
	})
	srv.OnBye(func(req *sip.Request, tx sip.ServerTransaction) {
		if err := dialogs.ReadBye(req, tx); err != nil {
			t.Errorf("BYE: %v", err)
		}
		g.requests <- req
	})
	var socket io.Closer
	var serve func() error
	if transport == "tls" {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		socket, serve = l, func() error { return srv.ServeTLS(tls.NewListener(l, c)) }
	} else {
		p, err := net.ListenPacket("udp", at)
		if err != nil {
			t.Fatal(err)
		}
		socket, serve = p, func() error { return srv.ServeUDP(p) }
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = serve() // ends with the socket
	}()
	t.Cleanup(func() {
		ua.Close()
		socket.Close()
		<-done
	})
	return g
}

// next is the next request that came.
func (g *gateway) next(t *testing.T, method sip.RequestMethod) *sip.Request {
	t.Helper()
	select {
	case r := <-g.requests:
		if r.Method != method {
			t.Fatalf("the gateway got %s, want %s", r.Method, method)
		}
		return r
	case <-time.After(time.Minute):
		t.Fatalf("the gateway got no %s", method)
		return nil
	}
}

// hangUp ends the call that came first.
func (g *gateway) hangUp(ctx context.Context) error {
	select {
	case d := <-g.dialogs:
		return d.Bye(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// recordRoutes are the Record-Route lines of a message, topmost first.
func recordRoutes(m sip.Message) string {
	var out []string
	for _, h := range m.GetHeaders("Record-Route") {
		out = append(out, h.Value())
	}
	return strings.Join(out, " ")
}

// dialogs is a caller by sipgo at callerIP.
func dialogs(t *testing.T, transport string, c *tls.Config) *sipgo.DialogClientCache {
	t.Helper()
	ua, err := sipgo.NewUA(sipgo.WithUserAgenTLSConfig(c))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ua.Close() })
	port, err := net.Listen("tcp", callerIP+":0") // to learn of a free one
	if err != nil {
		t.Fatal(err)
	}
	addr := port.Addr().(*net.TCPAddr)
	port.Close()
	cli, err := sipgo.NewClient(ua, sipgo.WithClientHostname(callerIP), sipgo.WithClientConnectionAddr(addr.String()), sipgo.WithClientLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	contact := sip.Uri{Scheme: "sip", User: "alice", Host: callerIP, Port: addr.Port, UriParams: sip.NewParams()}
	contact.UriParams.Add("transport", transport)
	return sipgo.NewDialogClientCache(cli, sip.ContactHeader{Address: contact})
}

// invite calls through the carrier's listener and returns the answered, acknowledged call.
func invite(ctx context.Context, t *testing.T, from *sipgo.DialogClientCache, transport string) *sipgo.DialogClientSession {
	t.Helper()
	to := sip.Uri{Scheme: "sip", User: "bob", Host: "127.0.0.2", Port: 5060, UriParams: sip.NewParams()}
	to.UriParams.Add("transport", transport)
	d, err := from.Invite(ctx, to, nil)
	if err != nil {
		t.Fatalf("INVITE: %v", err)
	}
	if err := d.WaitAnswer(ctx, sipgo.AnswerOptions{}); err != nil {
		t.Fatalf("answer: %v", err)
	}
	if err := d.Ack(ctx); err != nil {
		t.Fatalf("ACK: %v", err)
	}
	return d
}
