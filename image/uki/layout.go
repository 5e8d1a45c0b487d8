package uki

import (
	"errors"
	"fmt"
	"io"
	"math"
)

// assembled is a laid-out image: the headers, then sections back to back.
type assembled struct {
	headers  []byte
	sections []placed
}

// placed is a section's bytes and the zeros after them.
type placed struct {
	data [][]byte
	pad  uint64
}

// layout puts the stub's own sections and the added ones on page boundaries and
// rewrites the headers accordingly. Addresses of the stub's sections stay: its
// code refers to them.
func layout(stub *image, add []content) (*assembled, error) {
	if len(stub.sections) == 0 {
		return nil, errors.New("stub: no sections")
	}
	if a := le.Uint32(stub.raw[stub.optional+optSectionAlign:]); a != pageSize {
		return nil, fmt.Errorf("stub: section alignment is %d, not %d", a, pageSize)
	}
	if va, _ := stub.dataDirectory(dirDebug); va != 0 {
		return nil, errors.New("stub: has a debug directory, whose file offsets would be wrong; take a stripped stub")
	}
	count := len(stub.sections) + len(add)
	tableEnd := stub.table + count*sectionHdrSize
	headerSize := tableEnd + int(padding(uint64(tableEnd), pageSize))
	first := uint64(math.MaxUint64)
	next := uint64(0) // first free address
	for _, s := range stub.sections {
		first = min(first, uint64(s.virtualAddress))
		end := uint64(s.virtualAddress) + uint64(max(s.virtualSize, s.rawSize))
		next = max(next, end+padding(end, pageSize))
	}
	if uint64(headerSize) > first {
		return nil, fmt.Errorf("stub: no room for %d section headers: they need %d bytes, the first section is at %d",
			count, headerSize, first)
	}

	out := &assembled{headers: make([]byte, headerSize)}
	copy(out.headers, stub.raw[:stub.table])
	var table []header
	offset := uint64(headerSize)
	place := func(h header, data [][]byte, size uint64) {
		h.rawSize, h.rawOffset = uint32(size+padding(size, pageSize)), uint32(offset)
		if size == 0 {
			h.rawOffset = 0
		}
		offset += uint64(h.rawSize)
		table = append(table, h)
		out.sections = append(out.sections, placed{data, uint64(h.rawSize) - size})
	}
	var added uint64
	for i := range stub.sections {
		s := stub.sections[i]
		data := stub.raw[s.rawOffset : s.rawOffset+s.rawSize]
		place(s, [][]byte{data}, uint64(len(data)))
	}
	for _, c := range add {
		size := c.size()
		if next+size > math.MaxUint32 || offset+size > math.MaxUint32-pageSize {
			return nil, fmt.Errorf("section %s: the image would pass 4 GiB", c.name)
		}
		place(header{name: c.name, virtualSize: uint32(size), virtualAddress: uint32(next), characteristics: dataReadOnly},
			c.data, size)
		next += size + padding(size, pageSize)
		added += size + padding(size, pageSize)
	}
	for i, h := range table {
		h.put(out.headers[stub.table+i*sectionHdrSize:])
	}

	coff, opt := out.headers[stub.coff:], out.headers[stub.optional:]
	le.PutUint16(coff[coffSections:], uint16(count))
	le.PutUint32(coff[coffSymTable:], 0) // a symbol table behind the sections is not carried over
	le.PutUint32(coff[coffSymCount:], 0)
	le.PutUint32(opt[optInitialized:], le.Uint32(opt[optInitialized:])+uint32(added))
	le.PutUint32(opt[optFileAlign:], pageSize)
	le.PutUint32(opt[optSizeOfImage:], uint32(next))
	le.PutUint32(opt[optSizeOfHeaders:], uint32(headerSize))
	le.PutUint32(opt[optChecksum:], 0)
	le.PutUint32(opt[optChecksum:], out.checksum(offset))
	return out, nil
}

// checksum is the PE image checksum: the ones' complement sum of all 16-bit
// words (the checksum field taken as zero) plus the length of the file.
func (a *assembled) checksum(length uint64) uint32 {
	s := wordSum{}
	s.add(a.headers)
	for _, p := range a.sections {
		for _, d := range p.data {
			s.add(d)
		}
		s.skip(p.pad)
	}
	return uint32(s.fold()) + uint32(length)
}

// wordSum sums little-endian 16-bit words of a stream given in pieces.
type wordSum struct {
	sum uint64
	odd bool // an odd number of bytes has been added
}

func (s *wordSum) add(b []byte) {
	if s.odd && len(b) > 0 {
		s.sum += uint64(b[0]) << 8
		s.odd, b = false, b[1:]
	}
	// Four words at a time: carries between them fold back in the end.
	for ; len(b) >= 8; b = b[8:] {
		w := le.Uint64(b)
		s.sum += w>>32 + w&math.MaxUint32
	}
	for i, c := range b {
		s.sum += uint64(c) << (8 * (i % 2))
	}
	s.odd = s.odd != (len(b)%2 == 1)
}

// skip passes over n zero bytes.
func (s *wordSum) skip(n uint64) { s.odd = s.odd != (n%2 == 1) }

func (s *wordSum) fold() uint16 {
	v := s.sum
	for v > math.MaxUint16 {
		v = v>>16 + v&math.MaxUint16
	}
	return uint16(v)
}

func (a *assembled) write(w io.Writer) error {
	if _, err := w.Write(a.headers); err != nil {
		return err
	}
	var zeros [pageSize]byte
	for _, p := range a.sections {
		for _, d := range p.data {
			if _, err := w.Write(d); err != nil {
				return err
			}
		}
		if _, err := w.Write(zeros[:p.pad]); err != nil {
			return err
		}
	}
	return nil
}
