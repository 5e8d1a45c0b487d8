package iso

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Is reports whether a file is an ISO 9660 volume.
func Is(r io.ReaderAt) bool {
	var id [5]byte
	_, err := r.ReadAt(id[:], pvdBlock*Block+1)
	return err == nil && string(id[:]) == "CD001"
}

// BootImage finds the boot image for EFI of a medium: where it begins, and how many
// bytes it may have.
func BootImage(r io.ReaderAt) (start, size int64, err error) {
	var pvd, boot, catalog [Block]byte
	for _, b := range []struct {
		to    []byte
		block int64
		what  string
	}{{pvd[:], pvdBlock, "volume descriptor"}, {boot[:], bootBlock, "boot record"}} {
		if _, err := r.ReadAt(b.to, b.block*Block); err != nil {
			return 0, 0, fmt.Errorf("iso: %s: %w", b.what, err)
		}
	}
	if string(boot[:30]) != "\x00CD001\x01EL TORITO SPECIFICATION" {
		return 0, 0, errors.New("iso: nothing on it boots: it has no El Torito boot record")
	}
	le := binary.LittleEndian
	if _, err := r.ReadAt(catalog[:], int64(le.Uint32(boot[71:]))*Block); err != nil {
		return 0, 0, fmt.Errorf("iso: boot catalog: %w", err)
	}
	total := int64(le.Uint32(pvd[80:])) * Block
	// The first entry is of the platform the catalog begins with; those of others follow
	// in sections (El Torito 2.3).
	if catalog[1] == platformEFI && catalog[32] == bootIndicator {
		return bootImage(catalog[32:64], total)
	}
	for at := 64; at+64 <= len(catalog) && (catalog[at] == 0x90 || catalog[at] == 0x91); {
		entries := int(le.Uint16(catalog[at+2:]))
		if catalog[at+1] == platformEFI && entries > 0 && catalog[at+32] == bootIndicator {
			return bootImage(catalog[at+32:at+64], total)
		}
		if catalog[at] == 0x91 {
			break
		}
		at += 32 * (1 + entries)
	}
	return 0, 0, errors.New("iso: its boot catalog has no entry for EFI")
}

func bootImage(entry []byte, total int64) (start, size int64, err error) {
	sectors := int64(binary.LittleEndian.Uint16(entry[6:]))
	start = int64(binary.LittleEndian.Uint32(entry[8:])) * Block
	size = sectors * mbrSector
	if sectors < 2 { // up to the end (UEFI 13.3.2.1)
		size = total - start
	}
	if start < systemBlocks*Block || size <= 0 || start+size > total {
		return 0, 0, fmt.Errorf("iso: a boot image from byte %d, of %d bytes, in a volume of %d", start, size, total)
	}
	return start, size, nil
}
