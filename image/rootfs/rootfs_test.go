package rootfs

import (
	"archive/tar"
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", file, d)
	}
}

func TestCollect(t *testing.T) {
	tree, boot := collect(t)
	golden(t, "tree.txt", list(tree))
	if boot.Release != "6.12.0-test" || string(boot.Kernel) != "kernel" || string(boot.Stub) != "stub" || string(boot.Loader) != "loader" {
		t.Errorf("boot parts: %+v", boot)
	}
	for _, f := range []string{"etc/passwd", "etc/group", "etc/shadow"} {
		golden(t, filepath.Base(f)+".txt", string(tree.Get(f).Data))
	}
	if got := string(tree.Get("etc/ssl/certs/ca-certificates.crt").Data); got != "A\nB\n" {
		t.Errorf("CA bundle is %q", got)
	}
	if n := tree.Get("etc/machine-id"); n == nil || len(n.Data) != 0 {
		t.Error("/etc/machine-id must be there and empty: anything else is a first boot")
	}
	if m := tree.Get("usr/bin/mount").Mode; m != 0o755 {
		t.Errorf("mount has mode %o: set-id bits must go", m)
	}
}

func TestNothingToLogInWith(t *testing.T) {
	tree, _ := collect(t)
	for _, p := range tree.Paths() {
		if strings.Contains(p, "getty") || strings.HasSuffix(p, "bin/sh") || strings.HasSuffix(p, "bin/su") {
			t.Errorf("/%s is in the image", p)
		}
	}
	for line := range strings.Lines(string(tree.Get("etc/shadow").Data)) {
		if f := strings.Split(line, ":"); f[1] != "!*" {
			t.Errorf("account %s has a password field of %q", f[0], f[1])
		}
	}
}

func TestOurUnitsAreWhole(t *testing.T) {
	tree, _ := collect(t)
	for _, link := range []string{
		"multi-user.target.wants/sbcd.service", "multi-user.target.wants/trunkline-firewall.service", "multi-user.target.wants/trunkline-nics.service",
		"multi-user.target.wants/trunkline-credentials.service", "multi-user.target.wants/trunkline-trial.service",
		"multi-user.target.wants/trunkline-selfcheck.service", "boot-complete.target.requires/trunkline-selfcheck.service",
		"multi-user.target.wants/systemd-networkd.service", "sockets.target.wants/systemd-networkd.socket",
		"dbus.service", "dbus-org.freedesktop.network1.service", "default.target",
	} {
		if p := tree.Resolve("etc/systemd/system/" + link); p == "" {
			t.Errorf("%s is not enabled", link)
		}
	}
}

func TestUnpackRefuses(t *testing.T) {
	all := func(string) bool { return true }
	for _, c := range []struct {
		name string
		pkgs []Package
		want string
	}{
		{"two packages, one file", []Package{pkg(t, "one", file("bin/x", 0o755, "1")), pkg(t, "two", file("usr/bin/x", 0o755, "2"))}, "/usr/bin/x comes from one and from two"},
		{"file over directory", []Package{pkg(t, "one", dir("opt/x", 0o755)), pkg(t, "two", file("opt/x", 0o644, ""))}, "comes from one and from two"},
		{"file below a file", []Package{pkg(t, "one", file("opt/x", 0o644, "")), pkg(t, "two", file("opt/x/y", 0o644, ""))}, "made something else than a directory"},
		{"climbing", []Package{pkg(t, "one", file("../etc/x", 0o644, ""))}, "no clean relative path"},
		{"device", []Package{pkg(t, "one", tar.Header{Typeflag: tar.TypeChar, Name: "dev/x"})}, "which no image takes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Unpack(context.Background(), c.pkgs, all)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestUnpackHardLinks(t *testing.T) {
	p := pkg(t, "one", file("usr/lib/a", 0o644, "body"), tar.Header{Typeflag: tar.TypeLink, Name: "usr/lib/b", Linkname: "./usr/lib/a"})
	tree, err := Unpack(context.Background(), []Package{p}, func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	if n := tree.Get("usr/lib/b"); n == nil || string(n.Data) != "body" {
		t.Errorf("second name of a file: %+v", n)
	}
}

func TestUnpackStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Unpack(ctx, testPackages(t), Keep); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("error is %v", err)
	}
}

func TestResolve(t *testing.T) {
	tree := NewTree()
	for _, err := range []error{
		tree.File("usr/lib/a", 0o644, nil), tree.Symlink("lib", "usr/lib"), tree.Symlink("usr/lib/b", "/lib/a"),
		tree.Symlink("usr/lib/c", "../../lib/b"), tree.Symlink("usr/lib/loop", "loop"), tree.Symlink("usr/lib/gone", "nothing"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for p, want := range map[string]string{"lib/a": "usr/lib/a", "lib/c": "usr/lib/a", "lib/loop": "", "lib/gone": ""} {
		if got := tree.Resolve(p); got != want {
			t.Errorf("Resolve(%s) = %q, want %q", p, got, want)
		}
	}
}

func TestAccountErrors(t *testing.T) {
	for line, want := range map[string]string{
		"u x:y -":         "only plain names",
		"u x 4:nogroup":   "no group nogroup",
		"g x abc":         "a number is needed",
		"m nobody adm":    "who is no user",
		"q x":             "not understood",
		"u x - \"open":    "the quote is not closed",
		"u x 99999999999": "a number is needed",
	} {
		tree := NewTree()
		if err := tree.File("usr/lib/sysusers.d/x.conf", 0o644, []byte(line+"\n")); err != nil {
			t.Fatal(err)
		}
		if err := tree.applyAccounts(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want one with %q", line, err, want)
		}
	}
}

func TestEnableRefusesUnknownUnits(t *testing.T) {
	if err := NewTree().Enable("x.service"); err == nil || !strings.Contains(err.Error(), "no package brings this unit") {
		t.Errorf("error is %v", err)
	}
}

func TestTreeDoesNotDependOnPackageOrderOrCPUs(t *testing.T) {
	a, _ := collect(t)
	t.Setenv("TZ", "Asia/Tokyo")
	b, _ := collect(t)
	if d := cmp.Diff(list(a), list(b)); d != "" {
		t.Error(d)
	}
	if !bytes.Equal(erofsBytes(t, a), erofsBytes(t, b)) {
		t.Error("two erofs images of one tree differ")
	}
}

// FuzzWords: every line splits or is refused; what splits has no empty surprise.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"u x - \"a b\" /", "# x", "L+ /etc/mtab - - - - ../x", "'", "a\tb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		w, err := words(line)
		if err != nil && w != nil {
			t.Errorf("%q: both words and an error", line)
		}
		_ = NewTree().tmpfilesLine(line)
		a := &accounts{users: map[string]*user{}, groups: map[string]int{}, members: map[string][]string{}, gidOf: map[string]string{}}
		if a.line(line) == nil {
			_ = a.finish()
		}
	})
}

// What serves a program that not every image has is only where that program is.
func TestFilesOfPrograms(t *testing.T) {
	pkgs := append(testPackages(t), pkg(t, "rtpengine-daemon", file("usr/bin/rtpengine", 0o755, "relay"), file("usr/lib/systemd/system/rtpengine-daemon.service", 0o644, testUnit)))
	with, _, err := Collect(t.Context(), pkgs, []byte("sbcd"))
	if err != nil {
		t.Fatal(err)
	}
	without, _ := collect(t)
	for p := range ofProgram {
		name := unitDir + "/" + filepath.Base(p)
		if rest, ok := strings.CutPrefix(p, "files/"); ok {
			name = rest
		}
		if with.Get(name) == nil || without.Get(name) != nil {
			t.Errorf("%s: with the program %v, without it %v", name, with.Get(name), without.Get(name))
		}
	}
	if users := string(with.Get("etc/passwd").Data); !strings.Contains(users, "\nrtpengine:x:901:901:") {
		t.Errorf("users of an image with a relay:\n%s", users)
	}
	if with.Get(unitDir+"/rtpengine-daemon.service") != nil {
		t.Error("the package's own unit is there")
	}
	for _, p := range without.Paths() {
		if strings.Contains(p, "rtpengine") || strings.Contains(string(without.Get(p).Data), "Trunkline media relay") {
			t.Errorf("%s is in an image without a relay", p)
		}
	}
}
