package modules

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// testModule is a kernel module made by a test: enough ELF for depmod and us.
type testModule struct {
	info    []string // "key=value" records of .modinfo
	exports []string
	imports []string
}

// elf renders the module as a relocatable x86-64 object with .modinfo,
// __ksymtab_strings and a symbol table.
func (m testModule) elf() []byte {
	le := binary.LittleEndian
	strtab := []byte{0}
	name := func(s string) uint32 {
		at := uint32(len(strtab))
		strtab = append(append(strtab, s...), 0)
		return at
	}
	const infoSection, ksymSection = 1, 2
	var symtab bytes.Buffer
	symtab.Write(make([]byte, 24))
	symbol := func(s string, section uint16, at uint64) {
		var e [24]byte
		le.PutUint32(e[0:], name(s))
		e[4] = 1 << 4 // global
		le.PutUint16(e[6:], section)
		le.PutUint64(e[8:], at)
		symtab.Write(e[:])
	}
	ksym := []byte{}
	for _, s := range m.exports {
		symbol("__ksymtab_"+s, ksymSection, uint64(len(ksym)))
		symbol("__crc_"+s, ksymSection, 0)
		symbol(s, ksymSection, 0)
		ksym = append(append(ksym, s...), 0)
	}
	for _, s := range m.imports {
		symbol(s, 0, 0)
	}
	names := []string{"", ".modinfo", "__ksymtab_strings", ".symtab", ".strtab", ".shstrtab"}
	shstr := []byte(strings.Join(names, "\x00") + "\x00")
	info := []byte(strings.Join(m.info, "\x00") + "\x00")
	bodies := [][]byte{nil, info, ksym, symtab.Bytes(), strtab, shstr}
	kinds := []uint32{0, 1, 1, 2, 3, 3}

	out := make([]byte, 64)
	copy(out, "\x7fELF\x02\x01\x01")
	le.PutUint16(out[16:], 1)  // relocatable
	le.PutUint16(out[18:], 62) // x86-64
	le.PutUint32(out[20:], 1)
	le.PutUint16(out[52:], 64)
	le.PutUint16(out[58:], 64)
	le.PutUint16(out[60:], uint16(len(names)))
	le.PutUint16(out[62:], uint16(len(names)-1))
	headers := make([]byte, 0, 64*len(names))
	at := uint32(0)
	for i, b := range bodies {
		var h [64]byte
		for len(out)%8 != 0 {
			out = append(out, 0)
		}
		le.PutUint32(h[0:], at)
		le.PutUint32(h[4:], kinds[i])
		le.PutUint64(h[24:], uint64(len(out)))
		le.PutUint64(h[32:], uint64(len(b)))
		le.PutUint64(h[48:], 8)
		if i == 3 {
			le.PutUint32(h[40:], 4) // its strings
			le.PutUint32(h[44:], 1)
			le.PutUint64(h[56:], 24)
		}
		if i == 0 {
			h = [64]byte{}
		}
		headers = append(headers, h[:]...)
		at += uint32(len(names[i])) + 1
		out = append(out, b...)
	}
	for len(out)%8 != 0 {
		out = append(out, 0)
	}
	le.PutUint64(out[40:], uint64(len(out)))
	return append(out, headers...)
}

// testKernel is a small kernel package: aliases with brackets and dashes, soft
// dependencies, a diamond of hard ones, built-in modules.
func testKernel() map[string][]byte {
	files := map[string][]byte{
		"modules.builtin":         []byte("kernel/fs/ext4/ext4.ko\nkernel/crypto/crc32c-generic.ko\n"),
		"modules.builtin.modinfo": []byte("ext4.alias=fs-ext4\x00ext4.license=GPL\x00crc32c_generic.alias=crypto-crc32c\x00"),
	}
	var order strings.Builder
	add := func(p string, m testModule) {
		files[p] = m.elf()
		fmt.Fprintln(&order, p)
	}
	add("kernel/lib/base.ko", testModule{info: []string{"license=GPL"}, exports: []string{"base_get", "base_put"}})
	add("kernel/net/left-side.ko", testModule{info: []string{"depends=base", "alias=net-pf-16-proto-12"}, exports: []string{"left"}, imports: []string{"base_get"}})
	add("kernel/net/right_side.ko", testModule{info: []string{"depends=base", "alias=pci:v00001AF4d*sv*[0-9a-f-]", "softdep=pre: base post: not-there"}, exports: []string{"right"}, imports: []string{"base_put"}})
	add("kernel/net/top.ko", testModule{info: []string{"depends=left-side,right_side", "alias=virtio:d00000001v*", "alias=net-top"}, imports: []string{"left", "right"}})
	add("kernel/fs/fuse.ko", testModule{info: []string{"alias=devname:fuse", "alias=char-major-10-229", "alias=fs-fuse", "softdep=pre: top"}})
	files["modules.order"] = []byte(order.String())
	return files
}
