package cli

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"trunkline/image/measure"
	"trunkline/image/secureboot"
)

// Variables for the flags of the same names.
const (
	pcrKeyVariable    = "TRUNKLINE_PCR_KEY"
	pcrPublicVariable = "TRUNKLINE_PCR_PUBLIC_KEY"
)

// pcrOptions say what to sign the values of the TPM with.
type pcrOptions struct {
	key, public string // files, or the URI of a key in a token
}

func pcrFlags(c *cobra.Command, o *pcrOptions) {
	f := c.Flags()
	f.StringVar(&o.key, "pcr-key", "", "private key to sign what the TPM holds once the image has started, for sealed credentials: a `FILE` in PEM, or the pkcs11: URI of a token (default: $"+pcrKeyVariable+")")
	f.StringVar(&o.public, "pcr-public-key", "", "public key `FILE` of that key, wanted for a token (default: $"+pcrPublicVariable+")")
}

// pcrKey is the key that the flags and the environment name; nil: none.
func (a *app) pcrKey(ctx context.Context, o pcrOptions) (*measure.Key, error) {
	if o.key == "" {
		o.key = a.Getenv(pcrKeyVariable)
	}
	if o.public == "" {
		o.public = a.Getenv(pcrPublicVariable)
	}
	switch {
	case o.key == "" && o.public == "":
		return nil, nil
	case o.key == "":
		return nil, fmt.Errorf("a public key of the TPM's values is given (%s), but not the key to sign them with: add --pcr-key or set %s", o.public, pcrKeyVariable)
	case o.public == "" && secureboot.IsToken(o.key):
		return nil, fmt.Errorf("--pcr-key: a token does not tell the public key, which goes into the image: add --pcr-public-key or set %s", pcrPublicVariable)
	}
	var public *rsa.PublicKey
	if o.public != "" {
		text, err := os.ReadFile(o.public)
		if err == nil {
			public, err = measure.ParsePublic(text)
		}
		if err != nil {
			return nil, fmt.Errorf("--pcr-public-key: %s: %w", o.public, bareError(err))
		}
	}
	signer, err := secureboot.LoadKey(ctx, o.key, public)
	if err != nil {
		return nil, fmt.Errorf("--pcr-key: %w", err)
	}
	key, err := measure.NewKey(signer)
	if err != nil {
		return nil, fmt.Errorf("--pcr-key: %s: %w", o.key, err)
	}
	return key, nil
}

// bareError is an error of the file system without the name of the file.
func bareError(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// pcrFiles are a new key to sign with.
func pcrFiles() ([]secureboot.File, error) {
	key, private, err := measure.GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return []secureboot.File{
		{Name: "pcr.key", Data: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})},
		{Name: "pcr.pub", Data: key.PEM()},
	}, nil
}
