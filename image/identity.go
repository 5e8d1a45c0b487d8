package image

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"trunkline/image/debian"
	"trunkline/image/initrd"
	"trunkline/image/inventory"
	"trunkline/image/rootfs"
	"trunkline/image/sparse"
)

// sources are inputs of a base layer too; package rootfs says why.
//
//go:embed base.go build.go contents.go hardware.go
var sources embed.FS

// shapers are the modules whose code decides bytes of a base layer: another
// version of one may compress or lay out the same files differently.
var shapers = []string{
	"github.com/cavaliergopher/cpio",
	"github.com/erofs/go-erofs",
	"github.com/klauspost/compress",
	"github.com/ulikunitz/xz",
}

// inputs are what a base layer is made of, and nothing else.
type inputs struct {
	profile, lock, sbcd, init string   // digests but for the profile
	hardware                  string   // what the machine asks for
	extras                    []string // packages of the lock that other images do without
	code                      string   // of codeIdentity
}

func (in inputs) digest() string {
	h := sha256.New()
	fmt.Fprintf(h, "trunkline base layer %d\nprofile %s\nlock %s\nsbcd %s\ninit %s\nhardware %s\nextras %s\ncode %s\n",
		BaseFormatVersion, in.profile, in.lock, in.sbcd, in.init, in.hardware, strings.Join(in.extras, " "), in.code)
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// codeIdentity names the code that makes base layers: our sources, the modules
// below them and Go itself. It is the same for every program built from the same
// sources, wherever they lay.
func codeIdentity() (string, error) {
	own := strings.Join([]string{
		rootfs.Fingerprint(), initrd.Fingerprint(), rootfs.Digest(debian.ReaderSources()),
		rootfs.Digest(inventory.Sources()), rootfs.Digest(sources),
	}, " ")
	if info, ok := debug.ReadBuildInfo(); ok {
		if v, ok := shaperVersions(info); ok {
			return own + "\n" + v, nil
		}
	}
	// A test, or a build with a module taken from a directory: no version says
	// what is compiled in, so the program itself has to.
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("base layer: finding out which program makes it: %w", err)
	}
	_, digest, err := sparse.Sum(exe)
	if err != nil {
		return "", fmt.Errorf("base layer: finding out which program makes it: %w", err)
	}
	return own + "\nprogram " + digest, nil
}

// shaperVersions lists Go's version and the shapers', each with its checksum when
// the program records one. It reports false when one of them is not recorded as a
// version.
func shaperVersions(info *debug.BuildInfo) (string, bool) {
	have := map[string]*debug.Module{}
	for _, m := range info.Deps {
		have[m.Path] = m
	}
	var b strings.Builder
	b.WriteString(info.GoVersion)
	for _, path := range shapers {
		m := have[path]
		if m != nil && m.Replace != nil {
			m = m.Replace
		}
		if m == nil || m.Version == "" || m.Version == "(devel)" {
			return "", false
		}
		fmt.Fprintf(&b, "\n%s %s %s %s", path, m.Path, m.Version, m.Sum)
	}
	return b.String(), true
}
