package uki

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Offsets and values of the PE/COFF specification (PE32+).
const (
	machineAMD64 = 0x8664
	magicPE32P   = 0x20b

	coffSize       = 20  // COFF file header
	optionalFixed  = 112 // optional header before the data directories
	sectionHdrSize = 40

	dirSecurity = 4 // certificate table: file offset and size
	dirDebug    = 6
)

// Offsets inside the COFF header.
const (
	coffMachine      = 0
	coffSections     = 2
	coffSymTable     = 8
	coffSymCount     = 12
	coffOptionalSize = 16
)

// Offsets inside the optional header.
const (
	optMagic          = 0
	optInitialized    = 8
	optSectionAlign   = 32
	optFileAlign      = 36
	optSizeOfImage    = 56
	optSizeOfHeaders  = 60
	optChecksum       = 64
	optDirectoryCount = 108
)

// Characteristics of the sections added: initialised data, readable.
const dataReadOnly = 0x00000040 | 0x40000000

// image is a parsed PE32+ file.
type image struct {
	raw      []byte
	coff     int // file offset of the COFF header
	optional int // file offset of the optional header
	table    int // file offset of the section table
	sections []header
}

// header is one section header.
type header struct {
	name            string
	virtualSize     uint32
	virtualAddress  uint32
	rawSize         uint32
	rawOffset       uint32
	characteristics uint32
}

var le = binary.LittleEndian

// parse reads the headers of a PE32+ file and checks every offset it holds.
func parse(raw []byte) (*image, error) {
	if len(raw) < 64 || raw[0] != 'M' || raw[1] != 'Z' {
		return nil, errors.New("not a PE image (no MZ header)")
	}
	pe := uint64(le.Uint32(raw[60:]))
	if pe+4+coffSize > uint64(len(raw)) || !bytes.Equal(raw[pe:pe+4], []byte("PE\x00\x00")) {
		return nil, errors.New("not a PE image (no PE signature)")
	}
	img := &image{raw: raw, coff: int(pe) + 4}
	img.optional = img.coff + coffSize
	optSize := int(le.Uint16(raw[img.coff+coffOptionalSize:]))
	img.table = img.optional + optSize
	if optSize < optionalFixed || img.table > len(raw) {
		return nil, fmt.Errorf("truncated PE image (optional header of %d bytes)", optSize)
	}
	if m := le.Uint16(raw[img.optional+optMagic:]); m != magicPE32P {
		return nil, fmt.Errorf("optional header magic %#x is not PE32+ (%#x)", m, magicPE32P)
	}
	if dirs := le.Uint32(raw[img.optional+optDirectoryCount:]); uint64(dirs)*8 > uint64(optSize-optionalFixed) {
		return nil, fmt.Errorf("%d data directories do not fit the optional header", dirs)
	}
	count := int(le.Uint16(raw[img.coff+coffSections:]))
	if img.table+count*sectionHdrSize > len(raw) {
		return nil, fmt.Errorf("truncated PE image (%d section headers)", count)
	}
	for i := range count {
		h := readHeader(raw[img.table+i*sectionHdrSize:])
		if uint64(h.rawOffset)+uint64(h.rawSize) > uint64(len(raw)) {
			return nil, fmt.Errorf("section %s ends beyond the file", h.name)
		}
		img.sections = append(img.sections, h)
	}
	return img, nil
}

func readHeader(b []byte) header {
	return header{
		name:            string(bytes.TrimRight(b[:8], "\x00")),
		virtualSize:     le.Uint32(b[8:]),
		virtualAddress:  le.Uint32(b[12:]),
		rawSize:         le.Uint32(b[16:]),
		rawOffset:       le.Uint32(b[20:]),
		characteristics: le.Uint32(b[36:]),
	}
}

func (h header) put(b []byte) {
	copy(b[:8], h.name)
	le.PutUint32(b[8:], h.virtualSize)
	le.PutUint32(b[12:], h.virtualAddress)
	le.PutUint32(b[16:], h.rawSize)
	le.PutUint32(b[20:], h.rawOffset)
	le.PutUint32(b[36:], h.characteristics)
}

func (img *image) machine() uint16 { return le.Uint16(img.raw[img.coff+coffMachine:]) }

// dataDirectory returns entry i of the data directories; zero when absent.
func (img *image) dataDirectory(i int) (address, size uint32) {
	if uint32(i) >= le.Uint32(img.raw[img.optional+optDirectoryCount:]) {
		return 0, 0
	}
	at := img.optional + optionalFixed + i*8
	return le.Uint32(img.raw[at:]), le.Uint32(img.raw[at+4:])
}

// section returns the named section, nil when absent.
func (img *image) section(name string) *header {
	for i := range img.sections {
		if img.sections[i].name == name {
			return &img.sections[i]
		}
	}
	return nil
}

// contents returns a section's bytes without the padding of the file.
func (img *image) contents(h *header) []byte {
	return img.raw[h.rawOffset : h.rawOffset+min(h.rawSize, h.virtualSize)]
}
