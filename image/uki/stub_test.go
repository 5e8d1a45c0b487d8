package uki

import "bytes"

// testSection is a section of a PE image made for tests.
type testSection struct {
	name string
	data []byte
}

// buildPE makes a small but well-formed PE32+ application: 512-byte file
// alignment like systemd's stub, so that the assembler has to move everything.
func buildPE(machine uint16, headerRoom int, sections ...testSection) []byte {
	const peAt, dirs = 64, 16
	opt := optionalFixed + dirs*8
	tableAt := peAt + 4 + coffSize + opt
	headers := (tableAt + len(sections)*sectionHdrSize + 511) / 512 * 512
	raw := make([]byte, headers)
	copy(raw, "MZ")
	le.PutUint32(raw[60:], peAt)
	copy(raw[peAt:], "PE\x00\x00")
	coff := raw[peAt+4:]
	le.PutUint16(coff[coffMachine:], machine)
	le.PutUint16(coff[coffSections:], uint16(len(sections)))
	le.PutUint16(coff[coffOptionalSize:], uint16(opt))
	le.PutUint16(coff[18:], 0x0022) // executable, large addresses
	o := coff[coffSize:]
	le.PutUint16(o[optMagic:], magicPE32P)
	le.PutUint32(o[16:], uint32(headerRoom)) // entry point: the first section
	le.PutUint64(o[24:], 0x14df90000)
	le.PutUint32(o[optSectionAlign:], pageSize)
	le.PutUint32(o[optFileAlign:], 512)
	le.PutUint16(o[40:], 1)
	le.PutUint16(o[48:], 1)
	le.PutUint16(o[68:], 10) // EFI application
	le.PutUint32(o[optSizeOfHeaders:], uint32(headers))
	le.PutUint32(o[optDirectoryCount:], dirs)
	address := uint32(headerRoom)
	for i, s := range sections {
		h := header{
			name: s.name, virtualSize: uint32(len(s.data)), virtualAddress: address,
			rawSize: uint32(len(s.data)+511) / 512 * 512, rawOffset: uint32(len(raw)), characteristics: dataReadOnly,
		}
		if s.name == ".text" {
			h.characteristics = 0x60000020
		}
		h.put(raw[tableAt+i*sectionHdrSize:])
		raw = append(raw, s.data...)
		raw = append(raw, make([]byte, int(h.rawSize)-len(s.data))...)
		address += (h.virtualSize + pageSize - 1) / pageSize * pageSize
	}
	le.PutUint32(raw[peAt+4+coffSize+optSizeOfImage:], address)
	return raw
}

func testStub() []byte {
	return buildPE(machineAMD64, pageSize,
		testSection{".text", bytes.Repeat([]byte{0xc3}, 700)},
		testSection{".rodata", []byte("constants")},
		testSection{".sdmagic", []byte("#### LoaderInfo: systemd-stub 257.13-1 ####\x00")},
	)
}

func testKernel() []byte {
	return buildPE(machineAMD64, pageSize, testSection{".text", bytes.Repeat([]byte{0x90}, 5001)})
}

func testParts() Parts {
	return Parts{
		Stub: testStub(), Kernel: testKernel(),
		Initrd:  [][]byte{bytes.Repeat([]byte("a"), 4099), []byte("config")},
		Cmdline: "console=ttyS0 quiet", OSRelease: "ID=trunkline\n", Uname: "6.12.0",
	}
}
