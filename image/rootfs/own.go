package rootfs

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Version is VERSION_ID of the image: raised when an appliance's user must know.
const Version = 1

// The sources are embedded because they are inputs of the tree like the packages:
// a base layer made by other code must not be taken for this one's.
//
//go:embed files units *.go
var own embed.FS

// Enabled are the units the image enables, ours first.
var Enabled = []string{
	"trunkline-firewall.service",
	"trunkline-credentials.service",
	"trunkline-preflight.service",
	"trunkline-nics.service",
	"trunkline-audit.service",
	"trunkline-trial.service",
	"trunkline-storage.service",
	"sbcd.service",
	"trunkline-selfcheck.service",
	"dbus-broker.service",
	"systemd-networkd.service",
}

// Fingerprint identifies this package's contribution to a tree.
func Fingerprint() string { return Digest(own) }

// Digest is the SHA-256 of an embedded file system: names and contents, tests left
// out.
func Digest(files embed.FS) string {
	h := sha256.New()
	_ = fs.WalkDir(files, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(p, "_test.go") {
			return err // an embedded tree is whole: no error comes
		}
		b, err := files.ReadFile(p)
		fmt.Fprintf(h, "%s %d\n%s", p, len(b), b)
		return err
	})
	return hex.EncodeToString(h.Sum(nil))
}

// ofProgram are those of Trunkline's own files that serve a program of a package which not
// every image has, by the program; without it they are left out.
var ofProgram = map[string]string{
	"files/usr/lib/sysusers.d/trunkline-relay.conf": "usr/bin/rtpengine",
	"units/rtpengine@.service":                      "usr/bin/rtpengine",
}

// addOwn puts Trunkline's own files into the tree, which has those of the packages.
func (t *Tree) addOwn() error {
	for _, from := range []struct{ dir, to string }{{"files", "."}, {"units", unitDir}} {
		err := fs.WalkDir(own, from.dir, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			if program := ofProgram[p]; program != "" && t.nodes[program] == nil {
				return nil
			}
			b, err := own.ReadFile(p)
			if err != nil {
				return err
			}
			return t.File(path.Join(from.to, strings.TrimPrefix(p, from.dir+"/")), 0o644, b)
		})
		if err != nil {
			return fmt.Errorf("adding Trunkline's own files: %w", err)
		}
	}
	return nil
}

// OSRelease is /usr/lib/os-release of the image.
func OSRelease() string {
	return fmt.Sprintf("PRETTY_NAME=\"Trunkline\"\nNAME=\"Trunkline\"\nID=trunkline\nID_LIKE=debian\nVERSION_ID=%d\n", Version)
}

// bundleCertificates joins the certificates of ca-certificates into the file
// programs look for, in order of their names.
func (t *Tree) bundleCertificates() error {
	const dir = "usr/share/ca-certificates"
	var b bytes.Buffer
	for _, p := range t.Under(dir) {
		if n := t.nodes[p]; n.Kind == Regular && strings.HasSuffix(p, ".crt") {
			b.Write(bytes.TrimSpace(n.Data))
			b.WriteByte('\n')
		}
	}
	t.Remove(dir)
	if b.Len() == 0 {
		return nil // the profile has no ca-certificates
	}
	return t.File("etc/ssl/certs/ca-certificates.crt", 0o644, b.Bytes())
}
