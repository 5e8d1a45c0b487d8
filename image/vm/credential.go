package vm

import (
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"

	"golang.org/x/sys/unix"
)

// credentialName is a file name without what separates name and value.
var credentialName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,255}$`)

// maxStrings is the least room that the SMBIOS table of every QEMU has, less what the other
// structures take; a machine with more does not start.
const maxStrings = 60 << 10

// credentialFiles are files in memory, each with the SMBIOS string (type 11) by which systemd
// takes a credential from the firmware (systemd(1), io.systemd.credential.binary:), in order
// of the names. QEMU's command line shows their descriptors alone. The caller closes them.
func credentialFiles(credentials map[string][]byte) (files []*os.File, err error) {
	defer func() {
		if err != nil {
			closeAll(files)
		}
	}()
	size := 0
	for _, name := range slices.Sorted(maps.Keys(credentials)) {
		if !credentialName.MatchString(name) {
			return files, fmt.Errorf("credential %q: a name has 1 to 255 letters, digits, hyphens, underscores or dots", name)
		}
		text := "io.systemd.credential.binary:" + name + "=" + base64.StdEncoding.EncodeToString(credentials[name])
		if size += len(text); size > maxStrings {
			return files, fmt.Errorf("credential %s: the credentials together are more than the %d bytes that SMBIOS has room for, in Base64: leave out what the appliance does not need", name, maxStrings)
		}
		fd, err := unix.MemfdCreate("credential", unix.MFD_CLOEXEC)
		if err != nil {
			return files, fmt.Errorf("credential %s: %w", name, err)
		}
		f := os.NewFile(uintptr(fd), "credential "+name)
		files = append(files, f)
		if _, err := f.WriteString(text); err != nil {
			return files, fmt.Errorf("credential %s: %w", name, err)
		}
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}
