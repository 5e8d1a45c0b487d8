package uki

import (
	"bytes"
	"debug/pe"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func assemble(t *testing.T, p Parts) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSectionsAsTheyWereGiven(t *testing.T) {
	p := testParts()
	raw := assemble(t, p)
	f, err := pe.NewFile(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	wantInitrd := string(p.Initrd[0]) + "\x00" + string(p.Initrd[1]) + "\x00\x00"
	want := map[string]string{
		".text": strings.Repeat("\xc3", 700), ".rodata": "constants",
		".osrel": p.OSRelease, ".cmdline": p.Cmdline, ".uname": p.Uname,
		".initrd": wantInitrd, ".linux": string(p.Kernel),
	}
	var order []string
	end := uint32(pageSize)
	for _, s := range f.Sections {
		order = append(order, s.Name)
		if s.VirtualAddress%pageSize != 0 || s.Offset%pageSize != 0 || s.Size%pageSize != 0 {
			t.Errorf("%s at %#x, file %#x, size %#x: not page aligned", s.Name, s.VirtualAddress, s.Offset, s.Size)
		}
		if s.Offset != end {
			t.Errorf("%s starts at %#x of the file, want %#x: a gap breaks signing", s.Name, s.Offset, end)
		}
		end = s.Offset + s.Size
		if w, ok := want[s.Name]; ok {
			data, err := s.Data()
			if err != nil {
				t.Fatal(err)
			}
			if got := string(data[:min(len(data), int(s.VirtualSize))]); got != w {
				t.Errorf("%s holds %d bytes, want %d", s.Name, len(got), len(w))
			}
		}
	}
	if got, want := strings.Join(order, " "), ".text .rodata .sdmagic .osrel .cmdline .uname .initrd .linux"; got != want {
		t.Errorf("sections %s, want %s", got, want)
	}
	if int(end) != len(raw) {
		t.Errorf("file has %d bytes, sections end at %d", len(raw), end)
	}
	o := f.OptionalHeader.(*pe.OptionalHeader64)
	last := f.Sections[len(f.Sections)-1]
	if want := last.VirtualAddress + last.Size; o.SizeOfImage != want {
		t.Errorf("SizeOfImage %#x, want %#x", o.SizeOfImage, want)
	}
	if o.FileAlignment != pageSize || o.SectionAlignment != pageSize || o.SizeOfHeaders != pageSize {
		t.Errorf("alignment %d/%d, headers %d", o.FileAlignment, o.SectionAlignment, o.SizeOfHeaders)
	}
	if got, want := o.CheckSum, plainChecksum(t, raw); got != want {
		t.Errorf("checksum %#x, want %#x", got, want)
	}
}

// plainChecksum is the algorithm as the PE specification tells it.
func plainChecksum(t *testing.T, raw []byte) uint32 {
	t.Helper()
	img, err := parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	b := bytes.Clone(raw)
	le.PutUint32(b[img.optional+optChecksum:], 0)
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(b[i]) | uint32(b[i+1])<<8
		sum = sum>>16 + sum&0xffff
	}
	return sum + uint32(len(b))
}

func TestSameBytes(t *testing.T) {
	if !bytes.Equal(assemble(t, testParts()), assemble(t, testParts())) {
		t.Error("two assemblies differ")
	}
}

func TestInspect(t *testing.T) {
	raw := assemble(t, testParts())
	sections, err := Inspect(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	last := sections[len(sections)-1]
	if last.Name != ".linux" || int(last.Size) != len(testKernel()) || len(last.SHA256) != 64 {
		t.Errorf("last section %+v", last)
	}
	got, err := Extract(bytes.NewReader(raw), ".cmdline")
	if err != nil || string(got) != testParts().Cmdline {
		t.Errorf("command line %q, %v", got, err)
	}
	if _, err := Extract(bytes.NewReader(raw), ".none"); err == nil {
		t.Error("a missing section was extracted")
	}
}

func TestRefusals(t *testing.T) {
	signed := testStub()
	img, err := parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	le.PutUint32(signed[img.optional+optionalFixed+dirSecurity*8:], 512)
	tests := []struct {
		name string
		edit func(*Parts)
		want string
	}{
		{"no stub", func(p *Parts) { p.Stub = nil }, "no MZ header"},
		{"32-bit arm stub", func(p *Parts) {
			p.Stub = buildPE(0x1c2, pageSize, testSection{".sdmagic", sdmagic})
		}, "machine 0x1c2"},
		{"boot loader as stub", func(p *Parts) {
			p.Stub = buildPE(machineAMD64, pageSize, testSection{".sdmagic", []byte("#### LoaderInfo: systemd-boot 257 ####")})
		}, "no systemd-stub mark"},
		{"not systemd's", func(p *Parts) {
			p.Stub = buildPE(machineAMD64, pageSize, testSection{".text", []byte{0xc3}})
		}, "no systemd-stub mark"},
		{"signed", func(p *Parts) { p.Stub = signed }, "carries a signature"},
		{"finished image", func(p *Parts) {
			var b bytes.Buffer
			if err := Write(&b, *p); err != nil {
				t.Fatal(err)
			}
			p.Stub = b.Bytes()
		}, "finished image"},
		{"no header room", func(p *Parts) {
			p.Stub = buildPE(machineAMD64, 1024, testSection{".sdmagic", sdmagic})
		}, "no room for 6 section headers"},
		{"no kernel", func(p *Parts) { p.Kernel = nil }, "no kernel"},
		{"kernel is text", func(p *Parts) { p.Kernel = []byte("linux") }, "CONFIG_EFI_STUB"},
		{"kernel for arm64", func(p *Parts) { p.Kernel = buildPE(0xaa64, pageSize) }, "machine 0xaa64"},
		{"no initrd", func(p *Parts) { p.Initrd = nil }, "no initrd"},
		{"empty initrd", func(p *Parts) { p.Initrd = [][]byte{nil} }, "initrd is empty"},
		{"no os-release", func(p *Parts) { p.OSRelease = "" }, "no os-release"},
		{"command line of two lines", func(p *Parts) { p.Cmdline = "a\nb" }, "one line"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := testParts()
			tt.edit(&p)
			err := Write(&bytes.Buffer{}, p)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestEmptyCommandLineHasNoSection(t *testing.T) {
	p := testParts()
	p.Cmdline, p.Uname = "", ""
	sections, err := Inspect(bytes.NewReader(assemble(t, p)))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sections {
		if s.Name == ".cmdline" || s.Name == ".uname" {
			t.Errorf("empty section %s", s.Name)
		}
	}
}

// TestTools checks the image with the tools others will use on it.
func TestTools(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.efi")
	if err := os.WriteFile(file, assemble(t, testParts()), 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) string {
		t.Helper()
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed (Debian: binutils, sbsigntool, openssl)", name)
		}
		out, err := exec.Command(name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return string(out)
	}
	if out := run("objdump", "-h", file); !strings.Contains(out, ".initrd") {
		t.Errorf("objdump does not list the sections:\n%s", out)
	}
	key, crt, signed := filepath.Join(dir, "k"), filepath.Join(dir, "c"), filepath.Join(dir, "s.efi")
	run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test", "-keyout", key, "-out", crt)
	for _, out := range []string{
		run("sbsign", "--key", key, "--cert", crt, "--output", signed, file),
		run("sbverify", "--cert", crt, signed),
	} {
		if strings.Contains(out, "warning") {
			t.Errorf("signing tools complain:\n%s", out)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(testStub())
	f.Add(testKernel())
	f.Fuzz(func(t *testing.T, raw []byte) {
		img, err := parse(raw)
		if err != nil {
			return
		}
		for i := range img.sections {
			img.contents(&img.sections[i])
		}
		if checkStub(img) != nil {
			return
		}
		p := testParts()
		p.Stub = raw
		var b bytes.Buffer
		if err := Write(&b, p); err != nil {
			return
		}
		if _, err := parse(b.Bytes()); err != nil {
			t.Errorf("what was written cannot be read: %v", err)
		}
	})
}
