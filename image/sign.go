package image

import (
	"errors"
	"fmt"
)

// sign signs what firmware starts: the UKI, and the boot loader that starts it. Without
// a signer both stay as they are.
func (b *builder) sign(uki, loader []byte) (signedUKI, signedLoader []byte, err error) {
	if b.Signer == nil {
		return uki, loader, nil
	}
	if signedUKI, err = b.Signer.Sign(uki); err != nil {
		return nil, nil, fmt.Errorf("signing the UKI: %w", err)
	}
	if signedLoader, err = b.Signer.Sign(loader); err != nil {
		return nil, nil, fmt.Errorf("signing the boot loader: %w", err)
	}
	b.result.Signature = &Signature{Subject: b.Signer.Certificate.Subject.String(), Certificate: b.Signer.Fingerprint()}
	return signedUKI, signedLoader, nil
}

// checkEnrolment refuses keys for a machine that would then not start the image.
func (b *builder) checkEnrolment() error {
	if len(b.Enrol) > 0 && b.Signer == nil {
		return errors.New("image: keys to enrol are given, but none to sign with: a machine that has them starts signed images alone")
	}
	return nil
}

// enrolment is the updates to enrol as files of the disk.
func (b *builder) enrolment() map[string][]byte {
	out := map[string][]byte{}
	for _, f := range b.Enrol {
		out[f.Name] = f.Data
	}
	return out
}
