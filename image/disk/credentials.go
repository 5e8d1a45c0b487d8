package disk

import (
	"fmt"
	"io/fs"
	pathpkg "path"
	"slices"
	"strings"
)

// credentialDir is where the stub of a UKI looks for credentials for all images of the ESP,
// files NAME.cred (systemd-stub(7)).
const credentialDir = "loader/credentials"

// Credentials are the names of the credentials that somebody put on the ESP of a disk of
// any format. They are not opened; the disk is only read.
func Credentials(path string) (names []string, err error) {
	esp, err := openESP(path)
	if err != nil {
		return nil, fmt.Errorf("%w: build it again", err)
	}
	defer esp.Close() //nolint:errcheck // read only
	// One level after the other: the library does not say of an error that a directory is missing.
	dir := "."
	for _, next := range strings.Split(credentialDir, "/") {
		entries, err := esp.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("%s: directory %s of its ESP: %w", path, dir, err)
		}
		if !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.IsDir() && strings.EqualFold(e.Name(), next) }) {
			return nil, nil
		}
		dir = pathpkg.Join(dir, next)
	}
	entries, err := esp.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: directory %s of its ESP: %w", path, dir, err)
	}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".cred"); ok && name != "" && !e.IsDir() {
			names = append(names, name)
		}
	}
	return names, nil
}
