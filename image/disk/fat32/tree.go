package fat32

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
)

// node is a file or directory. Children keep the order in which they came.
type node struct {
	name     string
	dir      bool
	data     []byte
	children []*node
	parent   *node
	cluster  uint32 // first cluster; 0 for an empty file
	short    [11]byte
}

const (
	entrySize    = 32
	attrLabel    = 0x08
	attrDir      = 0x10
	attrArchive  = 0x20
	attrLongName = 0x0f
	charsPerLong = 13
	epochDate    = 1<<5 | 1 // 1 January 1980, the first day FAT can express
)

// buildTree checks the paths and makes the directories they need.
func buildTree(files []File) (*node, error) {
	root := &node{dir: true}
	for _, f := range files {
		if !strings.HasPrefix(f.Path, "/") {
			return nil, fmt.Errorf("path %q is not absolute", f.Path)
		}
		if uint64(len(f.Data)) > 0xffffffff {
			return nil, fmt.Errorf("%s is above 4 GiB, the limit of FAT", f.Path)
		}
		at := root
		names := strings.Split(f.Path[1:], "/")
		for i, name := range names {
			if err := checkName(name); err != nil {
				return nil, fmt.Errorf("path %q: %w", f.Path, err)
			}
			last := i == len(names)-1
			child := at.child(name)
			switch {
			case child == nil:
				child = &node{name: name, dir: !last, parent: at}
				if err := at.add(child); err != nil {
					return nil, fmt.Errorf("path %q: %w", f.Path, err)
				}
			case last || !child.dir:
				return nil, fmt.Errorf("path %q: the name is taken", f.Path)
			}
			if last {
				child.data = f.Data
			}
			at = child
		}
	}
	return root, nil
}

// checkName allows what needs no code page: printable ASCII minus the characters
// VFAT reserves.
func checkName(name string) error {
	if name == "" || name == "." || name == ".." {
		return fmt.Errorf("name %q is not usable", name)
	}
	if len(name) > 255 {
		return errors.New("a name is longer than 255 characters")
	}
	for _, c := range []byte(name) {
		if c < 0x20 || c > 0x7e || strings.IndexByte(`"*/:<>?\|`, c) >= 0 {
			return fmt.Errorf("name %q holds a character FAT does not take", name)
		}
	}
	if strings.TrimRight(name, " .") != name || name[0] == ' ' {
		return fmt.Errorf("name %q begins or ends with a space or ends with a dot", name)
	}
	return nil
}

// child finds a name the way FAT does: without regard to case.
func (n *node) child(name string) *node {
	for _, c := range n.children {
		if strings.EqualFold(c.name, name) {
			return c
		}
	}
	return nil
}

// add gives c its short name and appends it.
func (n *node) add(c *node) error {
	base, exact := shortName(c.name)
	for tail := 1; ; tail++ {
		c.short = base
		if !exact {
			if tail > 999999 {
				return fmt.Errorf("no short name left for %q", c.name)
			}
			suffix := fmt.Sprintf("~%d", tail)
			stem := strings.TrimRight(string(base[:8]), " ")
			stem = stem[:min(len(stem), 8-len(suffix))]
			copy(c.short[:8], fmt.Sprintf("%-8s", stem+suffix))
		}
		if !n.shortTaken(c.short) {
			break
		}
		exact = false
	}
	n.children = append(n.children, c)
	return nil
}

func (n *node) shortTaken(short [11]byte) bool {
	for _, c := range n.children {
		if c.short == short {
			return true
		}
	}
	return false
}

// shortName derives the 8.3 name; exact says that nothing but the case of
// letters was lost.
func shortName(name string) (short [11]byte, exact bool) {
	copy(short[:], "           ")
	stem, ext := name, ""
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		stem, ext = name[:i], name[i+1:]
	}
	exact = true
	fill := func(dst []byte, s string) {
		at := 0
		for _, c := range []byte(strings.ToUpper(s)) {
			valid := c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("$%'-_@~`!(){}^#&", c) >= 0
			if !valid || at == len(dst) {
				exact = false
			}
			switch {
			case c == ' ' || c == '.' || at == len(dst):
				continue
			case !valid:
				c = '_'
			}
			dst[at] = c
			at++
		}
	}
	fill(short[:8], stem)
	fill(short[8:], ext)
	if short[0] == ' ' {
		short[0], exact = '_', false
	}
	return short, exact
}

// allocate gives every node its clusters: directories first, so that they lie
// together, then files in order.
func allocate(root *node, fat *table) error {
	var files []*node
	var walk func(n *node) error
	walk = func(n *node) error {
		first, err := fat.take(clusters(n.entryCount() * entrySize))
		if err != nil {
			return err
		}
		n.cluster = first
		for _, c := range n.children {
			if !c.dir {
				files = append(files, c)
			} else if err := walk(c); err != nil {
				return err
			}
		}
		return nil
	}
	if err := walk(root); err != nil {
		return err
	}
	for _, f := range files {
		if len(f.data) == 0 {
			continue
		}
		first, err := fat.take(clusters(len(f.data)))
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		f.cluster = first
	}
	return nil
}

func clusters(bytes int) uint32 { return uint32((bytes + ClusterSize - 1) / ClusterSize) }

// entryCount is the number of 32-byte entries of a directory: label or dot
// entries, and per child its long name and itself.
func (n *node) entryCount() int {
	count := 1
	if n.parent != nil {
		count = 2
	}
	for _, c := range n.children {
		count += 1 + longEntries(c.name)
	}
	return count
}

func longEntries(name string) int { return (len(name) + charsPerLong - 1) / charsPerLong }

// writeTree writes directories and file contents.
func writeTree(n *node, label string, put func(uint32, []byte) error) error {
	b := make([]byte, 0, n.entryCount()*entrySize)
	if n.parent == nil {
		var l [11]byte
		copy(l[:], fmt.Sprintf("%-11s", label))
		b = appendEntry(b, l, attrLabel, 0, 0)
	} else {
		var dot, dotdot [11]byte
		copy(dot[:], ".          ")
		copy(dotdot[:], "..         ")
		up := n.parent.cluster
		if n.parent.parent == nil {
			up = 0 // the root is written as 0 in ".."
		}
		b = appendEntry(b, dot, attrDir, n.cluster, 0)
		b = appendEntry(b, dotdot, attrDir, up, 0)
	}
	for _, c := range n.children {
		attr := byte(attrArchive)
		if c.dir {
			attr = attrDir
		}
		b = appendLongName(b, c)
		b = appendEntry(b, c.short, attr, c.cluster, uint32(len(c.data)))
	}
	if err := put(n.cluster, b); err != nil {
		return fmt.Errorf("fat32: directory %q: %w", n.name, err)
	}
	for _, c := range n.children {
		if c.dir {
			if err := writeTree(c, label, put); err != nil {
				return err
			}
		} else if len(c.data) > 0 {
			if err := put(c.cluster, c.data); err != nil {
				return fmt.Errorf("fat32: file %q: %w", c.name, err)
			}
		}
	}
	return nil
}

func appendEntry(b []byte, short [11]byte, attr byte, cluster, size uint32) []byte {
	var e [entrySize]byte
	copy(e[:], short[:])
	e[11] = attr
	le.PutUint16(e[16:], epochDate) // created
	le.PutUint16(e[18:], epochDate) // last accessed
	le.PutUint16(e[20:], uint16(cluster>>16))
	le.PutUint16(e[24:], epochDate) // last written
	le.PutUint16(e[26:], uint16(cluster))
	le.PutUint32(e[28:], size)
	return append(b, e[:]...)
}

// appendLongName writes the VFAT entries, last part of the name first.
func appendLongName(b []byte, c *node) []byte {
	var sum byte
	for _, s := range c.short {
		sum = sum>>1 | sum<<7
		sum += s
	}
	units := utf16.Encode([]rune(c.name))
	count := longEntries(c.name)
	if pad := count*charsPerLong - len(units); pad > 0 {
		units = append(units, 0)
		for range pad - 1 {
			units = append(units, 0xffff)
		}
	}
	slots := [charsPerLong]int{1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30}
	for i := count; i >= 1; i-- {
		var e [entrySize]byte
		e[0] = byte(i)
		if i == count {
			e[0] |= 0x40
		}
		e[11], e[13] = attrLongName, sum
		for j, at := range slots {
			le.PutUint16(e[at:], units[(i-1)*charsPerLong+j])
		}
		b = append(b, e[:]...)
	}
	return b
}
