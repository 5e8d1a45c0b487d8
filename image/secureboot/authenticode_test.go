package secureboot

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"strings"
	"testing"
)

func TestSignedImages(t *testing.T) {
	s := keySet(t)
	dir := t.TempDir()
	ours := write(t, dir, "db.crt", pemOf("CERTIFICATE", s.DB.Certificate.Raw))
	other := write(t, dir, "KEK.crt", pemOf("CERTIFICATE", s.KEK.Certificate.Raw))
	for name, content := range map[string][]byte{
		"aligned":          bytes.Repeat([]byte{0xc3}, 4096),
		"no multiple of 8": bytes.Repeat([]byte{0xc3}, 4096+3),
		"no multiple of 2": bytes.Repeat([]byte("abcdefg"), 9999),
	} {
		t.Run(name, func(t *testing.T) {
			image := testPE(content)
			before := bytes.Clone(image)
			signed, err := s.DB.Sign(image)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(image, before) {
				t.Error("the unsigned image was changed")
			}
			if again, err := s.DB.Sign(image); err != nil || !bytes.Equal(again, signed) {
				t.Errorf("signing again gives other bytes (%v)", err)
			}
			f, err := pe.NewFile(bytes.NewReader(signed))
			if err != nil {
				t.Fatal(err)
			}
			h := f.OptionalHeader.(*pe.OptionalHeader64)
			table := h.DataDirectory[4]
			if int(table.VirtualAddress+table.Size) != len(signed) || table.VirtualAddress%8 != 0 || table.Size%8 != 0 {
				t.Errorf("certificate table at %d, %d bytes, in a file of %d", table.VirtualAddress, table.Size, len(signed))
			}
			if got, want := h.CheckSum, plainChecksum(signed); got != want {
				t.Errorf("checksum %#x, want %#x", got, want)
			}
			if data, err := f.Sections[0].Data(); err != nil || !bytes.Equal(data, content) {
				t.Errorf("the section changed (%v)", err)
			}

			verify := func(crt string, image []byte) (string, bool) {
				return tool(t, "sbverify", "--cert", crt, write(t, dir, "x.efi", image))
			}
			if out, ok := verify(ours, signed); !ok || len(image)%8 == 0 && strings.Contains(out, "warning") { // it warns of the padding
				t.Errorf("sbverify: %s", out)
			}
			if got, err := Signatures(signed); err != nil || len(got) != 1 || got[0].Err != nil || !got[0].Certificate.Equal(s.DB.Certificate) {
				t.Errorf("signatures %+v, %v", got, err)
			}
			if out, ok := verify(other, signed); ok {
				t.Errorf("another certificate verifies it: %s", out)
			}
			if out, ok := verify(ours, padded(image)); ok {
				t.Errorf("the unsigned image verifies: %s", out)
			}
			for what, at := range map[string]int{
				"time stamp": 64 + 4 + 4, "entry point": 64 + 24 + 16, "section table": 64 + 24 + 240 + 12,
				"first byte of the section": testPEHeaders, "last byte": testPEHeaders + len(content) - 1,
			} {
				bad := bytes.Clone(signed)
				bad[at] ^= 1
				if out, ok := verify(ours, bad); ok {
					t.Errorf("verifies with another %s: %s", what, out)
				}
				if got, err := Signatures(bad); err == nil && got[0].Err == nil {
					t.Errorf("holds with another %s", what)
				}
			}
		})
	}
}

func padded(b []byte) []byte { return append(bytes.Clone(b), make([]byte, padding(len(b), 8))...) }

// plainChecksum is the algorithm as the PE specification tells it.
func plainChecksum(raw []byte) uint32 {
	b := bytes.Clone(raw)
	le.PutUint32(b[64+24+optionalChecksum:], 0)
	b = append(b, 0)
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(b[i]) | uint32(b[i+1])<<8
		sum = sum>>16 + sum&0xffff
	}
	return sum + uint32(len(raw))
}

func TestSignRefuses(t *testing.T) {
	s := keySet(t)
	const optional = 64 + 24
	tests := []struct {
		name string
		edit func([]byte) []byte
		want string
	}{
		{"text", func([]byte) []byte { return []byte("not an image") }, "not a PE image"},
		{"nothing", func([]byte) []byte { return nil }, "not a PE image"},
		{"32 bits", func(b []byte) []byte { return pe32() }, "not a PE32+ image"},
		{"signed", func(b []byte) []byte {
			signed, err := s.KEK.Sign(b)
			if err != nil {
				t.Fatal(err)
			}
			return signed
		}, "carries a signature already"},
		{"few directories", func(b []byte) []byte {
			le.PutUint32(b[optional+108:], 4)
			le.PutUint16(b[optional-4:], 112+4*8) // the size of the optional header
			return b
		}, "room for 4 data directories"},
		{"gap", func(b []byte) []byte {
			le.PutUint32(b[optional+60:], 512)
			return b
		}, "section .text begins at byte 1024 of the file, not where the one before it ends (512)"},
		{"something behind", func(b []byte) []byte { return append(b, 1) }, "the sections end at byte 5120, the file at 5121"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := s.DB.Sign(tt.edit(testPE(make([]byte, 4096))))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// pe32 is an image for 32-bit firmware.
func pe32() []byte {
	var b bytes.Buffer
	head := make([]byte, 64)
	copy(head, "MZ")
	le.PutUint32(head[60:], 64)
	b.Write(head)
	b.WriteString("PE\x00\x00")
	for _, v := range []any{
		pe.FileHeader{Machine: pe.IMAGE_FILE_MACHINE_I386, SizeOfOptionalHeader: uint16(binary.Size(pe.OptionalHeader32{}))},
		pe.OptionalHeader32{Magic: 0x10b, NumberOfRvaAndSizes: 16},
	} {
		_ = binary.Write(&b, le, v) // to memory
	}
	return b.Bytes()
}
