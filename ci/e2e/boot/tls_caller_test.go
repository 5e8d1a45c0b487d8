package boot

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// tlsCallCount is how many calls the caller places, one after the other.
const tlsCallCount = 3

// TestTLSCaller is the caller that tlsCalls starts in the namespace; by itself it does
// nothing.
func TestTLSCaller(t *testing.T) {
	dir := os.Getenv(callsEnv)
	if dir == "" {
		return
	}
	file := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	pair, err := tls.X509KeyPair(file("cert"), file("key"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(file("ca"))
	config := &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, ServerName: listener}

	// Without a certificate of its own nobody gets past the handshake.
	stranger := config.Clone()
	stranger.Certificates = nil
	if err := shakeHands(stranger); err == nil {
		t.Error("a client without a certificate is let in")
	}
	if err := shakeHands(config); err != nil {
		t.Errorf("a client with a certificate: %v", err)
	}

	ua, err := sipgo.NewUA(sipgo.WithUserAgenTLSConfig(config))
	if err != nil {
		t.Fatal(err)
	}
	defer ua.Close()
	client, err := sipgo.NewClient(ua, sipgo.WithClientHostname(carrier), sipgo.WithClientConnectionAddr(carrier+":5070"), sipgo.WithClientLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	uri := func(user, host string, port int) sip.Uri {
		u := sip.Uri{Scheme: "sip", User: user, Host: host, Port: port, UriParams: sip.NewParams()}
		u.UriParams.Add("transport", "tls")
		return u
	}
	dialogs := sipgo.NewDialogClientCache(client, sip.ContactHeader{Address: uri("alice", carrier, 5070)})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for i := range tlsCallCount {
		d, err := dialogs.Invite(ctx, uri("+4930123456", listener, 5061), nil)
		if err != nil {
			t.Fatalf("call %d: INVITE: %v", i, err)
		}
		if err := d.WaitAnswer(ctx, sipgo.AnswerOptions{}); err != nil {
			t.Fatalf("call %d: answer: %v", i, err)
		}
		if err := d.Ack(ctx); err != nil {
			t.Fatalf("call %d: ACK: %v", i, err)
		}
		routes := ""
		for _, h := range d.InviteResponse.GetHeaders("Record-Route") {
			routes += h.Value() + "\n"
		}
		if want := "<sip:" + listener + ":5061;transport=tls;lr>"; !strings.Contains(routes, want) {
			t.Errorf("call %d: the answer has Record-Route %q, want %s in it", i, routes, want)
		}
		if err := d.Bye(ctx); err != nil {
			t.Fatalf("call %d: BYE: %v", i, err)
		}
	}
	if !t.Failed() {
		t.Logf("%d calls over TLS", tlsCallCount)
	}
}

// shakeHands connects to the listener and asks OPTIONS. With TLS 1.3 a client only learns
// that its certificate was refused when it reads.
func shakeHands(config *tls.Config) error {
	d := tls.Dialer{NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(carrier)}, Timeout: 20 * time.Second}, Config: config}
	c, err := d.Dial("tcp", listener+":5061")
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	if _, err := c.Write([]byte("OPTIONS sip:" + listener + ":5061;transport=tls SIP/2.0\r\nVia: SIP/2.0/TLS " + c.LocalAddr().String() + ";branch=z9hG4bKhands\r\nMax-Forwards: 70\r\n" +
		"From: <sip:a@" + carrier + ">;tag=1\r\nTo: <sip:" + listener + ">\r\nCall-ID: hands\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")); err != nil {
		return err
	}
	_, err = bufio.NewReader(c).ReadString('\n')
	return err
}

// authority is a certificate authority of the test's own.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	a := authority{t: t, cert: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}}
	a.key = a.newKey()
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, a.key.Public(), a.key)
	if err == nil {
		a.cert, err = x509.ParseCertificate(der)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (a authority) newKey() *ecdsa.PrivateKey {
	a.t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return k
}

func (a authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// issue makes a certificate for an address and its key, both PEM.
func (a authority) issue(name, address string) (cert, key []byte) {
	a.t.Helper()
	k := a.newKey()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.ParseIP(address)},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, k.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	kd, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: kd})
}
