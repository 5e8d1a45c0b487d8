package measure

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
)

// keyBits is the one length of RSA key that every TPM 2.0 verifies with (TCG PC Client
// Platform TPM Profile for TPM 2.0, "Algorithms and Curves").
const keyBits = 2048

// bank is how systemd names the registers of SHA-256.
const bank = "sha256"

// Key signs policies. The private key may live elsewhere: only its Sign is called,
// with PKCS #1 v1.5 over SHA-256.
type Key struct {
	signer crypto.Signer
	public *rsa.PublicKey
}

// NewKey returns the key of a signer, when TPMs can verify what it signs.
func NewKey(signer crypto.Signer) (*Key, error) {
	public, ok := signer.Public().(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("it is no RSA key, with which systemd signs the values of a TPM: make one with `trunkline keys DIR`")
	}
	if bits := public.N.BitLen(); bits != keyBits {
		return nil, fmt.Errorf("it has %d bits, and %d is the length that every TPM verifies: make one with `trunkline keys DIR`", bits, keyBits)
	}
	return &Key{signer, public}, nil
}

// GenerateKey makes a key.
func GenerateKey() (*Key, *rsa.PrivateKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, nil, err
	}
	key, err := NewKey(private)
	return key, private, err
}

// PEM is the public key as the image carries it (".pcrpkey") and as
// systemd-creds(1) takes it (--tpm2-public-key).
func (k *Key) PEM() []byte {
	der, err := x509.MarshalPKIXPublicKey(k.public)
	if err != nil {
		panic(err) // an RSA key has a form
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// ParsePublic reads a public key in PEM.
func ParsePublic(text []byte) (*rsa.PublicKey, error) {
	block, _ := pem.Decode(bytes.TrimRight(text, "\x00"))
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, errors.New("there is no public key in PEM in it: it begins with -----BEGIN PUBLIC KEY-----")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("it is damaged: %w", err)
	}
	public, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("it is a public key of another kind (%T), RSA is wanted", key)
	}
	return public, nil
}

// Fingerprint is how systemd calls a key: the SHA-256 of its PKCS #1 form, lower-case hexadecimal.
func (k *Key) Fingerprint() string { return fingerprint(k.public) }

func fingerprint(k *rsa.PublicKey) string {
	sum := sha256.Sum256(x509.MarshalPKCS1PublicKey(k))
	return hex.EncodeToString(sum[:])
}

// signature is one entry of ".pcrsig": what systemd-measure writes.
type signature struct {
	PCRs   []int  `json:"pcrs"`
	Key    string `json:"pkfp"`
	Policy string `json:"pol"`
	Sig    string `json:"sig"`
}

// Sign returns the ".pcrsig" of an image whose PCR 11 holds one of the values. Its length
// follows from their number alone (Size).
func (k *Key) Sign(values ...[sha256.Size]byte) ([]byte, error) {
	list := make([]signature, 0, len(values))
	for _, v := range values {
		policy := Policy(v)
		digest := sha256.Sum256(policy[:])
		// PKCS #1 v1.5 takes no random numbers: the source only blinds the computation.
		sig, err := k.signer.Sign(rand.Reader, digest[:], crypto.SHA256)
		if err != nil {
			return nil, fmt.Errorf("signing the value of PCR %d: %w", PCR, err)
		}
		list = append(list, k.entry(policy, sig))
	}
	return encode(list)
}

func (k *Key) entry(policy [sha256.Size]byte, sig []byte) signature {
	return signature{[]int{PCR}, k.Fingerprint(), hex.EncodeToString(policy[:]), base64.StdEncoding.EncodeToString(sig)}
}

func encode(list []signature) ([]byte, error) {
	b, err := json.Marshal(map[string][]signature{bank: list})
	return append(b, '\n'), err
}

// Size is the length of what Sign returns for so many values, bytes.
func (k *Key) Size(values int) int {
	list := make([]signature, 0, values)
	for range values {
		list = append(list, k.entry([sha256.Size]byte{}, make([]byte, k.public.Size())))
	}
	b, err := encode(list)
	if err != nil {
		panic(err) // text and numbers have a form
	}
	return len(b)
}

// Signed is what an image says of its own values.
type Signed struct {
	Key string // whose signature it is: Fingerprint
	// Value is what PCR 11 will hold once the image has started, Problem why a
	// credential sealed with the key does not open then; empty: it does.
	Value   [sha256.Size]byte
	Problem string
}

// Check compares the signature in an image with the image; nil: it carries none.
func Check(img Image) *Signed {
	text, key := img.Content(".pcrsig"), img.Content(".pcrpkey")
	if text == nil && key == nil {
		return nil
	}
	out := new(Signed)
	err := func() (err error) {
		if out.Value, err = Value(img, "", nil); err != nil {
			return err
		}
		public, err := ParsePublic(key)
		if err != nil {
			return fmt.Errorf("the public key in the image: %w", err)
		}
		out.Key = fingerprint(public)
		return verify(text, public, out.Value)
	}()
	if err != nil {
		out.Problem = err.Error()
	}
	return out
}

// of finds the entries of a ".pcrsig" that are of a value.
func of(text []byte, value [sha256.Size]byte) ([]signature, error) {
	var banks map[string][]signature
	if err := json.Unmarshal(bytes.TrimRight(text, "\x00"), &banks); err != nil {
		return nil, fmt.Errorf("the signatures in the image are damaged: %w", err)
	}
	policy := Policy(value)
	return slices.DeleteFunc(banks[bank], func(s signature) bool {
		return s.Policy != hex.EncodeToString(policy[:]) || len(s.PCRs) != 1 || s.PCRs[0] != PCR
	}), nil
}

// Covers reports whether one of the signatures in a ".pcrsig" is of this value of PCR 11.
// Whether it is good, the TPM finds out.
func Covers(text []byte, value [sha256.Size]byte) (bool, error) {
	found, err := of(text, value)
	return len(found) > 0, err
}

// verify looks for a signature of a value.
func verify(text []byte, public *rsa.PublicKey, value [sha256.Size]byte) error {
	found, err := of(text, value)
	if err != nil {
		return err
	}
	policy := Policy(value)
	for _, s := range found {
		if s.Key != fingerprint(public) {
			continue
		}
		sig, err := base64.StdEncoding.DecodeString(s.Sig)
		if err != nil {
			return fmt.Errorf("the signatures in the image are damaged: %w", err)
		}
		digest := sha256.Sum256(policy[:])
		if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], sig); err != nil {
			return errors.New("the signature of the value is not by the key in the image")
		}
		return nil
	}
	return fmt.Errorf("no signature in the image is of the value that PCR %d will have: it was changed after it was signed", PCR)
}
