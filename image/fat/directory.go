package fat

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf16"
)

// Entry is a file or a directory of a volume.
type Entry struct {
	Name string // the long name where there is a whole one, else the short one
	Dir  bool
	Size int64 // of a file, bytes

	first uint32
}

// File is a file of a volume.
type File struct {
	Path string // "EFI/Linux/edge-fra1_1.4.2.efi"
	Data []byte
}

const (
	attrLabel = 0x08
	attrDir   = 0x10
	attrLong  = 0x0f
	attrMask  = 0x3f

	lastLong    = 0x40 // mark of the piece of a long name that comes first
	unitsOfLong = 13   // UTF-16 units of a piece
	mostLong    = 20   // pieces: names of 255 units
)

// Root is the root directory.
func (v *Volume) Root() Entry { return Entry{Name: ".", Dir: true, first: v.root} }

// ReadFile reads a file.
func (v *Volume) ReadFile(e Entry) ([]byte, error) {
	if e.Size == 0 {
		return nil, nil
	}
	return v.content(e.first, e.Size)
}

// ReadDir reads a directory, without what stands for itself and its parent, and without labels.
func (v *Volume) ReadDir(dir Entry) ([]Entry, error) {
	n, err := v.chain(dir.first, maxDir)
	if err != nil {
		return nil, err
	}
	b, err := v.content(dir.first, n)
	if err != nil {
		return nil, err
	}
	var out []Entry
	var long longName
	for ; len(b) >= entrySize && b[0] != 0; b = b[entrySize:] {
		e := b[:entrySize]
		switch {
		case e[0] == 0xe5: // deleted
			long = longName{}
			continue
		case e[11]&attrMask == attrLong:
			long.add(e)
			continue
		}
		name, whole := long.of(e)
		long = longName{}
		if !whole {
			name = shortName(e)
		}
		if e[11]&attrLabel != 0 || name == "." || name == ".." {
			continue
		}
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r == '/' || r == '\\' || unicode.IsControl(r) }) {
			return nil, fmt.Errorf("an entry has the name %q", name)
		}
		x := Entry{Name: name, Dir: e[11]&attrDir != 0, first: uint32(le.Uint16(e[20:]))<<16 | uint32(le.Uint16(e[26:]))}
		if !x.Dir {
			x.Size = int64(le.Uint32(e[28:]))
		}
		out = append(out, x)
	}
	return out, nil
}

// Files reads all files, each directory in its order.
func (v *Volume) Files() ([]File, error) {
	w := walk{v: v, left: v.size}
	if err := w.dir(v.Root(), ".", 0); err != nil {
		return nil, err
	}
	return w.files, nil
}

// walk collects the files of a volume.
type walk struct {
	v       *Volume
	files   []File
	left    int64 // bytes that files may still have: a volume holds no more than its size
	entries int
}

func (w *walk) dir(dir Entry, at string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%s: directories nested deeper than %d", at, maxDepth)
	}
	entries, err := w.v.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("directory %s: %w", at, err)
	}
	if w.entries += len(entries); w.entries > maxEntries {
		return fmt.Errorf("directory %s: more than %d files and directories so far", at, maxEntries)
	}
	for _, e := range entries {
		name := path.Join(at, e.Name)
		if e.Dir {
			if err := w.dir(e, name, depth+1); err != nil {
				return err
			}
			continue
		}
		if w.left -= e.Size; w.left < 0 {
			return fmt.Errorf("%s: %w", name, errors.New("the files up to here are larger than the volume"))
		}
		b, err := w.v.ReadFile(e)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		w.files = append(w.files, File{Path: name, Data: b})
	}
	return nil
}

// longName collects the pieces of a long name, which stand before their entry, the last first.
type longName struct {
	units []uint16
	left  int  // pieces to come
	sum   byte // checksum of the short name it belongs to
	whole bool
}

func (l *longName) add(e []byte) {
	n := int(e[0] &^ lastLong)
	if e[0]&lastLong != 0 && n >= 1 && n <= mostLong {
		*l = longName{left: n, sum: e[13], whole: true, units: make([]uint16, n*unitsOfLong)}
	}
	if !l.whole || n != l.left || e[13] != l.sum {
		*l = longName{}
		return
	}
	l.left--
	to := l.units[l.left*unitsOfLong:]
	for i := range unitsOfLong {
		at := 1 + 2*i
		switch {
		case i >= 11:
			at = 28 + 2*(i-11)
		case i >= 5:
			at = 14 + 2*(i-5)
		}
		to[i] = le.Uint16(e[at:])
	}
}

// of gives the name when all of it is there and belongs to this entry.
func (l *longName) of(e []byte) (string, bool) {
	sum := byte(0)
	for _, c := range e[:11] {
		sum = sum>>1 | sum<<7
		sum += c
	}
	if !l.whole || l.left > 0 || sum != l.sum {
		return "", false
	}
	u := l.units
	for i, x := range u {
		if x == 0 {
			u = u[:i]
			break
		}
	}
	return string(utf16.Decode(u)), true
}

// shortName is the name of 8 and 3 characters, in small letters where the entry says so (as Linux
// and Windows write it).
func shortName(e []byte) string {
	part := func(b []byte, small bool) string {
		s := strings.Map(func(r rune) rune {
			if r > unicode.MaxASCII {
				return unicode.ReplacementChar // of a code page that nobody knows
			}
			return r
		}, strings.TrimRight(string(b), " "))
		if small {
			s = strings.ToLower(s)
		}
		return s
	}
	name, ending := part(e[:8], e[12]&0x08 != 0), part(e[8:11], e[12]&0x10 != 0)
	if ending == "" {
		return name
	}
	return name + "." + ending
}
