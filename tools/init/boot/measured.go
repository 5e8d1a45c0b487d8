package boot

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// signatureFiles are what the stub took out of the image for credentials that a TPM opens:
// the signatures of PCR values and their public key (systemd-stub(7), .pcrsig and .pcrpkey).
var signatureFiles = []string{"/.extra/tpm2-pcr-signature.json", "/.extra/tpm2-pcr-public-key.pem"}

// signatureStore is where systemd looks for them once the initrd is left (systemd-creds(1)).
const signatureStore = sysroot + "/run/systemd"

// passSignatures carries them over. An image that was not signed for a TPM has none.
func passSignatures() error { return moveSignatures(signatureStore, signatureFiles) }

func moveSignatures(store string, files []string) error {
	for _, name := range files {
		b, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.MkdirAll(store, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(store, filepath.Base(name)), b, 0o444); err != nil {
			return err
		}
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return nil
}
