package image

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trunkline/image/debian"
	"trunkline/image/initrd"
)

const testRelease = "6.0.0-test"

// testFiles are the packages of a small base layer: package -> path -> content.
func testFiles(t *testing.T) map[string]map[string]string {
	t.Helper()
	patterns, err := initrd.RootModules("vm")
	if err != nil {
		t.Fatal(err)
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
	const mods, units = "usr/lib/modules/" + testRelease + "/", "usr/lib/systemd/system/"
	install := "[Service]\nExecStart=/x\n[Install]\nWantedBy=multi-user.target\n"
	return map[string]map[string]string{
		"base-files": {"etc/debian_version": "13\n"},
		"linux": {
			"boot/vmlinuz-" + testRelease: string(testPE(".text")),
			mods + "modules.builtin":      builtin.String(), mods + "modules.builtin.modinfo": "", mods + "modules.order": "",
			mods + "kernel/unwanted.ko": "never read",
		},
		"systemd": {units + "multi-user.target": "[Unit]\n", units + "dbus-broker.service": install, units + "systemd-networkd.service": install},
		"systemd-boot-efi": {
			"usr/lib/systemd/boot/efi/linuxx64.efi.stub":   string(testPE(".sdmagic")),
			"usr/lib/systemd/boot/efi/systemd-bootx64.efi": string(testPE(".text")),
		},
	}
}

// testPE is the smallest PE32+ file that counts as a kernel, a boot loader or
// (with a .sdmagic section) a stub.
func testPE(section string) []byte {
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

// testDeb packs files as a .deb (deb(5)) with uncompressed members.
func testDeb(t *testing.T, name string, files map[string]string) []byte {
	t.Helper()
	pack := func(files map[string]string) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, p := range sortedKeys(files) {
			if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "./" + p, Mode: 0o644, Size: int64(len(files[p]))}); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(w, files[p]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	out := []byte("!<arch>\n")
	for _, m := range []struct {
		name string
		data []byte
	}{
		{"debian-binary", []byte("2.0\n")},
		{"control.tar", pack(map[string]string{"control": "Package: " + name + "\nVersion: 1\nArchitecture: amd64\n"})},
		{"data.tar", pack(files)},
	} {
		out = append(out, fmt.Sprintf("%-16s%-12d%-6d%-6d%-8s%-10d`\n", m.name, 0, 0, 0, "100644", len(m.data))...)
		out = append(out, m.data...)
		if len(m.data)%2 == 1 {
			out = append(out, '\n')
		}
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// testProgram is the head of a static executable.
func testProgram(t *testing.T, dir, name string) string {
	t.Helper()
	b := make([]byte, 64)
	copy(b, "\x7fELF\x02\x01\x01")
	binary.LittleEndian.PutUint16(b[16:], 2) // ET_EXEC
	binary.LittleEndian.PutUint16(b[18:], 62)
	binary.LittleEndian.PutUint32(b[20:], 1)
	binary.LittleEndian.PutUint16(b[52:], 64)
	p := filepath.Join(dir, name)
	if err := os.WriteFile(p, append(b, name...), 0o755); err != nil {
		t.Fatal(err)
	}
	return p
}

// request makes a whole request whose packages are in the store already.
func request(t *testing.T) Request {
	t.Helper()
	dir := t.TempDir()
	profile, err := debian.ProfileByName("vm")
	if err != nil {
		t.Fatal(err)
	}
	lock := &debian.Lock{FormatVersion: debian.LockFormatVersion, Suite: profile.Suite, Architecture: profile.Architecture, Profile: profile.Name}
	lock.Seeds = slices.Sorted(slices.Values(profile.Seeds))
	for _, x := range profile.Exclude {
		lock.Exclude = append(lock.Exclude, x.Name)
	}
	slices.Sort(lock.Exclude)
	store := debian.NewStore(filepath.Join(dir, "cache"))
	files := testFiles(t)
	for _, name := range sortedKeys(files) {
		b := testDeb(t, name, files[name])
		p := debian.Package{Name: name, Version: "1", Path: "pool/main/x/" + name + ".deb", SHA256: sum(b), Size: int64(len(b))}
		lock.Packages = append(lock.Packages, p)
		if err := os.MkdirAll(filepath.Dir(store.Path(p)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(store.Path(p), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Request{
		Name: "edge-test", Profile: "vm", Lock: lock, Store: store, Offline: true,
		SbcdPath: testProgram(t, dir, "sbcd"), InitPath: testProgram(t, dir, "init"),
		Config: []File{{Path: "etc/hostname", Data: []byte("edge-test\n")}},
		OutDir: filepath.Join(dir, "out"), BaseCacheDir: filepath.Join(dir, "base"),
	}
}
