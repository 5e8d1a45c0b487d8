package initrd

import (
	"bytes"
	"io"

	"github.com/klauspost/compress/zstd"
)

// MaxWindow is the largest window of a compressed archive that the kernel takes
// (lib/decompress_unzstd.c), bytes.
const MaxWindow = 128 << 20

var (
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd} // RFC 8878, 3.1.1
	cpioMagic = []byte("070701")
)

// Compressed reports whether b begins with a compressed archive, a zstd frame.
func Compressed(b []byte) bool { return bytes.HasPrefix(b, zstdMagic) }

// Plain reports whether b begins with a cpio archive that is not compressed.
func Plain(b []byte) bool { return bytes.HasPrefix(b, cpioMagic) }

// FrameLength is the length of the zstd frame that b begins with: its header, its
// blocks, and the checksum when there is one (RFC 8878, 3.1.1).
func FrameLength(b []byte) (int, error) {
	var h zstd.Header
	if err := h.Decode(b); err != nil {
		return 0, err
	}
	at := h.HeaderSize
	for last := false; !last; {
		if at+3 > len(b) {
			return 0, io.ErrUnexpectedEOF
		}
		block := int(b[at]) | int(b[at+1])<<8 | int(b[at+2])<<16
		at += 3
		last = block&1 == 1
		const rle = 1 // one byte stands for the whole block
		if block>>1&3 == rle {
			at++
		} else {
			at += block >> 3
		}
	}
	if h.HasCheckSum {
		at += 4
	}
	if at > len(b) {
		return 0, io.ErrUnexpectedEOF
	}
	return at, nil
}
