package update

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"trunkline/image/release"
)

// Kind says what an error is about, in a word that stays the same.
type Kind string

// Kinds of errors.
const (
	Unreachable Kind = "unreachable"  // the server
	Untrusted   Kind = "untrusted"    // its certificate
	NotFound    Kind = "not-found"    // the index or the image
	BadIndex    Kind = "bad-index"    // not understood
	Interrupted Kind = "interrupted"  // the transfer broke off
	BadImage    Kind = "bad-image"    // not what the index says, changed, or not this appliance's
	WrongSigner Kind = "wrong-signer" // signed by another certificate, or not at all
	NoRoom      Kind = "no-room"      // on the EFI system partition
	Disk        Kind = "disk"         // anything else of the partition
)

// Error is why there is no update: cause and remedy.
type Error struct {
	Kind   Kind
	Err    error
	Remedy string // begins with a verb, without a full stop
}

func (e *Error) Error() string { return e.Err.Error() + ": " + e.Remedy }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf is the kind of an error; Disk when it is none of this package.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Disk
}

// explain puts an error of the connection into plain words.
func (s *Source) explain(address string, err error) error {
	host := address
	if u, parse := url.Parse(address); parse == nil {
		host = u.Host
	}
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		system    x509.SystemRootsError
		plain     tls.RecordHeaderError
		dns       *net.DNSError
		alert     tls.AlertError
		redirect  *redirectError
		timeout   net.Error
	)
	switch {
	case errors.As(err, &redirect):
		return &Error{Unreachable, fmt.Errorf("%s is %w", address, redirect), "have the server hand out the directory itself, over https"}
	case errors.As(err, &authority) || errors.As(err, &system):
		if s.ownRoot {
			return &Error{Untrusted, fmt.Errorf("the certificate of %s is not by the authorities of update.ca%s", host, issuer(authority.Cert)), "put the authority that issued it into that file, and publish an image with it before the server changes"}
		}
		return &Error{Untrusted, fmt.Errorf("the certificate of %s is not by a public authority%s", host, issuer(authority.Cert)), "name the authority of your site in update.ca of the spec, or give the server a public certificate with its whole chain"}
	case errors.As(err, &name):
		return &Error{Untrusted, fmt.Errorf("the certificate of %s is not for this name%s", host, namesOf(name.Certificate)), "write the server's name in update.url, or give the server a certificate for this one"}
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return &Error{Untrusted, fmt.Errorf("the certificate of %s is not valid now (%s UTC by the clock of this appliance): %s", host, time.Now().UTC().Format("2006-01-02 15:04"), validity(invalid.Cert)), "renew it; if the clock is wrong, name time servers in hardware.ntp of the spec"}
	case errors.As(err, &invalid):
		return &Error{Untrusted, fmt.Errorf("the certificate of %s: %w", host, invalid), "give the server a certificate that authorities vouch for"}
	case errors.As(err, &plain) || errors.Is(err, http.ErrSchemeMismatch):
		return &Error{Unreachable, fmt.Errorf("%s does not speak TLS", host), "name its https port in update.url"}
	case errors.As(err, &alert):
		return &Error{Unreachable, fmt.Errorf("%s ends the TLS handshake: %w", host, alert), "look at the log of the server; TLS 1.2 is the oldest that is spoken, and no client certificate is shown"}
	case errors.As(err, &dns):
		return &Error{Unreachable, fmt.Errorf("the name %s cannot be resolved: %s", dns.Name, dns.Err), "look at the name servers of hardware.dns, and at what they know of it"}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &Error{Unreachable, fmt.Errorf("%s refuses the connection", host), "start the web server, or correct update.url"}
	case errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH):
		return &Error{Unreachable, fmt.Errorf("there is no way to %s", host), "look at the gateways and routes of hardware, and at the networks between"}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return &Error{Unreachable, fmt.Errorf("%s does not answer", host), "look whether it runs, and whether firewalls between let the appliance connect to it"}
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return &Error{Interrupted, fmt.Errorf("%s broke off the connection", host), "look at the log of the server"}
	}
	return &Error{Unreachable, fmt.Errorf("%s: %w", address, bare(err)), "look at the server and at the way to it"}
}

// bare is an error without the ports of this moment, by which the same trouble would look
// like another one each time.
func bare(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	var path *os.PathError
	if errors.As(err, &path) {
		return path
	}
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func issuer(c *x509.Certificate) string {
	if c == nil {
		return ""
	}
	return fmt.Sprintf(" (it was issued by %q)", c.Issuer)
}

// namesOf lists what a certificate is for.
func namesOf(c *x509.Certificate) string {
	if c == nil {
		return ""
	}
	names := slices.Clone(c.DNSNames)
	for _, a := range c.IPAddresses {
		names = append(names, a.String())
	}
	if len(names) == 0 {
		return ", it is for none"
	}
	const most = 5
	if more := len(names) - most; more > 0 {
		names = append(names[:most], fmt.Sprintf("and %d more", more))
	}
	return ", it is for " + strings.Join(names, ", ")
}

func validity(c *x509.Certificate) string {
	if c == nil {
		return "its time has not come, or is over"
	}
	return fmt.Sprintf("it is from %s to %s", c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly))
}

// wrongSigner is the error of an image, or index, of another signer than the spec's.
func wrongSigner(what string, cause error, want *x509.Certificate) error {
	return &Error{WrongSigner, fmt.Errorf("%s: %w", what, cause),
		fmt.Sprintf("build it with the key of %s, which update.signer of this appliance names; to change the signer, first publish an image whose spec names the new one, signed with the old key", release.Describe(want))}
}
