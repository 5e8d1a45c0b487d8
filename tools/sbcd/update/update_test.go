package update

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trunkline/image/imagetest"
	"trunkline/image/publish"
	"trunkline/image/release"
	"trunkline/image/secureboot"
	"trunkline/tools/sbcd/slots"
)

const (
	appliance = "edge"
	size      = 300 << 10 // of the initrd of an image
)

var sets = sync.OnceValues(func() (out [2]*secureboot.Signer, err error) {
	for i := range out {
		set, err := secureboot.NewKeySet("test", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 10)
		if err != nil {
			return out, err
		}
		out[i] = set.DB
	}
	return out, nil
})

// signers are ours and another's, of the same subject.
func signers(t *testing.T) (ours, others *secureboot.Signer) {
	t.Helper()
	s, err := sets()
	if err != nil {
		t.Fatal(err)
	}
	return s[0], s[1]
}

// site is a server that has a published directory, and an appliance that runs version 5.
type site struct {
	t      *testing.T
	www    string
	server *httptest.Server
	esp    string
	// wrap stands between the appliance and the files; nil: nothing does.
	wrap func(w http.ResponseWriter, r *http.Request, files http.Handler)
	*Updater
}

func newSite(t *testing.T, files ...string) *site {
	t.Helper()
	ours, _ := signers(t)
	s := &site{t: t, www: t.TempDir(), esp: t.TempDir()}
	if len(files) == 0 {
		files = []string{"edge_5.efi"}
	}
	for _, f := range files {
		put(t, filepath.Join(s.esp, "EFI/Linux", f), []byte("image "+f))
	}
	files2 := http.FileServer(http.Dir(s.www))
	s.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.wrap != nil {
			s.wrap(w, r, files2)
			return
		}
		files2.ServeHTTP(w, r)
	}))
	s.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.server.StartTLS()
	t.Cleanup(s.server.Close)
	esp, err := slots.Open(s.esp, appliance, "5")
	if err != nil {
		t.Fatal(err)
	}
	s.Updater = &Updater{Name: appliance, Version: "5", Signer: ours.Certificate, Tries: 3, ESP: esp, Source: NewSource(s.server.URL+"/", s.roots())}
	return s
}

func (s *site) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.server.Certificate())
	return pool
}

func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// publish puts an image on the server.
func (s *site) publish(version string) {
	s.t.Helper()
	ours, _ := signers(s.t)
	raw, err := imagetest.Signed(appliance, version, size, ours)
	if err != nil {
		s.t.Fatal(err)
	}
	path := filepath.Join(s.t.TempDir(), appliance+".efi")
	put(s.t, path, raw)
	if _, err := publish.Publish(context.Background(), []string{path}, publish.Options{Dir: s.www, Keep: 2, AllowOlder: true}); err != nil {
		s.t.Fatal(err)
	}
}

// forge puts an image on the server that publish would refuse: these bytes, under an index
// that change has its way with.
func (s *site) forge(raw []byte, change func(*release.Index)) {
	s.t.Helper()
	ours, _ := signers(s.t)
	sum := sha256.Sum256(raw)
	x := release.Index{FormatVersion: 1, Name: appliance, Version: "6", File: "edge_6.efi", Size: int64(len(raw)),
		SHA256: hex.EncodeToString(sum[:]), Image: "sha256:" + strings.Repeat("0", 64), Signer: release.Fingerprint(ours.Certificate)}
	if img, err := release.Read(raw); err == nil {
		x.Image = img.Digest
	}
	if change != nil {
		change(&x)
	}
	b, err := x.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	put(s.t, filepath.Join(s.www, "edge.json"), b)
	put(s.t, filepath.Join(s.www, x.File), raw)
}

// files lists what is on the ESP.
func (s *site) files() []string {
	s.t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.esp, "EFI/Linux"))
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestLook(t *testing.T) {
	for _, c := range []struct {
		name      string
		esp       []string
		published string
		o         Options
		want      Result
		files     []string
		next      string
	}{
		{"a newer one", nil, "6", Options{}, Installed, []string{"edge_5.efi", "edge_6+3.efi"}, "6"},
		{"only looked at", nil, "6", Options{Check: true}, Available, []string{"edge_5.efi"}, ""},
		{"the same", nil, "5", Options{}, Current, []string{"edge_5.efi"}, ""},
		{"an older one", nil, "4", Options{}, Older, []string{"edge_5.efi"}, ""},
		{"installed already", []string{"edge_5.efi", "edge_6+3.efi"}, "6", Options{}, Waiting, []string{"edge_5.efi", "edge_6+3.efi"}, "6"},
		{"one newer than that which waits", []string{"edge_5.efi", "edge_6+3.efi"}, "7", Options{}, Installed, []string{"edge_5.efi", "edge_7+3.efi"}, "7"},
		{"fell back", []string{"edge_5.efi", "edge_6+0-3.efi"}, "6", Options{}, FellBack, []string{"edge_5.efi", "edge_6+0-3.efi"}, ""},
		{"fell back, again", []string{"edge_5.efi", "edge_6+0-3.efi"}, "6", Options{Again: true}, Installed, []string{"edge_5.efi", "edge_6+3.efi"}, "6"},
		{"older than what fell back", []string{"edge_5.efi", "edge_7+0-3.efi"}, "6", Options{}, Installed, []string{"edge_5.efi", "edge_6+3.efi"}, "6"},
		{"newer than what fell back", []string{"edge_5.efi", "edge_6+0-3.efi"}, "7", Options{}, Installed, []string{"edge_5.efi", "edge_7+3.efi"}, "7"},
		{"withdrawn before its boot", []string{"edge_5.efi", "edge_6+3.efi"}, "5", Options{}, Withdrawn, []string{"edge_5.efi"}, ""},
		{"not withdrawn by looking", []string{"edge_5.efi", "edge_6+3.efi"}, "5", Options{Check: true}, Current, []string{"edge_5.efi", "edge_6+3.efi"}, "6"},
		{"on trial", []string{"edge_4.efi", "edge_5+2-1.efi"}, "6", Options{}, OnTrial, []string{"edge_4.efi", "edge_5+2-1.efi"}, ""},
		{"the one before goes", []string{"edge_4.efi", "edge_5.efi"}, "6", Options{}, Installed, []string{"edge_5.efi", "edge_6+3.efi"}, "6"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, c.esp...)
			s.publish(c.published)
			got, err := s.Look(context.Background(), c.o)
			if err != nil {
				t.Fatal(err)
			}
			if got.Result != c.want || got.Result != OnTrial && got.Announced != c.published {
				t.Errorf("%+v, want %s", got, c.want)
			}
			if d := cmp.Diff(c.files, s.files()); d != "" {
				t.Error(d)
			}
			if next, err := s.Next(); err != nil || next != c.next {
				t.Errorf("the next boot starts %q (%v), want %q", next, err, c.next)
			}
			if c.want != Installed {
				return
			}
			// What is on the disk is what was published.
			x, err := s.Source.Index(context.Background(), appliance)
			if err != nil {
				t.Fatal(err)
			}
			if err := inspect(filepath.Join(s.esp, "EFI/Linux", fmt.Sprintf("edge_%s+3.efi", c.published)), x, s.Signer); err != nil {
				t.Error(err)
			}
		})
	}
}

// Every refusal leaves the partition as it was, and says its cause and a remedy.
func TestRefusals(t *testing.T) {
	ours, others := signers(t)
	image := func(name, version string, by *secureboot.Signer) []byte {
		raw, err := imagetest.Signed(name, version, size, by)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	good := image(appliance, "6", ours)
	tampered := bytes.Clone(good)
	tampered[len(tampered)/2] ^= 1
	index := func(text string) func(*site) {
		return func(s *site) { put(t, filepath.Join(s.www, "edge.json"), []byte(text)) }
	}
	answer := func(code int) func(*site) {
		return func(s *site) {
			s.wrap = func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(code) }
		}
	}
	// body has the server send the image in pieces of unknown length, or other than it says.
	body := func(b []byte) func(*site) {
		return func(s *site) {
			s.forge(good, nil)
			s.wrap = func(w http.ResponseWriter, r *http.Request, files http.Handler) {
				if !strings.HasSuffix(r.URL.Path, ".efi") {
					files.ServeHTTP(w, r)
					return
				}
				w.Write(b[:len(b)/2])
				w.(http.Flusher).Flush()
				w.Write(b[len(b)/2:])
			}
		}
	}
	for _, c := range []struct {
		name    string
		arrange func(*site)
		kind    Kind
		want    []string
	}{
		{"nothing published", func(*site) {}, NotFound, []string{"/edge.json", "404", "trunkline publish"}},
		{"not for everybody", answer(403), NotFound, []string{"403", "hand out"}},
		{"a server in trouble", answer(503), Unreachable, []string{"503", "log of the server"}},
		{"a web page", index("<!doctype html><title>Welcome</title>"), BadIndex, []string{"web page", "trunkline publish"}},
		{"an index cut off", index(`{"format_version": 1, "na`), BadIndex, []string{"no index"}},
		{"an index of a later version", index(`{"format_version": 2}`), BadIndex, []string{"format_version 2"}},
		{"a huge index", index(strings.Repeat(" ", 1<<20)), BadIndex, []string{"more than 65536 bytes"}},
		{"an endless index", func(s *site) {
			s.wrap = func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
				for r.Context().Err() == nil {
					if _, err := w.Write(make([]byte, 1<<16)); err != nil {
						return
					}
				}
			}
		}, BadIndex, []string{"more than 65536 bytes"}},
		{"another appliance's index", func(s *site) {
			s.forge(good, func(x *release.Index) { x.Name, x.File = "core", "core_6.efi" })
		}, BadIndex, []string{"it is the index of core"}},
		{"an index that leads elsewhere", func(s *site) {
			s.forge(good, nil)
			b, _ := os.ReadFile(filepath.Join(s.www, "edge.json"))
			put(t, filepath.Join(s.www, "edge.json"), bytes.Replace(b, []byte("edge_6.efi"), []byte("../edge_6.efi"), 1))
		}, BadIndex, []string{"its file is"}},
		{"no image behind the index", func(s *site) {
			s.forge(good, nil)
			os.Remove(filepath.Join(s.www, "edge_6.efi"))
		}, NotFound, []string{"edge_6.efi", "404"}},
		{"tampered with", func(s *site) { s.forge(tampered, nil) }, BadImage, []string{"changed after it was built"}},
		{"another file than the index says", func(s *site) {
			s.forge(good, nil)
			put(t, filepath.Join(s.www, "edge_6.efi"), tampered)
		}, BadImage, []string{"SHA-256", "publish it again"}},
		{"no image at all", func(s *site) { s.forge([]byte("MZ but no more"), nil) }, BadImage, []string{"edge_6.efi"}},
		{"not signed", func(s *site) { s.forge(image(appliance, "6", nil), nil) }, WrongSigner, []string{"not signed", "update.signer"}},
		{"signed by another, and the index says so", func(s *site) {
			s.forge(image(appliance, "6", others), func(x *release.Index) { x.Signer = release.Fingerprint(others.Certificate) })
		}, WrongSigner, []string{"signed by the certificate sha256:", "update.signer"}},
		{"signed by another, and the index lies", func(s *site) { s.forge(image(appliance, "6", others), nil) }, WrongSigner, []string{"another certificate", "first publish an image whose spec names the new one"}},
		{"another appliance's image", func(s *site) { s.forge(image("core", "6", ours), nil) }, BadImage, []string{"is core in version 6"}},
		{"an older image under a newer version", func(s *site) { s.forge(image(appliance, "4", ours), nil) }, BadImage, []string{"is edge in version 4"}},
		{"another build of the version", func(s *site) {
			s.forge(good, func(x *release.Index) { x.Image = "sha256:" + strings.Repeat("1", 64) })
		}, BadImage, []string{"the index says edge in version 6"}},
		{"shorter than the index says", func(s *site) { s.forge(good, func(x *release.Index) { x.Size++ }) }, BadImage, []string{"the index says"}},
		{"ends early, without a length", body(good[:len(good)-1]), BadImage, []string{"ends after"}},
		{"goes on, without a length", body(append(bytes.Clone(good), 0)), BadImage, []string{"goes on behind"}},
		{"breaks off", func(s *site) {
			s.forge(good, nil)
			s.wrap = func(w http.ResponseWriter, r *http.Request, files http.Handler) {
				if !strings.HasSuffix(r.URL.Path, ".efi") {
					files.ServeHTTP(w, r)
					return
				}
				w.Header().Set("Content-Length", fmt.Sprint(len(good)))
				w.Write(good[:len(good)/2])
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			}
		}, Interrupted, []string{"broke off after", "fetches it anew"}},
		{"stalls", func(s *site) {
			s.forge(good, nil)
			s.Source.stall = 2 * time.Second // the index comes in less, on a busy machine too
			s.wrap = func(w http.ResponseWriter, r *http.Request, files http.Handler) {
				if !strings.HasSuffix(r.URL.Path, ".efi") {
					files.ServeHTTP(w, r)
					return
				}
				w.Header().Set("Content-Length", fmt.Sprint(len(good)))
				w.Write(good[:1000])
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			}
		}, Interrupted, []string{"no byte came for 2s"}},
		{"redirected to http", func(s *site) {
			s.wrap = func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
				http.Redirect(w, r, "http://"+r.Host+r.URL.Path, http.StatusFound)
			}
		}, Unreachable, []string{"not https"}},
		{"redirected for ever", func(s *site) {
			s.wrap = func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
				http.Redirect(w, r, r.URL.Path, http.StatusFound)
			}
		}, Unreachable, []string{"in a row"}},
		{"nobody listens", func(s *site) { s.server.Close() }, Unreachable, []string{"refuses the connection", "start the web server"}},
		{"a server without TLS", func(s *site) {
			plain := httptest.NewServer(http.NotFoundHandler())
			t.Cleanup(plain.Close)
			s.Source = NewSource(strings.Replace(plain.URL, "http:", "https:", 1)+"/", s.roots())
		}, Unreachable, []string{"does not speak TLS"}},
		{"not by a public authority", func(s *site) { s.Source = NewSource(s.server.URL+"/", nil) }, Untrusted, []string{"not by a public authority", "update.ca of the spec"}},
		{"not by the site's authority", func(s *site) { s.Source = NewSource(s.server.URL+"/", x509.NewCertPool()) }, Untrusted, []string{"not by the authorities of update.ca", "put the authority"}},
		{"a certificate of another name", func(s *site) { s.serveAs("other.example.net", -1, 1) }, Untrusted, []string{"not for this name, it is for other.example.net"}},
		{"a certificate whose time is over", func(s *site) { s.serveAs("127.0.0.1", -3, -2) }, Untrusted, []string{"not valid now", "hardware.ntp"}},
		{"a certificate whose time has not come", func(s *site) { s.serveAs("127.0.0.1", 2, 3) }, Untrusted, []string{"not valid now", "hardware.ntp"}},
		{"a name nobody knows", func(s *site) { s.Source = NewSource("https://updates.invalid/", nil) }, Unreachable, []string{"updates.invalid", "hardware.dns"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			s.t = t
			c.arrange(s)
			out, err := s.Look(context.Background(), Options{})
			if err == nil {
				t.Fatalf("taken: %+v", out)
			}
			t.Log(err)
			if out.Result != Failed || KindOf(err) != c.kind {
				t.Errorf("result %s, kind %s, want %s", out.Result, KindOf(err), c.kind)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if d := cmp.Diff([]string{"edge_5.efi"}, s.files()); d != "" {
				t.Errorf("something is left: %s", d)
			}
		})
	}
}

// serveAs replaces the server's certificate by one for a name, valid between two days from
// now, by an authority that the appliance knows.
func (s *site) serveAs(name string, first, last int) {
	s.t.Helper()
	now := time.Now()
	make := func(c, by *x509.Certificate, key, byKey *ecdsa.PrivateKey) *x509.Certificate {
		der, err := x509.CreateCertificate(rand.Reader, c, by, &key.PublicKey, byKey)
		if err != nil {
			s.t.Fatal(err)
		}
		out, err := x509.ParseCertificate(der)
		if err != nil {
			s.t.Fatal(err)
		}
		return out
	}
	var keys [2]*ecdsa.PrivateKey
	for i := range keys {
		var err error
		if keys[i], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			s.t.Fatal(err)
		}
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageCertSign}
	ca = make(ca, ca, keys[0], keys[0])
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "Server"}, NotBefore: now.AddDate(0, 0, first), NotAfter: now.AddDate(0, 0, last),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if ip := net.ParseIP(name); ip != nil {
		leaf.IPAddresses = []net.IP{ip}
	} else {
		leaf.DNSNames = []string{name}
	}
	leaf = make(leaf, ca, keys[1], keys[0])
	s.server.TLS.Certificates = []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: keys[1]}}
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	s.Source = NewSource(s.server.URL+"/", pool)
}

// Errors of the partition are told apart from those of the server.
func TestErrorsOfTheDisk(t *testing.T) {
	for _, c := range []struct {
		err  error
		kind Kind
		want string
	}{
		{&slots.NoRoom{Version: "6", Need: 60 << 20, Have: 1 << 20, KeptVersions: []string{"5"}}, NoRoom, "needs 62914560 bytes on the EFI system partition, and there are 1048576 beside what stays (version 5): write the disk anew"},
		{fmt.Errorf("ESP: %w", os.ErrPermission), Disk, "version 6 cannot be installed"},
		{fmt.Errorf("copying: %w", &Error{Interrupted, io.ErrUnexpectedEOF, "wait"}), Interrupted, "copying"},
	} {
		err := notInstalled("6", c.err)
		if KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", KindOf(err), err)
		}
	}
	s := newSite(t)
	s.publish("6")
	if err := os.RemoveAll(s.esp); err != nil {
		t.Fatal(err)
	}
	if out, err := s.Look(context.Background(), Options{}); KindOf(err) != Disk || out.Result != Failed {
		t.Errorf("without a partition: %+v, %v", out, err)
	}
}

// Wherever the power goes while an image comes: nothing that boots is there but the old
// image, and the next look installs the new one.
func TestStoppedAtAnyByte(t *testing.T) {
	ours, _ := signers(t)
	raw, err := imagetest.Signed(appliance, "6", size, ours)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, 1, 511, 512, 4096, len(raw) / 3, len(raw) / 2, len(raw) - 1, len(raw)} {
		s := newSite(t)
		s.forge(raw, nil)
		ctx, cancel := context.WithCancel(context.Background())
		s.wrap = func(w http.ResponseWriter, r *http.Request, files http.Handler) {
			if !strings.HasSuffix(r.URL.Path, ".efi") {
				files.ServeHTTP(w, r)
				return
			}
			w.WriteHeader(http.StatusOK)
			w.Write(raw[:at])
			w.(http.Flusher).Flush()
			cancel()
			<-r.Context().Done() // never ends by itself
		}
		out, err := s.Look(ctx, Options{})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("at byte %d: %+v, %v", at, out, err)
		}
		if slices.ContainsFunc(s.files(), func(f string) bool { return strings.HasSuffix(f, ".efi") && f != "edge_5.efi" }) {
			t.Errorf("at byte %d: %q", at, s.files())
		}
		s.wrap = nil
		if out, err := s.Look(context.Background(), Options{}); err != nil || out.Result != Installed {
			t.Errorf("after byte %d: %+v, %v", at, out, err)
		}
		if d := cmp.Diff([]string{"edge_5.efi", "edge_6+3.efi"}, s.files()); d != "" {
			t.Errorf("after byte %d: %s", at, d)
		}
		cancel()
	}
}

// A server that redirects to another over https is followed.
func TestRedirected(t *testing.T) {
	s := newSite(t)
	s.publish("6")
	s.wrap = func(w http.ResponseWriter, r *http.Request, files http.Handler) {
		if rest, ok := strings.CutPrefix(r.URL.Path, "/mirror"); ok {
			r.URL.Path = rest
			files.ServeHTTP(w, r)
			return
		}
		http.Redirect(w, r, "/mirror"+r.URL.Path, http.StatusFound)
	}
	if out, err := s.Look(context.Background(), Options{}); err != nil || out.Result != Installed {
		t.Errorf("%+v, %v", out, err)
	}
}
