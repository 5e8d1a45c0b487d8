package update

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trunkline/image/release"
)

// The block that the spec of the example gets. With this interval the first look of an
// appliance of this name comes a second after those of all.
const updateBlock = `
update {
  url      = "https://203.0.113.1:8443/edge/"
  signer   = "signer.pem"
  ca       = "site-ca.pem"
  interval = "93s"
  reboot   = "window"
  window   = "02:00-04:00"
}
`

// The versions are as long as they may be: the names of both images need more than one sector of
// their directory, so that a power cut can leave half a name.
const (
	oldVersion = "1.0-a-version-as-long-as-there-may-be-and-so-the-name-of-a-file"
	newVersion = "2.0-a-version-as-long-as-there-may-be-and-so-the-name-of-a-file"
)

// TestUpdate has an appliance update itself from the old version to the new one. The first image
// that the server has was tampered with, and is told and left; amid the transfer of the right one
// the power goes. Calls pass before and after. Then disks are booted as they were at other moments
// of all this, or as a power cut at such a moment may have left them (powerCuts).
func TestUpdate(t *testing.T) {
	t.Parallel()
	bin, _ := environment(t)
	s := newSite(t, filepath.Join(bin, "trunkline"))
	s.publish(newVersion)
	r := newRig(t, s.disk(oldVersion))
	www := r.serve(s.certificate)
	www.Store(&s.tampered)
	r.clock = s.clock(t)
	r.enlarge(stateRoom)
	film := r.record()
	m := r.boot()
	r.says(m, `trunkline: ready name=edge-fra1 .*image=`+s.digest(oldVersion))
	film.cue("the first boot makes the state partition")
	r.call("before the update")

	line := r.says(m, `trunkline: update: failed: .*`)
	if !strings.Contains(line, "changed after it was built") {
		t.Errorf("of an image that was tampered with, the appliance says %q", line)
	}
	film.cue("the transfer of an image that was tampered with")
	www.Store(&s.www)
	r.cut(m, film)
	film.cue("a transfer during which the machine is killed")

	m = r.boot()
	r.says(m, `trunkline: ready name=edge-fra1 .*image=`+s.digest(oldVersion))
	r.call("after the power cut")
	began := time.Now()
	r.says(m, `trunkline: update: restarting for version `+newVersion)
	film.cue("the transfer")
	r.says(m, `trunkline: ready name=edge-fra1 .*image=`+s.digest(newVersion))
	film.cue("the first start of the new version")
	t.Logf("ready with the new image %.1f s after the old one was (%s)", time.Since(began).Seconds(), m.Accel())
	r.call("after the update")
	r.says(m, `trunkline: version `+newVersion+` is found good`)
	r.stop(m)
	film.cue("the new version is found good, and the machine switched off")
	if d := cmp.Diff([]string{appliance + "_" + oldVersion + ".efi", appliance + "_" + newVersion + ".efi"}, r.images()); d != "" {
		t.Error(d)
	}
	if !t.Failed() {
		t.Run("power cut", func(t *testing.T) { powerCuts(t, s, film) })
	}
}

// site is where images are built and published.
type site struct {
	t             *testing.T
	trunkline     string
	dir, spec     string
	www, tampered string // directories that the server may have
	certificate   tls.Certificate
}

// clockBase is the day that the test takes place on; its certificates are of the year.
var clockBase = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

func newSite(t *testing.T, trunkline string) *site {
	t.Helper()
	s := &site{t: t, trunkline: trunkline, dir: t.TempDir()}
	s.spec, s.www, s.tampered = filepath.Join(s.dir, appliance), filepath.Join(s.dir, "www"), filepath.Join(s.dir, "tampered")
	if err := os.CopyFS(s.spec, os.DirFS("../../../appliance/examples/"+appliance)); err != nil {
		t.Fatal(err)
	}
	s.run("keys", s.file("keys"))
	signer, err := os.ReadFile(s.file("keys/db.crt"))
	if err != nil {
		t.Fatal(err)
	}
	var authority []byte
	s.certificate, authority = certificates(t)
	for name, b := range map[string][]byte{"update.hcl": []byte(updateBlock), "signer.pem": signer, "site-ca.pem": authority} {
		if err := os.WriteFile(filepath.Join(s.spec, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, version := range []string{oldVersion, newVersion} {
		s.run("build", s.spec, "-o", s.file(version), "--image-version", version, "--secure-boot-key", s.file("keys/db.key"), "--secure-boot-cert", s.file("keys/db.crt"))
	}
	return s
}

func (s *site) file(name string) string { return filepath.Join(s.dir, name) }

func (s *site) run(args ...string) {
	s.t.Helper()
	run(s.t, s.trunkline, args...)
}

func (s *site) disk(version string) string {
	return filepath.Join(s.file(version), appliance, appliance+".raw")
}

func (s *site) image(version string) []byte {
	s.t.Helper()
	raw, err := os.ReadFile(filepath.Join(s.file(version), appliance, appliance+".efi"))
	if err != nil {
		s.t.Fatal(err)
	}
	return raw
}

func (s *site) digest(version string) string {
	s.t.Helper()
	img, err := release.Read(s.image(version))
	if err != nil {
		s.t.Fatal(err)
	}
	return img.Digest
}

// publish publishes a version, and beside it what somebody made of it who has the server
// and not the key: a byte is another one, and the index goes with it.
func (s *site) publish(version string) {
	s.t.Helper()
	s.run("publish", filepath.Join(s.file(version), appliance), "-o", s.www, "--signer", s.file("keys/db.crt"))
	if err := os.CopyFS(s.tampered, os.DirFS(s.www)); err != nil {
		s.t.Fatal(err)
	}
	name := filepath.Join(s.tampered, release.IndexFile(appliance))
	b, err := os.ReadFile(name)
	if err != nil {
		s.t.Fatal(err)
	}
	x, err := release.Decode(b)
	if err != nil {
		s.t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(s.tampered, x.File))
	if err != nil {
		s.t.Fatal(err)
	}
	at := bytes.Index(raw, []byte("PRETTY_NAME="))
	if at < 0 {
		s.t.Fatal("the image does not say what it is")
	}
	raw[at] ^= 1
	sum := sha256.Sum256(raw)
	x.SHA256 = hex.EncodeToString(sum[:])
	index, err := x.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	for path, b := range map[string][]byte{filepath.Join(s.tampered, x.File): raw, name: index} {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
}

// clock is when the machine starts: so that its moment to restart, at which it looks once
// more, comes some time after its first look. On a machine that is slower than that, the next
// look does it.
func (s *site) clock(t *testing.T) time.Time {
	t.Helper()
	const firstLooks = 75 * time.Second
	b, err := os.ReadFile(filepath.Join(s.file(oldVersion), appliance, "plan.json"))
	if err != nil {
		t.Fatal(err)
	}
	var plan struct {
		Appliance struct {
			Update struct {
				At string `json:"reboot_at"`
			} `json:"update"`
		} `json:"appliance"`
	}
	if err := json.Unmarshal(b, &plan); err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse("15:04", plan.Appliance.Update.At)
	if err != nil {
		t.Fatal(err)
	}
	return clockBase.Add(time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute - firstLooks)
}

// certificates are the server's, and the authority that issued it (PEM).
func certificates(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	issue := func(c, by *x509.Certificate, public *ecdsa.PublicKey, with *ecdsa.PrivateKey) *x509.Certificate {
		c.NotBefore, c.NotAfter = clockBase.AddDate(0, -1, 0), clockBase.AddDate(10, 0, 0)
		der, err := x509.CreateCertificate(rand.Reader, c, by, public, with)
		if err != nil {
			t.Fatal(err)
		}
		out, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	ours, theirs := key(), key()
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Site CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	ca = issue(ca, ca, &ours.PublicKey, ours)
	leaf := issue(&x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "updates"}, IPAddresses: []net.IP{net.ParseIP(gateway)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, ca, &theirs.PublicKey, ours)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: theirs}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw})
}

// serve hands out a directory, which may be another one at any time, as /edge/.
func (r *rig) serve(c tls.Certificate) (dir *atomic.Pointer[string]) {
	r.t.Helper()
	dir = &atomic.Pointer[string]{}
	var l net.Listener
	if err := r.lab.Do(func() (err error) {
		l, err = net.Listen("tcp", gateway+":8443")
		return err
	}); err != nil {
		r.t.Fatal(err)
	}
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			r.t.Logf("the appliance asks for %s", q.URL.Path)
			if r.asked != nil {
				r.asked(q.URL.Path)
			}
			http.StripPrefix("/edge/", http.FileServer(http.Dir(*dir.Load()))).ServeHTTP(w, q)
		}),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{c}}, ErrorLog: log.New(io.Discard, "", 0),
	}
	done := make(chan error, 1)
	go func() { done <- s.ServeTLS(l, "", "") }()
	r.t.Cleanup(func() {
		s.Close()
		<-done
	})
	return dir
}
