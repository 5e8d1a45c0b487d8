package secureboot

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// minBits is the shortest RSA key that is taken: the length every UEFI firmware
// verifies (UEFI 2.10, 32.4.1).
const minBits = 2048

// Signer is a private key and the certificate of its public key. The key may live
// elsewhere: only its Sign is called, with PKCS #1 v1.5 over SHA-256.
type Signer struct {
	Key         crypto.Signer
	Certificate *x509.Certificate
}

// Fingerprint is the SHA-256 of the certificate, lower-case hexadecimal.
func (s *Signer) Fingerprint() string { return fingerprint(s.Certificate) }

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// LoadSigner reads a private key (a file in PEM, or the RFC 7512 URI of one in a PKCS #11
// token) and its certificate (PEM or DER), and checks that firmware can verify what they
// sign and that the certificate is of use at the time now. ctx bounds every use of a token.
func LoadSigner(ctx context.Context, keyName, certFile string, now time.Time) (*Signer, error) {
	cert, err := loadCertificate(certFile)
	if err != nil {
		return nil, fmt.Errorf("secure boot certificate %s: %w", certFile, err)
	}
	public, err := rsaPublic(cert)
	if err == nil {
		err = usable(cert, now)
	}
	if err != nil {
		return nil, fmt.Errorf("secure boot certificate %s (%s): %w", certFile, cert.Subject, err)
	}
	if strings.HasPrefix(keyName, tokenScheme) {
		key, err := tokenSigner(ctx, keyName, public)
		if err != nil {
			return nil, fmt.Errorf("secure boot key %s: %w", withoutPIN(keyName), err)
		}
		return &Signer{Key: key, Certificate: cert}, nil
	}
	key, err := loadKey(keyName)
	if err != nil {
		return nil, fmt.Errorf("secure boot key %s: %w", keyName, err)
	}
	if !key.PublicKey.Equal(public) {
		return nil, fmt.Errorf("secure boot certificate %s (%s) is not for the key %s: give the certificate that was made with this key",
			certFile, cert.Subject, keyName)
	}
	return &Signer{Key: key, Certificate: cert}, nil
}

// rsaPublic is the key of a certificate when firmware can verify with it.
func rsaPublic(c *x509.Certificate) (*rsa.PublicKey, error) {
	public, ok := c.PublicKey.(*rsa.PublicKey)
	switch {
	case !ok:
		return nil, fmt.Errorf("its key is of the kind %v, firmware verifies RSA: make key and certificate with `trunkline keys DIR`", c.PublicKeyAlgorithm)
	case public.N.BitLen() < minBits:
		return nil, fmt.Errorf("its RSA key has %d bits, firmware wants %d: make key and certificate with `trunkline keys DIR`", public.N.BitLen(), minBits)
	}
	return public, nil
}

func loadKey(name string) (*rsa.PrivateKey, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, bare(err)
	}
	other := "there is no private key in PEM in it: it begins with -----BEGIN PRIVATE KEY-----"
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		var key any
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
			return nil, fmt.Errorf("it is protected by a passphrase: decrypt it for the build, `openssl pkey -in %s -out db.key`", name)
		case block.Type == "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case block.Type == "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case block.Type == "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case block.Type == "CERTIFICATE":
			other = "it holds a certificate, not a private key: are key and certificate swapped?"
			continue
		case strings.HasSuffix(block.Type, "PUBLIC KEY"):
			other = "it holds a public key: give the private one"
			continue
		default:
			continue // parameters of a curve, for one
		}
		if err != nil {
			return nil, fmt.Errorf("it is damaged: %w", err)
		}
		return rsaKey(key)
	}
	return nil, errors.New(other)
}

// rsaKey checks the kind of a key; its length is the certificate's.
func rsaKey(key any) (*rsa.PrivateKey, error) {
	if k, ok := key.(*rsa.PrivateKey); ok {
		return k, nil
	}
	kind := fmt.Sprintf("%T", key)
	switch key.(type) {
	case *ecdsa.PrivateKey:
		kind = "elliptic curve key"
	case ed25519.PrivateKey:
		kind = "Ed25519 key"
	}
	return nil, fmt.Errorf("it is an %s, firmware verifies RSA: make one with `trunkline keys DIR`", kind)
}

// LoadCertificate reads the one certificate of a file, PEM or DER.
func LoadCertificate(name string) (*x509.Certificate, error) {
	c, err := loadCertificate(name)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", name, err)
	}
	return c, nil
}

func loadCertificate(name string) (*x509.Certificate, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, bare(err)
	}
	der := b
	if bytes.Contains(b, []byte("-----BEGIN ")) {
		der = nil
		other := "there is no certificate in it"
		for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
			if strings.HasSuffix(block.Type, "PRIVATE KEY") {
				other = "it holds a private key: are key and certificate swapped?"
			}
			if block.Type != "CERTIFICATE" {
				continue
			}
			if der != nil {
				return nil, errors.New("it holds several certificates: give the signer's alone, the one that is in the db of the firmware")
			}
			der = block.Bytes
		}
		if der == nil {
			return nil, errors.New(other)
		}
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("it is no X.509 certificate, in PEM or DER: %w", err)
	}
	return c, nil
}

// usable says why a certificate should sign no image. Firmware looks at none of this;
// who audits the image later does.
func usable(c *x509.Certificate, now time.Time) error {
	const day = "2006-01-02"
	switch {
	case now.After(c.NotAfter):
		return fmt.Errorf("it ended on %s: make a new one for the same key and enrol it in the db of the firmware", c.NotAfter.UTC().Format(day))
	case now.Before(c.NotBefore):
		return fmt.Errorf("it begins on %s, today is %s: correct the clock, or SOURCE_DATE_EPOCH", c.NotBefore.UTC().Format(day), now.UTC().Format(day))
	case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return errors.New("its key usage does not allow signatures: make one with keyUsage digitalSignature")
	}
	if len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) > 0 && !slices.ContainsFunc(c.ExtKeyUsage, func(u x509.ExtKeyUsage) bool {
		return u == x509.ExtKeyUsageCodeSigning || u == x509.ExtKeyUsageAny
	}) {
		return errors.New("its extended key usage does not allow to sign code: make one with extendedKeyUsage codeSigning, or without the extension")
	}
	return nil
}

// bare is an error of the file system without the name of the file, which the caller says.
func bare(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
