package modules

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// The index file of kmod (libkmod-index.c): a trie over 7-bit keys, children
// before their parents, all numbers big endian.
//
//	magic, version, offset of the root node
//	node: [prefix NUL] [first last child offsets...] [count, {priority, value NUL}...]
//
// The upper bits of a node's offset say which of the three parts it has.
const (
	indexMagic   = 0xB007F457
	indexVersion = 2<<16 | 1

	hasPrefix   = 0x80000000
	hasValues   = 0x40000000
	hasChildren = 0x20000000
	offsetMask  = 0x0FFFFFFF

	maxKeyByte = 127
)

// index collects key -> values and writes the file.
type index struct {
	root *trie
}

type trie struct {
	prefix   string
	children map[byte]*trie
	values   []value
}

type value struct {
	priority uint32
	text     string
}

func newIndex() *index { return &index{root: &trie{}} }

// add inserts a value. Of several under one key, the lower priority comes first;
// of equal ones the first added.
func (x *index) add(key, text string, priority int) error {
	for i := range len(key) {
		if key[i] == 0 || key[i] > maxKeyByte {
			return fmt.Errorf("key %q: only 7-bit characters can be indexed", key)
		}
	}
	n := x.root
	for {
		common := 0
		for common < len(n.prefix) && common < len(key) && n.prefix[common] == key[common] {
			common++
		}
		if common < len(n.prefix) { // split: the node's rest becomes its only child
			child := &trie{prefix: n.prefix[common+1:], children: n.children, values: n.values}
			*n = trie{prefix: n.prefix[:common], children: map[byte]*trie{n.prefix[common]: child}}
		}
		key = key[common:]
		if key == "" {
			break
		}
		c := key[0]
		key = key[1:]
		next := n.children[c]
		if next == nil {
			next = &trie{prefix: key}
			if n.children == nil {
				n.children = map[byte]*trie{}
			}
			n.children[c] = next
			n = next
			break
		}
		n = next
	}
	at := len(n.values)
	for at > 0 && n.values[at-1].priority > uint32(priority) {
		at--
	}
	n.values = slices.Insert(n.values, at, value{uint32(priority), text})
	return nil
}

// bytes renders the index.
func (x *index) bytes() ([]byte, error) {
	b := binary.BigEndian.AppendUint32(nil, indexMagic)
	b = binary.BigEndian.AppendUint32(b, indexVersion)
	b = binary.BigEndian.AppendUint32(b, 0) // the root's offset, known last
	b, root := x.root.append(b)
	if len(b) > offsetMask {
		return nil, fmt.Errorf("index of %d bytes is larger than its format allows", len(b))
	}
	binary.BigEndian.PutUint32(b[8:], root)
	return b, nil
}

func (n *trie) append(b []byte) ([]byte, uint32) {
	var first, last byte = maxKeyByte, 0
	for c := range n.children {
		first, last = min(first, c), max(last, c)
	}
	var offsets []uint32
	if len(n.children) > 0 {
		for c := int(first); c <= int(last); c++ {
			var off uint32
			if child := n.children[byte(c)]; child != nil {
				b, off = child.append(b)
			}
			offsets = append(offsets, off)
		}
	}
	at := uint32(len(b))
	if n.prefix != "" {
		at |= hasPrefix
		b = append(append(b, n.prefix...), 0)
	}
	if len(offsets) > 0 {
		at |= hasChildren
		b = append(b, first, last)
		for _, o := range offsets {
			b = binary.BigEndian.AppendUint32(b, o)
		}
	}
	if len(n.values) > 0 {
		at |= hasValues
		b = binary.BigEndian.AppendUint32(b, uint32(len(n.values)))
		for _, v := range n.values {
			b = binary.BigEndian.AppendUint32(b, v.priority)
			b = append(append(b, v.text...), 0)
		}
	}
	return b, at
}
