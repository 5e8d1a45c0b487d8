package secureboot

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Object identifiers of PKCS #7 (RFC 2315), PKCS #9 (RFC 2985) and RFC 8017.
var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSHA256        = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidRSAEncryption = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
)

// explicit0 is the tag [0], constructed.
const explicit0 cbasn1.Tag = 0xa0

// signedContent is what a SignedData is made for.
type signedContent struct {
	contentType asn1.ObjectIdentifier
	content     []byte // DER, carried in the message; nil: detached
	digest      [sha256.Size]byte
	// attributes has the digest signed as an attribute beside the content type, which
	// Authenticode asks for; without them the signature is over the content itself.
	attributes bool
}

// signedData is a SignedData of one signer with its certificate (RFC 2315, 9.1), DER.
func (s *Signer) signedData(c signedContent) ([]byte, error) {
	digest := c.digest
	var attributes []byte
	if c.attributes {
		var err error
		if attributes, err = authenticatedAttributes(c); err != nil {
			return nil, err
		}
		// What is signed is the set with its own tag, not the one it has in the message (9.3).
		var set cryptobyte.Builder
		set.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(attributes) })
		der, err := set.Bytes()
		if err != nil {
			return nil, err
		}
		digest = sha256.Sum256(der)
	}
	// PKCS #1 v1.5 takes no random numbers: the source only blinds the computation.
	signature, err := s.Key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}

	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { addAlgorithm(b, oidSHA256) })
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(c.contentType)
			if c.content != nil {
				b.AddASN1(explicit0, func(b *cryptobyte.Builder) { b.AddBytes(c.content) })
			}
		})
		b.AddASN1(explicit0, func(b *cryptobyte.Builder) { b.AddBytes(s.Certificate.Raw) })
		b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(1)
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddBytes(s.Certificate.RawIssuer)
					b.AddASN1BigInt(s.Certificate.SerialNumber)
				})
				addAlgorithm(b, oidSHA256)
				if attributes != nil {
					b.AddASN1(explicit0, func(b *cryptobyte.Builder) { b.AddBytes(attributes) })
				}
				addAlgorithm(b, oidRSAEncryption)
				b.AddASN1OctetString(signature)
			})
		})
	})
	return b.Bytes()
}

// contentInfo wraps a SignedData (RFC 2315, 7).
func contentInfo(signedData []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidSignedData)
		b.AddASN1(explicit0, func(b *cryptobyte.Builder) { b.AddBytes(signedData) })
	})
	return b.Bytes()
}

// authenticatedAttributes are the two that a message with attributes must have (9.2),
// in the order of their encodings, as DER wants a set.
func authenticatedAttributes(c signedContent) ([]byte, error) {
	attribute := func(oid asn1.ObjectIdentifier, value func(*cryptobyte.Builder)) ([]byte, error) {
		var b cryptobyte.Builder
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oid)
			b.AddASN1(cbasn1.SET, value)
		})
		return b.Bytes()
	}
	kind, err := attribute(oidContentType, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(c.contentType) })
	if err != nil {
		return nil, err
	}
	digest, err := attribute(oidMessageDigest, func(b *cryptobyte.Builder) { b.AddASN1OctetString(c.digest[:]) })
	if err != nil {
		return nil, err
	}
	set := [][]byte{kind, digest}
	slices.SortFunc(set, bytes.Compare)
	return slices.Concat(set...), nil
}

func addAlgorithm(b *cryptobyte.Builder, oid asn1.ObjectIdentifier) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddASN1NULL()
	})
}
