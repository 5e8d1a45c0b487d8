package disk

import (
	"fmt"
	pathpkg "path"
	"slices"
	"strings"

	"trunkline/image/fat"
)

// credentialDir is where the stub of a UKI looks for credentials for all images of the ESP,
// files NAME.cred (systemd-stub(7)).
const credentialDir = "loader/credentials"

// Credentials are the names of the credentials that somebody put on the ESP of a disk of
// any format. They are not opened; the disk is only read.
func Credentials(path string) (names []string, err error) {
	esp, err := openESP(path)
	if err != nil {
		return nil, err
	}
	defer esp.Close() //nolint:errcheck // read only
	dir, at := esp.Root(), "."
	for _, next := range strings.Split(credentialDir, "/") {
		entries, err := esp.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("%s: directory %s of its ESP: %w: %s", path, at, err, again)
		}
		i := slices.IndexFunc(entries, func(e fat.Entry) bool { return e.Dir && strings.EqualFold(e.Name, next) })
		if i < 0 {
			return nil, nil
		}
		dir, at = entries[i], pathpkg.Join(at, next)
	}
	entries, err := esp.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: directory %s of its ESP: %w: %s", path, at, err, again)
	}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name, ".cred"); ok && name != "" && !e.Dir {
			names = append(names, name)
		}
	}
	return names, nil
}
