package spec

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// What becomes of an update that is there.
const (
	RebootWindow = "window"  // it is booted in the window, the default
	RebootManual = "manual"  // somebody boots it
	RebootAtOnce = "at-once" // it is booted when it has come
)

// maxSigner bounds the file of a certificate, and maxAuthorities that of a site's
// authorities, bytes.
const (
	maxSigner      = 64 << 10
	maxAuthorities = 256 << 10
)

var defaultWindow = Window{2 * time.Hour, 4 * time.Hour}

func (d *decoder) update(root *section, s *Spec) {
	sec := root.one("update")
	if sec == nil {
		return
	}
	u := &Update{
		Interval: sec.duration("interval", time.Minute, 30*24*time.Hour, time.Hour),
		Signer:   sec.str("signer", ""),
		CA:       sec.str("ca", ""),
		Reboot:   sec.oneOf("reboot", RebootWindow, []string{RebootWindow, RebootManual, RebootAtOnce}, nil),
		Tries:    sec.integer("tries", 1, 10, 3),
		Range:    sec.def,

		URLRange: sec.rng("url"), SignerRange: sec.rng("signer"), CARange: sec.rng("ca"), WindowRange: sec.rng("window"), RebootRange: sec.rng("reboot"),
	}
	u.URL = d.updateURL(sec)
	window := d.window(sec)
	switch {
	case u.Reboot == RebootWindow:
		u.Window = &window
	case sec.stated("window"):
		d.errorf(sec.attrs["window"].NameRange, "Window without effect", "With reboot = %q no window is waited for. Remove window, or write reboot = \"window\".", u.Reboot)
	}
	d.signer(u)
	d.authorities(u)
	s.Update = u
}

// updateURL reads the directory images come from.
func (d *decoder) updateURL(sec *section) string {
	text := sec.str("url", "")
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		sec.wrong("url", "This is not the address of a directory on the web.")
	case u.User != nil:
		d.errorf(sec.attrs["url"].SrcRange, "Secret in the spec", "The url holds a user or a password. It is in the repository now: take it out, and change it on the server. Images are signed and hold no secrets, so their directory needs no password: write the url without one.")
	case u.Scheme == "http":
		d.errorf(sec.rng("url"), "Update without TLS", "Over http anybody on the way sees which version runs, and can keep an appliance on an old one by leaving the new one out; the signature does not help against that. Write %q.", "https"+text[len("http"):])
	case u.Scheme != "https":
		sec.wrong("url", fmt.Sprintf("Updates come over https, not %s.", u.Scheme))
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		sec.wrong("url", "The names of the files are put after the url, so it has no part after \"?\" or \"#\".")
	case !strings.HasSuffix(u.Path, "/"):
		d.errorf(sec.rng("url"), "Not a directory", "The names of the files are put after the url, so it ends in a slash. Write %q.", text+"/")
	case !validURLHost(u):
		sec.wrong("url", fmt.Sprintf("%q is not a host with or without a port.", u.Host))
	default:
		return text
	}
	return ""
}

func validURLHost(u *url.URL) bool {
	return validHostPort(u.Host) && u.Hostname() != "" && !strings.HasSuffix(u.Host, ":")
}

// window reads "HH:MM-HH:MM".
func (d *decoder) window(sec *section) Window {
	text := sec.str("window", "")
	if text == "" {
		return defaultWindow
	}
	a, b, isSpan := strings.Cut(text, "-")
	first, okFirst := timeOfDay(a)
	last, okLast := timeOfDay(b)
	switch {
	case !isSpan || !okFirst || !okLast:
		sec.wrong("window", "window takes two times of the day in UTC, from 00:00 to 23:59, with a hyphen between them. It may span midnight: \"23:00-01:00\".")
	case first == last:
		sec.wrong("window", "The window begins and ends at the same minute, so it is never open.")
	default:
		return Window{first, last}
	}
	return defaultWindow
}

// timeOfDay reads HH:MM as the time since midnight.
func timeOfDay(text string) (time.Duration, bool) {
	if len(text) != len("00:00") || text[2] != ':' {
		return 0, false
	}
	h, errH := strconv.ParseUint(text[:2], 10, 8)
	m, errM := strconv.ParseUint(text[3:], 10, 8)
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute, errH == nil && errM == nil && h < 24 && m < 60
}

// signer reads the certificate whose signature counts. Whether it has expired is a
// question of the day, which a spec knows nothing of: a policy asks it.
func (d *decoder) signer(u *Update) {
	data, ok := d.certificateFile(u.Signer, u.SignerRange, maxSigner, "Signer", "whoever reads it signs images that every appliance takes. Make a new key, keep it where images are signed, and put its certificate alone here")
	if !ok {
		return
	}
	list, err := certificates(data)
	if err == nil && len(list) > 1 {
		err = fmt.Errorf("holds %d certificates, and the signature of one counts", len(list))
	}
	if err == nil && list[0].PublicKeyAlgorithm != x509.RSA {
		d.errorf(u.SignerRange, "Invalid signer", "%s is of a key of the kind %s. Images are signed with RSA keys, which all firmware verifies: `trunkline keys DIR` makes one, and its DIR/db.crt is the certificate to put here.",
			d.src.display(u.Signer), list[0].PublicKeyAlgorithm)
		return
	}
	if err != nil {
		d.errorf(u.SignerRange, "Invalid signer", "%s %s. Write the certificate that signs the images there, in PEM form: from -----BEGIN CERTIFICATE----- to the END line.", d.src.display(u.Signer), err)
		return
	}
	u.Certificate = list[0].Raw
}

// authorities reads those that the certificate of the server is checked with.
func (d *decoder) authorities(u *Update) {
	data, ok := d.certificateFile(u.CA, u.CARange, maxAuthorities, "Authorities", "whoever reads it can pass for the update server. Make a new key, keep it where server certificates are issued, and put the certificate alone here")
	if !ok {
		return
	}
	list, err := certificates(data)
	if err != nil {
		d.errorf(u.CARange, "Invalid ca", "%s %s. Write the certificates of the authorities there that issue the server's, in PEM form: each from -----BEGIN CERTIFICATE----- to the END line.", d.src.display(u.CA), err)
		return
	}
	for _, c := range list {
		if c.BasicConstraintsValid && !c.IsCA && c.CheckSignatureFrom(c) != nil {
			d.errorf(u.CARange, "Invalid ca", "%s holds the certificate of %q, which is no authority: nothing that it issued is trusted. Write the certificate of the authority that issued it.", d.src.display(u.CA), c.Subject)
			return
		}
		u.Authorities = append(u.Authorities, c.Raw)
	}
}

// certificateFile reads a file of certificates beside the spec. Without one, and
// when something was wrong that has been reported, ok is false.
func (d *decoder) certificateFile(name string, rng hcl.Range, most int64, what, leaked string) (data []byte, ok bool) {
	if name == "" {
		return nil, false
	}
	local, ok := localName(name)
	if !ok {
		d.errorf(rng, "File outside the spec", "%q does not lie in the spec directory, so a review of the spec would not show it. Move it beside the *.hcl files.", name)
		return nil, false
	}
	data, err := d.readFile(local, most)
	if err != nil {
		d.errorf(rng, what+" not readable", "%s cannot be read: %s. The path counts from the spec directory.", d.src.display(local), reason(err))
		return nil, false
	}
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return data, true
		}
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			d.errorf(rng, "Secret in the spec", "%s holds a private key. It is in the repository now: %s.", d.src.display(local), leaked)
			return nil, false
		}
	}
}

// certificates reads those of a PEM file; there is one at least.
func certificates(data []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("holds a certificate that cannot be read: " + strings.TrimPrefix(err.Error(), "x509: "))
		}
		out = append(out, c)
	}
	switch {
	case len(out) == 0 && !bytes.Contains(data, []byte("-----BEGIN")):
		return nil, errors.New("is not in PEM form")
	case len(out) == 0:
		return nil, errors.New("holds no certificate")
	}
	return out, nil
}

// checkUpdate holds the server's address against the network of the appliance.
func (d *decoder) checkUpdate(s *Spec) {
	if s.Update == nil || s.Update.URL == "" {
		return
	}
	u, err := url.Parse(s.Update.URL)
	if err != nil {
		return // reported
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		d.checkPeer(s, a, s.Update.URLRange, "update server")
		return
	}
	d.checkResolvable(s, u.Hostname(), s.Update.URLRange)
}
