package rootfs

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
)

// testPackage is a package whose data.tar is made by the test.
type testPackage struct {
	name string
	data []byte
}

func (p testPackage) Name() string { return p.name }
func (p testPackage) Size() int64  { return int64(len(p.data)) }

func (p testPackage) Data(fn func(*tar.Header, io.Reader) error) error {
	r := tar.NewReader(bytes.NewReader(p.data))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := fn(h, r); err != nil {
			return err
		}
	}
}

// pkg makes a package of entries. An entry is "path", "path/" for a directory,
// "path -> target" for a link, "path => other" for a hard link; its content and
// mode follow in the header given.
func pkg(t *testing.T, name string, entries ...tar.Header) testPackage {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range entries {
		body := h.PAXRecords["TEST.body"]
		h.PAXRecords = nil
		h.Name = "./" + h.Name
		h.Size = int64(len(body))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return testPackage{name, b.Bytes()}
}

func file(name string, mode int64, body string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, PAXRecords: map[string]string{"TEST.body": body}}
}

func dir(name string, mode int64) tar.Header {
	return tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode}
}

func symlink(name, target string) tar.Header {
	return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}
}

const (
	testUnit = "[Unit]\nDescription=x\n[Service]\nExecStart=/usr/bin/x\n"
	testNet  = testUnit + "[Install]\nWantedBy=multi-user.target\nAlias=dbus-org.freedesktop.network1.service\nAlso=systemd-networkd.socket\n"
)

// testPackages are small, but have everything Collect asks of a profile.
func testPackages(t *testing.T) []Package {
	t.Helper()
	const units = "usr/lib/systemd/system/"
	return []Package{
		pkg(t, "base-files",
			dir("etc", 0o755), dir("root", 0o700), dir("usr", 0o755), symlink("bin", "usr/bin"), symlink("lib", "usr/lib"),
			file("usr/lib/os-release", 0o644, "ID=debian\n"), symlink("etc/os-release", "../usr/lib/os-release"),
			file("usr/share/man/man1/x.1.gz", 0o644, "x"), file("usr/share/doc/base-files/copyright", 0o644, "free\n"),
			file("usr/share/doc/base-files/README", 0o644, "x")),
		pkg(t, "ca-certificates",
			file("usr/share/ca-certificates/mozilla/B.crt", 0o644, "B\n"), file("usr/share/ca-certificates/mozilla/A.crt", 0o644, "A\n\n")),
		pkg(t, "dbus-broker", file(units+"dbus-broker.service", 0o644, testUnit+"[Install]\nAlias=dbus.service\n"),
			file("usr/lib/sysusers.d/dbus.conf", 0o644, "u messagebus - \"System Message Bus\" /nonexistent\n")),
		pkg(t, "linux", file("boot/vmlinuz-6.12.0-test", 0o644, "kernel"), file("boot/System.map-6.12.0-test", 0o644, "x"),
			file("usr/lib/modules/6.12.0-test/modules.order", 0o644, "")),
		pkg(t, "mount", file("bin/mount", 0o4755, "mount"), file("usr/bin/su", 0o4755, "su"), file("bin/sh", 0o755, "sh")),
		pkg(t, "systemd",
			file(units+"systemd-networkd.service", 0o644, testNet), file(units+"multi-user.target", 0o644, "[Unit]\n"),
			file(units+"systemd-networkd.socket", 0o644, "[Socket]\n[Install]\nWantedBy=sockets.target\n"),
			file(units+"getty@.service", 0o644, testUnit), symlink(units+"autovt@.service", "getty@.service"),
			symlink(units+"getty.target.wants/getty@tty1.service", "../getty@.service"),
			symlink(units+"sysinit.target.wants/ldconfig.service", "../ldconfig.service"), file(units+"ldconfig.service", 0o644, testUnit),
			symlink(units+"default.target", "multi-user.target"), symlink(units+"masked.service", "/dev/null"),
			file("usr/lib/systemd/system-generators/systemd-getty-generator", 0o755, "x"),
			file("usr/lib/sysusers.d/basic.conf", 0o644, "# the base\ng adm 4 -\ng nogroup 65534 -\nu root 0 - /root /bin/bash\nu sync 4:65534 - /bin /bin/sync\ng tty 5 -\n"),
			file("usr/lib/sysusers.d/systemd-network.conf", 0o644, "u! systemd-network - \"systemd Network Management\"\nm systemd-network adm\n"),
			file("usr/lib/tmpfiles.d/debian.conf", 0o644, "d /run/lock 1777 root root -   -\nL+ /etc/mtab - - - - ../proc/self/mounts\nd /etc/credstore 0700 root root\nd /etc/open - root root\n"),
			dir("etc/credstore", 0o755), dir("etc/open", 0o750),
			symlink("etc/modules-load.d/modules.conf", "../modules"),
			symlink("usr/lib/systemd/systemd-sysroot-fstab-check", "system-generators/systemd-fstab-generator")),
		pkg(t, "systemd-boot-efi",
			file("usr/lib/systemd/boot/efi/linuxx64.efi.stub", 0o644, "stub"), file("usr/lib/systemd/boot/efi/systemd-bootx64.efi", 0o644, "loader")),
	}
}

func collect(t *testing.T) (*Tree, Boot) {
	t.Helper()
	tree, boot, err := Collect(context.Background(), testPackages(t), []byte("sbcd"))
	if err != nil {
		t.Fatal(err)
	}
	return tree, boot
}

// list renders a tree for a golden file.
func list(tree *Tree) string {
	var b strings.Builder
	for _, p := range tree.Paths() {
		n := tree.Get(p)
		switch n.Kind {
		case Directory:
			b.WriteString(n.Mode.String() + " " + p + "/\n")
		case Symlink:
			b.WriteString(p + " -> " + n.Link + "\n")
		default:
			b.WriteString(n.Mode.String() + " " + p + " (" + n.From + ")\n")
		}
	}
	return b.String()
}
