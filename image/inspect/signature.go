package inspect

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"trunkline/image/secureboot"
)

// Signature is one Authenticode signature. Who trusts its certificate, only the
// firmware of a machine knows.
type Signature struct {
	Subject     string    `json:"subject"`     // of the certificate
	Certificate string    `json:"certificate"` // its SHA-256
	NotAfter    time.Time `json:"not_after"`   // end of its validity; firmware does not look at it
	// Problem is why the signature does not hold; empty: the file is as the
	// certificate's key signed it.
	Problem string `json:"problem,omitempty"`
}

// signatures are those of a PE file. A table that cannot be read is one that does
// not hold.
func signatures(raw []byte) []Signature {
	list, err := secureboot.Signatures(raw)
	if err != nil {
		return []Signature{{Problem: err.Error()}}
	}
	out := []Signature{}
	for _, s := range list {
		digest := sha256.Sum256(s.Certificate.Raw)
		one := Signature{Subject: s.Certificate.Subject.String(), Certificate: hex.EncodeToString(digest[:]), NotAfter: s.Certificate.NotAfter.UTC()}
		if s.Err != nil {
			one.Problem = s.Err.Error()
		}
		out = append(out, one)
	}
	return out
}
