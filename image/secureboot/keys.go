package secureboot

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
)

// KeySet is who owns a fleet of machines, and what they start.
type KeySet struct {
	Owner       uuid.UUID // marks the entries of the firmware as this set's
	PK, KEK, DB *Signer
}

// NewKeySet makes three RSA keys of 2048 bits, the length that every firmware takes,
// with self-signed certificates of the given name, good from now for so many years.
func NewKeySet(name string, now time.Time, years int) (*KeySet, error) {
	owner, err := uuid.NewRandom()
	if err != nil {
		return nil, fmt.Errorf("secure boot keys: %w", err)
	}
	s := &KeySet{Owner: owner}
	for _, k := range []struct {
		to    **Signer
		title string
	}{{&s.PK, "Platform Key"}, {&s.KEK, "Key Exchange Key"}, {&s.DB, "Image Signing Key"}} {
		if *k.to, err = newSigner(name+" "+k.title, now, years); err != nil {
			return nil, fmt.Errorf("secure boot keys: %w", err)
		}
	}
	return s, nil
}

func newSigner(name string, now time.Time, years int) (*Signer, error) {
	key, err := rsa.GenerateKey(rand.Reader, minBits)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now = now.UTC().Truncate(time.Second)
	template := &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)), // never zero (RFC 5280, 4.1.2.2)
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now, NotAfter: now.AddDate(years, 0, 0),
		SignatureAlgorithm:    x509.SHA256WithRSA,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &Signer{Key: key, Certificate: cert}, nil
}

// File is one file of a key set.
type File struct {
	Name string
	Data []byte
}

// Files are the files of a set. For each of PK, KEK and db: .key (private, PEM), .crt
// (certificate, PEM), .cer (the same in DER, for the setup screens of firmware), .esl
// (signature list) and .auth (signed update, for enrolment); and the owner's GUID.
// Updates carry the time at.
func (s *KeySet) Files(at time.Time) ([]File, error) {
	out := []File{{"owner.guid", []byte(s.Owner.String() + "\n")}}
	for _, v := range []struct {
		variable   Variable
		signer, by *Signer
	}{{PK, s.PK, s.PK}, {KEK, s.KEK, s.PK}, {DB, s.DB, s.KEK}} {
		key, err := x509.MarshalPKCS8PrivateKey(v.signer.Key)
		if err != nil {
			return nil, fmt.Errorf("secure boot keys: %w", err)
		}
		list := SignatureList(v.signer.Certificate, s.Owner)
		update, err := v.by.Update(v.variable, list, at)
		if err != nil {
			return nil, fmt.Errorf("secure boot keys: %w", err)
		}
		name := v.variable.Name
		out = append(out,
			File{name + ".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})},
			File{name + ".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: v.signer.Certificate.Raw})},
			File{name + ".cer", v.signer.Certificate.Raw},
			File{name + ".esl", list},
			File{name + ".auth", update})
	}
	return out, nil
}

// WriteFiles writes files into dir, which is made if missing, for the owner alone. It
// writes all of them or none, and nothing that is there is overwritten.
func WriteFiles(dir string, files []File) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("secure boot keys: %w", err)
	}
	var written []string
	defer func() {
		if err != nil {
			for _, name := range written {
				err = errors.Join(err, os.Remove(name))
			}
		}
	}()
	for _, k := range files {
		name := filepath.Join(dir, k.Name)
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("secure boot keys: %s is there already, and a key that is lost cannot be made again: name another directory", name)
		}
		if err != nil {
			return fmt.Errorf("secure boot keys: %w", err)
		}
		written = append(written, name)
		_, err = f.Write(k.Data)
		if err == nil {
			err = f.Sync()
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("secure boot keys: %w", err)
		}
	}
	return nil
}
