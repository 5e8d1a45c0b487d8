// Package measure computes what a machine's TPM holds once it has started a unified
// kernel image, and signs it, so that credentials which were sealed with the signer's public key open in every
// image that its private key has signed, and in no other.
//
// It is what systemd-measure(1) does, from the finished image alone: PCR 11, into which
// systemd-stub measures the sections of the image that it starts (systemd-stub(7), "TPM PCR
// Notes"), the policy of a TPM 2.0 that asks for this value, and the signature of the policy
// in the form that systemd reads (".pcrsig", UAPI.5). Values are of the SHA-256 bank.
//
// It promises the same bytes for the same image and key, and values that systemd-measure
// of version 252 and systemd-stub of version 257 agree with.
package measure
