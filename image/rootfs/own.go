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

// Version is the version of what this package makes of its inputs. It is part of
// a base layer's identity: raise it when the code changes the tree. (The files
// below files/ and units/ count by themselves.)
const Version = 1

//go:embed files units
var own embed.FS

// Enabled are the units the image enables, ours first.
var Enabled = []string{
	"trunkline-firewall.service",
	"sbcd.service",
	"dbus-broker.service",
	"systemd-networkd.service",
}

// Fingerprint identifies this package's contribution to a tree.
func Fingerprint() string {
	h := sha256.New()
	fmt.Fprintf(h, "rootfs %d\n", Version)
	_ = fs.WalkDir(own, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err // the embedded tree is whole: no error comes
		}
		b, err := own.ReadFile(p)
		fmt.Fprintf(h, "%s %d\n%s", p, len(b), b)
		return err
	})
	return hex.EncodeToString(h.Sum(nil))
}

// addOwn puts Trunkline's own files into the tree.
func (t *Tree) addOwn() error {
	for _, from := range []struct{ dir, to string }{{"files", "."}, {"units", unitDir}} {
		err := fs.WalkDir(own, from.dir, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
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
