package image

import (
	"encoding/hex"
	"errors"
	"fmt"

	"trunkline/image/measure"
	"trunkline/image/uki"
)

// sign signs what firmware starts: the UKI, and the boot loader that starts it. Without
// a signer both stay as they are.
func (b *builder) sign(unified, loader []byte) (signedUKI, signedLoader []byte, err error) {
	if b.Signer == nil {
		return unified, loader, nil
	}
	if signedUKI, err = b.Signer.Sign(unified); err != nil {
		return nil, nil, fmt.Errorf("signing the UKI: %w", err)
	}
	if signedLoader, err = b.Signer.Sign(loader); err != nil {
		return nil, nil, fmt.Errorf("signing the boot loader: %w", err)
	}
	b.result.Signature = &Signature{Subject: b.Signer.Certificate.Subject.String(), Certificate: b.Signer.Fingerprint()}
	return signedUKI, signedLoader, nil
}

// room is what the signatures of PCR values take in the image.
func (b *builder) room() (key []byte, signatures int) {
	if b.PCRKey == nil {
		return nil, 0
	}
	return b.PCRKey.PEM(), b.PCRKey.Size(1)
}

// signMeasured signs what PCR 11 will hold into a finished image. It is one value: on an
// appliance nothing is measured into this register after the image, for its credentials
// must open whenever a service is started.
func (b *builder) signMeasured(raw []byte) error {
	if b.PCRKey == nil {
		return nil
	}
	img, err := uki.Parse(raw)
	if err != nil {
		return err
	}
	value, err := measure.Value(img, "", b.Memory.hasher().Sum)
	if err != nil {
		return err
	}
	signatures, err := b.PCRKey.Sign(value)
	if err != nil {
		return err
	}
	b.result.Measured = &Measured{Value: hex.EncodeToString(value[:]), Key: b.PCRKey.Fingerprint()}
	return uki.SetPCRSignature(raw, signatures)
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
