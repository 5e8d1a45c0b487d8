// Package boot boots the built image under UEFI and sends calls through it from
// SIPp agents outside the machine.
//
// The machine sits behind a tap interface in a network namespace of the test's
// own, where the carrier, the gateways and a stranger have addresses of their
// own: what the firewall lets in and what it does not is seen with real packets.
// Where an appliance has secrets, it is handed them as an operator does it: by SMBIOS
// and on the ESP, there also sealed with a TPM. Needs root, QEMU, OVMF, swtpm, SIPp; `make e2e` builds the image and sets
// TRUNKLINE_OUT.
package boot
