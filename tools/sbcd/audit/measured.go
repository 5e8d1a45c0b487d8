package audit

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"trunkline/appliance/runtime"
	"trunkline/image/measure"
)

// Where the kernel shows a PCR of the machine's TPM (Documentation/ABI/stable/sysfs-class-tpm)
// and where init put the signatures that came with the image.
const (
	pcrFile        = "sys/class/tpm/tpm0/pcr-sha256/11"
	signaturesFile = "run/systemd/tpm2-pcr-signature.json"
)

// measured holds when the TPM has the value that was signed when the image was built:
// what started is that image, and credentials sealed for it open.
func measured(root fs.FS, _ *runtime.Appliance) (string, []string, error) {
	text, err := fs.ReadFile(root, pcrFile)
	if errors.Is(err, fs.ErrNotExist) {
		return "the machine has no TPM", nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	var pcr [32]byte
	if n, err := hex.Decode(pcr[:], []byte(strings.TrimSpace(string(text)[:min(len(text), 2*len(pcr)+1)]))); err != nil || n != len(pcr) {
		return "", nil, fmt.Errorf("%s: %q is no SHA-256", pcrFile, text)
	}
	saw := fmt.Sprintf("PCR %d is sha256:%x", measure.PCR, pcr)
	signatures, err := fs.ReadFile(root, signaturesFile)
	if errors.Is(err, fs.ErrNotExist) {
		return saw + ", the image was not signed for a TPM", nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	ok, err := measure.Covers(signatures, pcr)
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", signaturesFile, err)
	}
	if !ok {
		return "", []string{saw + ", and no signature of the image is of this value: sealed credentials do not open"}, nil
	}
	return saw + ", as the image was signed", nil, nil
}
