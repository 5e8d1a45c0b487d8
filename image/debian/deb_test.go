package debian

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// buildDeb lets dpkg-deb build a package with everything a data.tar may hold.
func buildDeb(t *testing.T, compression string) []byte {
	t.Helper()
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("dpkg-deb is not on this machine:", err)
	}
	root := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("DEBIAN/control", "Package: probe\nVersion: 1:2-3\nArchitecture: amd64\nMaintainer: nobody <n@example>\nDescription: a probe\n with text\n", 0o644)
	write("DEBIAN/conffiles", "/etc/probe.conf\n", 0o644)
	write("etc/probe.conf", "x=1\n", 0o640)
	write("usr/bin/probe", strings.Repeat("program ", 40_000), 0o755)
	write("usr/share/"+strings.Repeat("long/", 40)+"name", "deep\n", 0o644)
	if err := os.Symlink("../bin/probe", filepath.Join(root, "usr/share/link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(root, "usr/bin/probe"), filepath.Join(root, "usr/bin/same")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(root, "usr/bin/probe"), 0o4755); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "probe.deb")
	cmd := exec.Command("dpkg-deb", "-Z"+compression, "--uniform-compression", "--root-owner-group", "--build", root, out)
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// listing renders a tar stream completely.
func listing(b *strings.Builder) func(*tar.Header, io.Reader) error {
	return func(h *tar.Header, r io.Reader) error {
		content, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "%c %o %d:%d %s -> %q %d %s\n", h.Typeflag, h.Mode, h.Uid, h.Gid, h.Name, h.Linkname, h.ModTime.Unix(), digest(content))
		return nil
	}
}

func TestDebAgreesWithDpkg(t *testing.T) {
	for _, compression := range []string{"none", "gzip", "xz", "zstd"} {
		t.Run(compression, func(t *testing.T) {
			b := buildDeb(t, compression)
			d, err := OpenDeb("probe", bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			c, err := d.Control()
			if err != nil {
				t.Fatal(err)
			}
			if c.Get("Package") != "probe" || c.Get("Version") != "1:2-3" || c.Get("Description") != "a probe\nwith text" {
				t.Fatalf("control: %q", c)
			}
			file := filepath.Join(t.TempDir(), "probe.deb")
			if err := os.WriteFile(file, b, 0o644); err != nil {
				t.Fatal(err)
			}
			for _, side := range []struct {
				option string
				walk   func(func(*tar.Header, io.Reader) error) error
			}{{"--fsys-tarfile", d.Data}, {"--ctrl-tarfile", d.ControlFiles}} {
				raw, err := exec.Command("dpkg-deb", side.option, file).Output()
				if err != nil {
					t.Fatal(err)
				}
				var want, got strings.Builder
				tr := tar.NewReader(bytes.NewReader(raw))
				for {
					h, err := tr.Next()
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil {
						t.Fatal(err)
					}
					if err := listing(&want)(h, tr); err != nil {
						t.Fatal(err)
					}
				}
				for range 2 { // each walk reads anew
					got.Reset()
					if err := side.walk(listing(&got)); err != nil {
						t.Fatal(err)
					}
					if got.String() != want.String() || strings.Count(got.String(), "\n") < 3 {
						t.Fatalf("%s\ngot:\n%s\nwant:\n%s", side.option, got.String(), want.String())
					}
				}
			}
			stop := errors.New("stop")
			if err := d.Data(func(*tar.Header, io.Reader) error { return stop }); !errors.Is(err, stop) {
				t.Fatalf("error of the callback: %v", err)
			}
		})
	}
}

func TestDamagedDebs(t *testing.T) {
	good := buildDeb(t, "xz")
	half := len(good) / 2
	for name, b := range map[string][]byte{
		"empty":     {},
		"text":      []byte("hello, I am not a package, but long enough to look at"),
		"cut":       good[:half],
		"cut early": good[:100],
		"stray":     append(bytes.Clone(good), "junk"...),
		"bits":      append(append(bytes.Clone(good[:half]), good[half]^0x40), good[half+1:]...),
		"old ar":    append([]byte("!<arch>\n"), bytes.Repeat([]byte(" "), 60)...),
		"no data":   good[:8+60+4+60],
		"2.0 wrong": bytes.Replace(good, []byte("2.0\n"), []byte("9.0\n"), 1),
		"lzma":      bytes.Replace(good, []byte("data.tar.xz "), []byte("data.tar.lz "), 1),
	} {
		d, err := OpenDeb(name, bytes.NewReader(b), int64(len(b)))
		if err == nil {
			err = d.Data(func(_ *tar.Header, r io.Reader) error { _, err := io.Copy(io.Discard, r); return err })
		}
		if err == nil || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestLimitReader(t *testing.T) {
	if _, err := io.ReadAll(&limitReader{strings.NewReader("12345"), 4}); err == nil {
		t.Error("no error past the limit")
	}
	if b, err := io.ReadAll(&limitReader{strings.NewReader("12345"), 5}); err != nil || string(b) != "12345" {
		t.Error(string(b), err)
	}
}

func FuzzDeb(f *testing.F) {
	head := func(name string, n int) string {
		return fmt.Sprintf("%-16s%-12d%-6d%-6d%-8o%-10d`\n", name, 0, 0, 0, 0o100644, n)
	}
	var tarball bytes.Buffer
	w := tar.NewWriter(&tarball)
	w.WriteHeader(&tar.Header{Name: "./control", Mode: 0o644, Size: 11})
	w.Write([]byte("Package: a\n"))
	w.Close()
	f.Add([]byte(arMagic + head("debian-binary", 4) + "2.0\n" + head("control.tar", tarball.Len()) + tarball.String() + head("data.tar", tarball.Len()) + tarball.String()))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := OpenDeb("x", bytes.NewReader(b), int64(len(b)))
		if err != nil || strings.HasSuffix(d.data.name, ".xz") || strings.HasSuffix(d.control.name, ".xz") {
			return // xz has fuzzers of its own, and takes the memory a header asks for
		}
		d.Control()
		d.Data(func(_ *tar.Header, r io.Reader) error {
			_, err := io.Copy(io.Discard, io.LimitReader(r, 1<<20))
			return err
		})
	})
}
