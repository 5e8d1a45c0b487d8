package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"trunkline/image/secureboot"
)

// Variables for the flags of the same names.
const (
	secureKeyVariable  = "TRUNKLINE_SECURE_BOOT_KEY"
	secureCertVariable = "TRUNKLINE_SECURE_BOOT_CERT"
)

// secureBootOptions say what to sign the image with.
type secureBootOptions struct {
	key, cert string // files
	enrol     string // directory of a key set; empty: nothing is enrolled
}

// secureBootFlags adds the flags of signing to a command that builds images.
func secureBootFlags(c *cobra.Command, o *secureBootOptions) {
	f := c.Flags()
	f.StringVar(&o.key, "secure-boot-key", "", "private key to sign UKI and boot loader with: a `FILE` in PEM, or the pkcs11: URI of a token (default: $"+secureKeyVariable+")")
	f.StringVar(&o.cert, "secure-boot-cert", "", "certificate `FILE` of that key (default: $"+secureCertVariable+")")
	f.StringVar(&o.enrol, "secure-boot-enroll", "", "`DIR` of PK.auth, KEK.auth and db.auth that a machine without keys takes from the disk")
}

// signing is what the flags and the environment name: who signs, and the keys to enrol.
// Without a key the image is not signed, and the signer is nil.
func (a *app) signing(ctx context.Context, o secureBootOptions) (s *secureboot.Signer, enrol []secureboot.File, err error) {
	if o.key == "" {
		o.key = a.Getenv(secureKeyVariable)
	}
	if o.cert == "" {
		o.cert = a.Getenv(secureCertVariable)
	}
	switch {
	case o.key == "" && o.cert == "" && o.enrol == "":
		return nil, nil, nil
	case o.key == "" && o.cert == "":
		return nil, nil, errors.New("--secure-boot-enroll: a machine with these keys starts signed images alone: add --secure-boot-key and --secure-boot-cert, db.key and db.crt of the same set")
	case o.key == "":
		return nil, nil, fmt.Errorf("a certificate to sign with is given (%s), but not its key: add --secure-boot-key or set %s", o.cert, secureKeyVariable)
	case o.cert == "":
		return nil, nil, fmt.Errorf("a key to sign with is given (%s), but not its certificate: add --secure-boot-cert or set %s", o.key, secureCertVariable)
	}
	now, err := a.today()
	if err != nil {
		return nil, nil, err
	}
	if s, err = secureboot.LoadSigner(ctx, o.key, o.cert, now); err != nil {
		return nil, nil, err
	}
	if o.enrol != "" {
		if enrol, err = secureboot.LoadEnrolment(o.enrol, s.Certificate); err != nil {
			return nil, nil, err
		}
	}
	return s, enrol, nil
}
