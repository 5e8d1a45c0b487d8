package vm

import (
	"fmt"
	"os"
)

// Firmware is UEFI firmware for QEMU: code, and the template of its variables.
type Firmware struct{ Code, Vars string }

// firmwares lists where distributions put OVMF without Secure Boot keys, the
// 4 MiB builds first.
var firmwares = []Firmware{
	{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"},             // Debian, Ubuntu
	{"/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"},                   // older Debian, Ubuntu
	{"/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"},         // Fedora
	{"/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"},     // Arch
	{"/usr/share/edk2-ovmf/x64/OVMF_CODE.fd", "/usr/share/edk2-ovmf/x64/OVMF_VARS.fd"}, // older Arch
	{"/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"},   // openSUSE
	{"/usr/share/edk2-ovmf/OVMF_CODE.fd", "/usr/share/edk2-ovmf/OVMF_VARS.fd"},         // Gentoo
}

// secureFirmwares lists OVMF builds that can enforce Secure Boot, each with variables
// that hold no keys: the firmware is in setup mode until somebody enrols some.
var secureFirmwares = []Firmware{
	{"/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"},             // Debian, Ubuntu
	{"/usr/share/OVMF/OVMF_CODE.secboot.fd", "/usr/share/OVMF/OVMF_VARS.fd"},                   // older Debian, Ubuntu
	{"/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"},         // Fedora
	{"/usr/share/edk2/x64/OVMF_CODE.secboot.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"},     // Arch
	{"/usr/share/edk2-ovmf/x64/OVMF_CODE.secboot.fd", "/usr/share/edk2-ovmf/x64/OVMF_VARS.fd"}, // older Arch
	{"/usr/share/qemu/ovmf-x86_64-smm-code.bin", "/usr/share/qemu/ovmf-x86_64-smm-vars.bin"},   // openSUSE
	{"/usr/share/edk2-ovmf/OVMF_CODE.secboot.fd", "/usr/share/edk2-ovmf/OVMF_VARS.fd"},         // Gentoo
}

// FindFirmware finds the distribution's OVMF.
func FindFirmware() (Firmware, error) { return findFirmware(firmwares) }

// FindSecureFirmware finds the distribution's OVMF that can enforce Secure Boot.
func FindSecureFirmware() (Firmware, error) { return findFirmware(secureFirmwares) }

func findFirmware(candidates []Firmware) (Firmware, error) {
	for _, f := range candidates {
		if exists(f.Code) && exists(f.Vars) {
			return f, nil
		}
	}
	return Firmware{}, fmt.Errorf("%w: UEFI firmware (OVMF); install it (Debian, Ubuntu: ovmf; Fedora: edk2-ovmf)", ErrNoQEMU)
}

func exists(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}
