package secureboot

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
)

// tokenScheme begins the URI of a key in a PKCS #11 token (RFC 7512).
const tokenScheme = "pkcs11:"

// tokenKey is a private key in a token: a smart card, an HSM, a key service with a
// PKCS #11 module. OpenSSL signs with it, through its PKCS #11 provider or else its
// engine: the modules are C libraries, which a program without cgo cannot load.
type tokenKey struct {
	ctx    context.Context // crypto.Signer has none; a token may wait for somebody
	uri    string
	public *rsa.PublicKey
	access []string // how OpenSSL reaches tokens here: arguments
}

// Public implements crypto.Signer.
func (k *tokenKey) Public() crypto.PublicKey { return k.public }

// Sign implements crypto.Signer for digests of SHA-256. A signature that the public key
// does not verify is an error.
func (k *tokenKey) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	args := append([]string{"pkeyutl", "-sign", "-inkey", k.uri, "-pkeyopt", "rsa_padding_mode:pkcs1", "-pkeyopt", "digest:sha256"}, k.access...)
	cmd := exec.CommandContext(k.ctx, "openssl", args...)
	cmd.Stdin = bytes.NewReader(digest)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("OpenSSL cannot sign with it: %s: is the token there, are its name and the object right, and is the PIN given (pin-source=file:NAME)?",
			said(&errs, err))
	}
	if err := rsa.VerifyPKCS1v15(k.public, crypto.SHA256, digest, out.Bytes()); err != nil {
		return nil, errWrongToken
	}
	return out.Bytes(), nil
}

// errWrongToken is a token that signs with another key than the certificate's.
var errWrongToken = errors.New("the token's key is not the certificate's, or not that of the public key given: name the object that they were made for")

// tokenSigner finds out how to reach tokens, and signs something at once: what is wrong
// with the token shows before the image is built.
func tokenSigner(ctx context.Context, uri string, public *rsa.PublicKey) (*tokenKey, error) {
	k := &tokenKey{ctx: ctx, uri: uri, public: public}
	if _, err := exec.LookPath("openssl"); err != nil {
		return nil, errors.New("a key in a token is used through OpenSSL, which is not installed (Debian: openssl, libengine-pkcs11-openssl)")
	}
	const provider, engine = "pkcs11", "pkcs11"
	switch {
	case exec.CommandContext(ctx, "openssl", "list", "-providers", "-provider", provider).Run() == nil:
		k.access = []string{"-provider", provider, "-provider", "default"}
	case exec.CommandContext(ctx, "openssl", "engine", engine).Run() == nil:
		k.access = []string{"-engine", engine, "-keyform", "engine"}
	case ctx.Err() != nil:
		return nil, ctx.Err()
	default:
		return nil, errors.New("OpenSSL has neither a provider nor an engine for PKCS #11 (Debian: pkcs11-provider, libengine-pkcs11-openssl)")
	}
	if _, err := k.Sign(nil, make([]byte, crypto.SHA256.Size()), crypto.SHA256); err != nil {
		return nil, err
	}
	return k, nil
}

// said is what a program said on standard error, on one line, or how it ended.
func said(b *bytes.Buffer, err error) string {
	var lines []string
	for line := range strings.Lines(b.String()) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return err.Error()
	}
	const shown = 4
	return withoutPIN(strings.Join(lines[:min(len(lines), shown)], "; "))
}

// withoutPIN is a URI as it may be shown.
func withoutPIN(uri string) string { return pinValue.ReplaceAllString(uri, "${1}...") }

var pinValue = regexp.MustCompile(`(pin-value=)[^&;]*`)
