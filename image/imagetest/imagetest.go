// Package imagetest makes what a small image is built from, for tests: a few
// packages of some kilobytes, their lock and two programs, through which every
// step of a build runs as it does with Debian's own.
//
// It promises: the same bytes in every run; packages of the names the profile's
// seeds have, so that a lock of them fits the profile. Nothing of it boots.
package imagetest

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"trunkline/image/debian"
	"trunkline/image/initrd"
)

// Release is the version of the small kernel, as uname -r would print it.
const Release = "6.0.0-test"

// Profile is the image profile the packages are for.
const Profile = "vm"

// linkMark begins the content of what is a symbolic link, before its target.
const linkMark = "-> "

// sources are what packages say of their source, as control files have it.
var sources = map[string]string{"linux-image-cloud-amd64": "Source: linux-signed (1.2)\n", "systemd": "Source: linux\n"}

// Files are the contents of the packages: package -> path -> content.
func Files() (map[string]map[string]string, error) {
	profile, err := debian.ProfileByName(Profile)
	if err != nil {
		return nil, err
	}
	patterns, err := initrd.RootModules(Profile)
	if err != nil {
		return nil, err
	}
	// Every module the profile selects counts as built in, but for one real file.
	var builtin strings.Builder
	for _, p := range patterns {
		p = strings.ReplaceAll(p, "*", "x")
		if strings.HasSuffix(p, "/") {
			p += "x"
		}
		fmt.Fprintln(&builtin, p+".ko")
	}
	for _, m := range initrd.BootModules {
		fmt.Fprintln(&builtin, "kernel/x/"+m+".ko")
	}
	const mods, units = "usr/lib/modules/" + Release + "/", "usr/lib/systemd/system/"
	install := "[Service]\nExecStart=/x\n[Install]\nWantedBy=multi-user.target\n"
	out := map[string]map[string]string{
		"base-files": {"etc/debian_version": "13\n"},
		"linux-image-cloud-amd64": {
			"usr/share/doc/linux-image-cloud-amd64/copyright": "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n" +
				"Files: *\nLicense: GPL-2\n\nFiles: x\nLicense: Expat\n",
			"boot/vmlinuz-" + Release: string(PE(".text")),
			mods + "modules.builtin":  builtin.String(), mods + "modules.builtin.modinfo": "", mods + "modules.order": "",
			mods + "kernel/unwanted.ko": "never read",
		},
		"systemd": {"usr/share/doc/systemd": linkMark + "linux-image-cloud-amd64", units + "multi-user.target": "[Unit]\n", units + "dbus-broker.service": install, units + "systemd-networkd.service": install},
		"systemd-boot-efi": {
			"usr/lib/systemd/boot/efi/linuxx64.efi.stub":   string(PE(".sdmagic")),
			"usr/lib/systemd/boot/efi/systemd-bootx64.efi": string(PE(".text")),
		},
	}
	for _, seed := range profile.Seeds {
		if out[seed] == nil {
			out[seed] = map[string]string{"usr/lib/" + seed + "/note": seed + "\n"}
		}
	}
	return out, nil
}

// PE is the smallest PE32+ file that counts as a kernel, a boot loader or (with a
// .sdmagic section) a stub.
func PE(section string) []byte {
	le := binary.LittleEndian
	const peAt, optSize, headers, page = 64, 112 + 16*8, 1024, 4096
	body := []byte("#### LoaderInfo: systemd-stub 257 ####\x00")
	raw := make([]byte, headers+512)
	copy(raw, "MZ")
	le.PutUint32(raw[60:], peAt)
	copy(raw[peAt:], "PE\x00\x00")
	coff := raw[peAt+4:]
	le.PutUint16(coff, 0x8664)
	le.PutUint16(coff[2:], 1)
	le.PutUint16(coff[16:], optSize)
	le.PutUint16(coff[18:], 0x22)
	o := coff[20:]
	le.PutUint16(o, 0x20b)
	le.PutUint32(o[16:], page)
	le.PutUint32(o[32:], page)
	le.PutUint32(o[36:], 512)
	le.PutUint32(o[56:], 2*page)
	le.PutUint32(o[60:], headers)
	le.PutUint16(o[68:], 10)
	le.PutUint32(o[108:], 16)
	s := o[optSize:]
	copy(s[:8], section)
	le.PutUint32(s[8:], uint32(len(body)))
	le.PutUint32(s[12:], page)
	le.PutUint32(s[16:], 512)
	le.PutUint32(s[20:], headers)
	le.PutUint32(s[36:], 0x60000020)
	copy(raw[headers:], body)
	return raw
}

// Deb packs files as a .deb (deb(5)) with uncompressed members.
func Deb(name, version string, files map[string]string) ([]byte, error) {
	control, err := pack(map[string]string{"control": "Package: " + name + "\nVersion: " + version + "\nArchitecture: amd64\n" + sources[name]})
	if err != nil {
		return nil, err
	}
	data, err := pack(files)
	if err != nil {
		return nil, err
	}
	out := []byte("!<arch>\n")
	for _, m := range []struct {
		name string
		data []byte
	}{{"debian-binary", []byte("2.0\n")}, {"control.tar", control}, {"data.tar", data}} {
		out = append(out, fmt.Sprintf("%-16s%-12d%-6d%-6d%-8s%-10d`\n", m.name, 0, 0, 0, "100644", len(m.data))...)
		out = append(out, m.data...)
		if len(m.data)%2 == 1 {
			out = append(out, '\n')
		}
	}
	return out, nil
}

func pack(files map[string]string) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, p := range slices.Sorted(maps.Keys(files)) {
		if target, ok := strings.CutPrefix(files[p], linkMark); ok {
			if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "./" + p, Linkname: target, Mode: 0o777}); err != nil {
				return nil, err
			}
			continue
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "./" + p, Mode: 0o644, Size: int64(len(files[p]))}); err != nil {
			return nil, err
		}
		if _, err := io.WriteString(w, files[p]); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Fill puts the packages into the store of a cache directory and returns their lock.
func Fill(store *debian.Store) (*debian.Lock, error) {
	profile, err := debian.ProfileByName(Profile)
	if err != nil {
		return nil, err
	}
	lock := &debian.Lock{FormatVersion: debian.LockFormatVersion, Suite: profile.Suite, Architecture: profile.Architecture, Profile: profile.Name}
	lock.Seeds = slices.Sorted(slices.Values(profile.Seeds))
	for _, x := range profile.Exclude {
		lock.Exclude = append(lock.Exclude, x.Name)
	}
	slices.Sort(lock.Exclude)
	files, err := Files()
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		b, err := Deb(name, "1", files[name])
		if err != nil {
			return nil, err
		}
		digest := sha256.Sum256(b)
		p := debian.Package{Name: name, Version: "1", Path: "pool/main/" + name + "_1.deb", SHA256: hex.EncodeToString(digest[:]), Size: int64(len(b))}
		lock.Packages = append(lock.Packages, p)
		if err := os.MkdirAll(filepath.Dir(store.Path(p)), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(store.Path(p), b, 0o644); err != nil {
			return nil, err
		}
	}
	return lock, nil
}

// Program writes the head of a static executable to dir/name, which ends with text,
// and returns its path.
func Program(dir, name, text string) (string, error) {
	le := binary.LittleEndian
	b := make([]byte, 64)
	copy(b, "\x7fELF\x02\x01\x01")
	le.PutUint16(b[16:], 2) // ET_EXEC
	le.PutUint16(b[18:], 62)
	le.PutUint32(b[20:], 1)
	le.PutUint16(b[52:], 64)
	p := filepath.Join(dir, name)
	return p, os.WriteFile(p, append(b, text...), 0o755)
}
