package modules

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// maxModule bounds an unpacked module; the largest drivers are a few megabytes.
const maxModule = 64 << 20

// parse reads a packed module.
func parse(name, p string, packed []byte) (*Module, error) {
	raw, err := unpack(p, packed)
	if err != nil {
		return nil, err
	}
	f, err := elf.NewFile(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing is open behind a bytes.Reader
	s := f.Section(".modinfo")
	if s == nil {
		return nil, fmt.Errorf("no .modinfo section")
	}
	info, err := s.Data()
	if err != nil {
		return nil, fmt.Errorf(".modinfo: %w", err)
	}
	m := &Module{Name: name, Path: p, Data: packed}
	m.modinfo(info)
	syms, err := f.Symbols()
	if err != nil && len(raw) > 0 && f.Section(".symtab") != nil {
		return nil, fmt.Errorf("symbol table: %w", err)
	}
	for _, sym := range syms {
		if n, ok := strings.CutPrefix(sym.Name, "__ksymtab_"); ok && sym.Section != elf.SHN_UNDEF {
			m.Exports = append(m.Exports, n)
		}
	}
	slices.Sort(m.Exports)
	m.Exports = slices.Compact(m.Exports)
	return m, nil
}

// modinfo reads NUL-separated key=value records.
func (m *Module) modinfo(b []byte) {
	for rec := range bytes.SplitSeq(b, []byte{0}) {
		k, v, ok := strings.Cut(string(rec), "=")
		if !ok {
			continue
		}
		switch k {
		case "depends":
			for d := range strings.SplitSeq(v, ",") {
				if d != "" {
					m.Depends = append(m.Depends, underscores(d))
				}
			}
		case "softdep":
			m.Soft = append(m.Soft, v)
		case "weakdep":
			m.Weak = append(m.Weak, v)
		case "firmware":
			m.Firmware = append(m.Firmware, v)
		case "alias":
			m.Aliases = append(m.Aliases, v)
		}
	}
	m.DevName = devName(m.Aliases)
}

// devName finds the static device node a module announces: a "devname:" alias
// together with its char-major or block-major one.
func devName(aliases []string) string {
	name, kind := "", ""
	var major, minor uint
	for _, a := range aliases {
		if n, ok := strings.CutPrefix(a, "devname:"); ok {
			name = n
			continue
		}
		for _, k := range []string{"char", "block"} {
			var x, y uint
			if n, _ := fmt.Sscanf(a, k+"-major-%d-%d", &x, &y); n == 2 {
				kind, major, minor = k[:1], x, y
			}
		}
	}
	if name == "" || kind == "" {
		return ""
	}
	return fmt.Sprintf("%s %s%d:%d", name, kind, major, minor)
}

func unpack(p string, packed []byte) ([]byte, error) {
	var r io.Reader = bytes.NewReader(packed)
	switch {
	case strings.HasSuffix(p, ".xz"):
		x, err := xz.NewReader(r)
		if err != nil {
			return nil, err
		}
		r = x
	case strings.HasSuffix(p, ".zst"):
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxModule))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		r = z
	case strings.HasSuffix(p, ".gz"):
		g, err := gzip.NewReader(r)
		if err != nil {
			return nil, err
		}
		r = g
	}
	raw, err := io.ReadAll(io.LimitReader(r, maxModule+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxModule {
		return nil, fmt.Errorf("unpacks to more than %d bytes", maxModule)
	}
	return raw, nil
}
