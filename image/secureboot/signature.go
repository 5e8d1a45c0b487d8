package secureboot

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Signature is one Authenticode signature of an image.
type Signature struct {
	Certificate *x509.Certificate // of the key that signed; nothing says that it is trusted
	// Err is why the signature does not hold; nil: the image is as it was signed, by this
	// certificate's key.
	Err error
}

// Signatures lists the signatures behind an image; none when it is not signed. An error
// is a table of signatures that cannot be read. Signatures other than RSA over SHA-256,
// the only ones that this package makes, are listed as not holding.
func Signatures(image []byte) ([]Signature, error) {
	optional, table, err := certificateTable(image)
	if err != nil {
		return nil, fmt.Errorf("secure boot: %w", err)
	}
	if len(table) == 0 {
		return nil, nil
	}
	digest := authentihash(image, optional, len(image)-len(table))
	var out []Signature
	for len(table) > 0 {
		if len(table) < winCertificateHeader {
			return nil, errors.New("secure boot: the certificate table ends within an entry")
		}
		length := uint64(le.Uint32(table))
		if length < winCertificateHeader || length > uint64(len(table)) {
			return nil, fmt.Errorf("secure boot: an entry of the certificate table has %d bytes, %d are left", length, len(table))
		}
		if le.Uint16(table[6:]) == winCertificatePKCS {
			s, err := readSignature(table[winCertificateHeader:length], digest)
			if err != nil {
				return nil, fmt.Errorf("secure boot: signature %d: %w", len(out)+1, err)
			}
			out = append(out, s)
		}
		table = table[min(length+uint64(padding(int(length), tableAlign)), uint64(len(table))):]
	}
	return out, nil
}

// errSignature is a message that is not what RFC 2315 and Authenticode say.
var errSignature = errors.New("it is no Authenticode signature of one signer")

// readSignature reads a message and checks it against the digest of the image.
func readSignature(der []byte, digest [sha256.Size]byte) (Signature, error) {
	m, err := parseMessage(der)
	if err != nil {
		return Signature{}, err
	}
	s := Signature{Certificate: m.signer()}
	switch {
	case s.Certificate == nil:
		return Signature{}, errors.New("the certificate of the signer is not in it")
	case !m.contentType.Equal(oidIndirectData) || !m.digestAlgorithm.Equal(oidSHA256):
		s.Err = errors.New("it is not over the SHA-256 of an image")
	default:
		s.Err = m.check(s.Certificate, digest)
	}
	return s, nil
}

// message is what is read of a SignedData with one signer.
type message struct {
	contentType     asn1.ObjectIdentifier
	content         cryptobyte.String // value of the content, without tag and length
	certificates    []*x509.Certificate
	issuer          []byte
	serial          *big.Int
	digestAlgorithm asn1.ObjectIdentifier
	attributes      cryptobyte.String // empty: none
	signature       []byte
}

func parseMessage(der []byte) (*message, error) {
	m := &message{serial: new(big.Int)}
	in := cryptobyte.String(der)
	var info, wrapped, data, algorithms, content, certs, signers, signer, id, algorithm, issuer, signatureAlgorithm cryptobyte.String
	var kind asn1.ObjectIdentifier
	var version int64
	var hasContent, hasCerts, hasAttributes bool
	ok := in.ReadASN1(&info, cbasn1.SEQUENCE) &&
		info.ReadASN1ObjectIdentifier(&kind) && kind.Equal(oidSignedData) &&
		info.ReadASN1(&wrapped, explicit0) && wrapped.ReadASN1(&data, cbasn1.SEQUENCE) &&
		data.ReadASN1Integer(&version) && data.ReadASN1(&algorithms, cbasn1.SET) &&
		data.ReadASN1(&content, cbasn1.SEQUENCE) && content.ReadASN1ObjectIdentifier(&m.contentType) &&
		content.ReadOptionalASN1(&content, &hasContent, explicit0) && hasContent &&
		content.ReadASN1(&m.content, cbasn1.SEQUENCE) &&
		data.ReadOptionalASN1(&certs, &hasCerts, explicit0) && hasCerts &&
		data.SkipOptionalASN1(cbasn1.Tag(0xa1)) && // revocation lists
		data.ReadASN1(&signers, cbasn1.SET) && signers.ReadASN1(&signer, cbasn1.SEQUENCE) && signers.Empty() &&
		signer.ReadASN1Integer(&version) && signer.ReadASN1(&id, cbasn1.SEQUENCE) &&
		id.ReadASN1Element(&issuer, cbasn1.SEQUENCE) && id.ReadASN1Integer(m.serial) &&
		signer.ReadASN1(&algorithm, cbasn1.SEQUENCE) && algorithm.ReadASN1ObjectIdentifier(&m.digestAlgorithm) &&
		signer.ReadOptionalASN1(&m.attributes, &hasAttributes, explicit0) &&
		signer.ReadASN1(&signatureAlgorithm, cbasn1.SEQUENCE) &&
		signer.ReadASN1Bytes(&m.signature, cbasn1.OCTET_STRING)
	if !ok {
		return nil, errSignature
	}
	m.issuer = issuer
	for !certs.Empty() {
		var raw cryptobyte.String
		if !certs.ReadASN1Element(&raw, cbasn1.SEQUENCE) {
			return nil, errSignature
		}
		c, err := x509.ParseCertificate(raw)
		if err != nil {
			return nil, fmt.Errorf("a certificate in it: %w", err)
		}
		m.certificates = append(m.certificates, c)
	}
	return m, nil
}

// signer is the certificate that the signer's issuer and serial number name.
func (m *message) signer() *x509.Certificate {
	for _, c := range m.certificates {
		if bytes.Equal(c.RawIssuer, m.issuer) && c.SerialNumber.Cmp(m.serial) == 0 {
			return c
		}
	}
	return nil
}

// check says why a message is not the certificate's over an image of this digest.
func (m *message) check(c *x509.Certificate, image [sha256.Size]byte) error {
	var kind, info, algorithm, digest cryptobyte.String
	content := m.content
	if !content.ReadASN1(&kind, cbasn1.SEQUENCE) || !content.ReadASN1(&info, cbasn1.SEQUENCE) ||
		!info.ReadASN1(&algorithm, cbasn1.SEQUENCE) || !info.ReadASN1(&digest, cbasn1.OCTET_STRING) {
		return errSignature
	}
	if !bytes.Equal(digest, image[:]) {
		return errors.New("the image was changed after it was signed")
	}
	signed := sha256.Sum256(m.content)
	if len(m.attributes) > 0 {
		if !bytes.Equal(m.messageDigest(), signed[:]) {
			return errors.New("the signature is over something else")
		}
		// The set as it was signed has a tag of its own (RFC 2315, 9.3).
		var set cryptobyte.Builder
		set.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(m.attributes) })
		der, err := set.Bytes()
		if err != nil {
			return err
		}
		signed = sha256.Sum256(der)
	}
	public, ok := c.PublicKey.(*rsa.PublicKey)
	if !ok {
		return fmt.Errorf("it was made with a key of the kind %v, firmware verifies RSA", c.PublicKeyAlgorithm)
	}
	if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, signed[:], m.signature); err != nil {
		return errors.New("the signature is not by the key of its certificate")
	}
	return nil
}

// messageDigest is the attribute of that name; nil when there is none.
func (m *message) messageDigest() []byte {
	attributes := m.attributes
	for !attributes.Empty() {
		var one, set, value cryptobyte.String
		var kind asn1.ObjectIdentifier
		if !attributes.ReadASN1(&one, cbasn1.SEQUENCE) || !one.ReadASN1ObjectIdentifier(&kind) {
			return nil
		}
		if kind.Equal(oidMessageDigest) && one.ReadASN1(&set, cbasn1.SET) && set.ReadASN1(&value, cbasn1.OCTET_STRING) {
			return value
		}
	}
	return nil
}
