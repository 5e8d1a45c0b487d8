package measure

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// PCR is the register that the stub measures an image into (TPM2_PCR_KERNEL_BOOT).
const PCR = 11

// measured are the sections that the stub measures, in this order, whatever their order
// in the file (systemd 257, src/fundamental/uki.c). The signature itself cannot be one.
// Older stubs know the first ones: 252 neither ".ucode" nor those from ".uname" on but ".pcrpkey".
var measured = []string{
	".linux", ".osrel", ".cmdline", ".initrd", ".ucode", ".splash", ".dtb", ".uname", ".sbat", ".pcrpkey",
}

// several are sections of images that hold more than one kernel command line or device
// tree, of which the stub picks when it starts.
var several = []string{".profile", ".dtbauto", ".hwids"}

// Image is a finished image, as package uki reads it.
type Image interface {
	// Content is the content of a section; nil: there is none.
	Content(name string) []byte
}

// Sum computes the SHA-256 of what it reads, or returns an error of the reader.
type Sum func(io.Reader) ([sha256.Size]byte, error)

// Value is what PCR 11 holds when the machine is in the boot phase: the words that were
// measured after the image, with colons between them (systemd-measure(1), --phase), as in
// "enter-initrd:leave-initrd". None of them is measured on an appliance, whose phase is "".
// sum may be nil.
func Value(img Image, phase string, sum Sum) (pcr [sha256.Size]byte, err error) {
	if sum == nil {
		sum = plain
	}
	for _, name := range several {
		if img.Content(name) != nil {
			return pcr, fmt.Errorf("measure: the image has a %s section: which of several variants is started, and so measured, is not known before", name)
		}
	}
	for _, name := range measured {
		data := img.Content(name)
		if data == nil {
			continue
		}
		// The name counts with the NUL that ends it.
		extend(&pcr, sha256.Sum256([]byte(name+"\x00")))
		digest, err := sum(bytes.NewReader(data))
		if err != nil {
			return pcr, fmt.Errorf("measure: %s: %w", name, err)
		}
		extend(&pcr, digest)
	}
	if phase != "" {
		for word := range strings.SplitSeq(phase, ":") {
			extend(&pcr, sha256.Sum256([]byte(word)))
		}
	}
	return pcr, nil
}

func plain(r io.Reader) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	_, err = io.Copy(h, r)
	h.Sum(sum[:0])
	return sum, err
}

// extend is TPM2_PCR_Extend.
func extend(pcr *[sha256.Size]byte, digest [sha256.Size]byte) {
	*pcr = sha256.Sum256(append(pcr[:], digest[:]...))
}

// Numbers of the TPM 2.0 Library specification, part 2.
const (
	commandPolicyPCR = 0x0000017f // TPM_CC_PolicyPCR
	algSHA256        = 0x000b     // TPM_ALG_SHA256
	selectBytes      = 3          // of a selection of PCRs: 24 registers
)

// Policy is the digest of the policy that PCR 11 holds a value: that of a session in which
// TPM2_PolicyPCR is the only command (TPM 2.0 Library specification, part 3, 23.7).
func Policy(pcr [sha256.Size]byte) [sha256.Size]byte {
	values := sha256.Sum256(pcr[:])
	b := make([]byte, sha256.Size) // a new session's digest
	b = binary.BigEndian.AppendUint32(b, commandPolicyPCR)
	b = binary.BigEndian.AppendUint32(b, 1) // selections
	b = binary.BigEndian.AppendUint16(b, algSHA256)
	registers := [selectBytes]byte{PCR / 8: 1 << (PCR % 8)}
	b = append(append(b, selectBytes), registers[:]...)
	return sha256.Sum256(append(b, values[:]...))
}
