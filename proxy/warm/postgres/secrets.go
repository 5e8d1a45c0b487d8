package postgres

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"trunkline/appliance/runtime"
)

// Secrets are what a session with a server takes that is in no configuration.
type Secrets struct {
	Password []byte // nil: none
	CA       []byte // certificates of the server's authority, PEM; nil: those the system knows
}

// ReadSecrets reads those of a database by their names; its errors name the secret.
func ReadSecrets(d runtime.Database, read func(name string) ([]byte, error)) (s Secrets, err error) {
	if d.Password != "" {
		b, err := read(d.Password)
		if err != nil {
			return s, fmt.Errorf("secret %s: %w", d.Password, err)
		}
		s.Password = []byte(strings.TrimRight(string(b), "\r\n"))
	}
	if d.CA != "" {
		if s.CA, err = read(d.CA); err != nil {
			return s, fmt.Errorf("secret %s: %w", d.CA, err)
		}
	}
	return s, nil
}

// roots are the authorities that a server's certificate may be of; nil: those the system knows.
func (s Secrets) roots() (*x509.CertPool, error) {
	if s.CA == nil {
		return nil, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(s.CA) {
		return nil, errors.New("the secret of ca holds no certificate in PEM (-----BEGIN CERTIFICATE-----): pass the certificate of the server's authority")
	}
	return pool, nil
}
