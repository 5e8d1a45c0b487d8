package secureboot

import (
	"context"
	"crypto"
	"crypto/rsa"
	"fmt"
	"strings"
)

// IsToken reports whether the name of a key is the URI of one in a PKCS #11 token (RFC 7512).
func IsToken(keyName string) bool { return strings.HasPrefix(keyName, tokenScheme) }

// LoadKey reads an RSA key as LoadSigner does, without a certificate: a file in PEM, or
// the URI of one in a token, whose public key must then be given. One that is given must
// be that of a file, too. ctx bounds every use of a token.
func LoadKey(ctx context.Context, keyName string, public *rsa.PublicKey) (crypto.Signer, error) {
	if IsToken(keyName) {
		key, err := tokenSigner(ctx, keyName, public)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", withoutPIN(keyName), err)
		}
		return key, nil
	}
	key, err := loadKey(keyName)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", keyName, err)
	}
	if public != nil && !key.PublicKey.Equal(public) {
		return nil, fmt.Errorf("key %s: its public key is another one than is given: give the one that was made with it, or none", keyName)
	}
	return key, nil
}
