package boot

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// bootParams is what the EFI stub of the kernel left (Documentation/arch/x86/zero-page.rst).
	bootParams = "/sys/kernel/boot_params/data"
	security   = "/sys/kernel/security"
	// lockdownFile has the levels of lockdown, the one in force in brackets; a higher one
	// can be written (kernel_lockdown.7).
	lockdownFile = security + "/lockdown"
)

// Byte secure_boot of the boot parameters (enum efi_secureboot_mode, linux/efi.h).
const (
	secureBootOffset  = 0x1ec
	secureBootEnabled = 3
)

// lockDown says on the console whether firmware checked what it started, and sees that
// nobody changes the running kernel, root included: what runs is what was built. Debian's
// kernel locks itself down with Secure Boot on; one that has not is told to, before modules
// are loaded, all of which Debian has signed.
func lockDown() error {
	// A kernel without securityfs has no lockdown either: reading says so.
	_ = unix.Mount("securityfs", security, "securityfs", unix.MS_NOSUID|unix.MS_NOEXEC|unix.MS_NODEV, "")
	params, err := os.ReadFile(bootParams)
	if err != nil {
		return err
	}
	line := securityLine(params, lockdownFile)
	say("/dev/kmsg", "<6>"+line+"\n")
	say("/dev/console", line+"\r\n")
	return nil
}

// securityLine is what there is to say, after raising the lockdown where it has to be.
func securityLine(params []byte, lockdown string) string {
	on := len(params) > secureBootOffset && params[secureBootOffset] == secureBootEnabled
	level, err := lockdownLevel(lockdown)
	if err == nil && level == "none" {
		if err = os.WriteFile(lockdown, []byte("integrity"), 0); err == nil {
			level = "integrity"
		}
	}
	if err != nil {
		level = fmt.Sprintf("not possible (%v)", err)
	}
	state := "off"
	if on {
		state = "on"
	}
	return "trunkline: Secure Boot " + state + ", kernel lockdown " + level
}

// lockdownLevel reads the level in force.
func lockdownLevel(name string) (string, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	_, rest, ok := strings.Cut(string(b), "[")
	level, _, closed := strings.Cut(rest, "]")
	if !ok || !closed {
		return "", errors.New("the kernel does not say which level is in force")
	}
	return level, nil
}
