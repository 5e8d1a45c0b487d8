package stream

import "sync"

// Sizes of read buffers. A connection at rest holds the smallest; larger ones are
// borrowed for the messages that need them.
const (
	smallBlock = 4 << 10
	numBlocks  = 6 // 4, 8, 16, 32, 64 and 128 KiB
)

type block struct {
	b     []byte
	class int
}

var blocks [numBlocks]sync.Pool

// takeBlock borrows at least size bytes.
func takeBlock(size int) *block {
	class := 0
	for class < numBlocks-1 && smallBlock<<class < size {
		class++
	}
	if n := smallBlock << class; n >= size {
		if b, ok := blocks[class].Get().(*block); ok {
			return b
		}
		return &block{b: make([]byte, n), class: class}
	}
	return &block{b: make([]byte, size), class: -1} // larger than any kept
}

func (b *block) give() {
	if b.class >= 0 {
		blocks[b.class].Put(b)
	}
}

// buffer is bytes read and not yet handed out: those from r to w of its block.
type buffer struct {
	block *block
	r, w  int
}

func (b *buffer) len() int { return b.w - b.r }

func (b *buffer) at(i int) byte { return b.block.b[i] }

func (b *buffer) bytes() []byte {
	if b.block == nil {
		return nil
	}
	return b.block.b[b.r:b.w]
}

// take hands out the first n bytes.
func (b *buffer) take(n int) []byte {
	p := b.block.b[b.r : b.r+n : b.r+n]
	b.r += n
	return p
}

// space makes room to read to, at least one byte, and all of a message of size bytes of
// which the buffer holds the beginning.
func (b *buffer) space(size int) []byte {
	if b.block == nil {
		b.block = takeBlock(size)
	}
	held := b.len()
	if held == 0 {
		b.r, b.w = 0, 0
		if b.block.class != 0 && size <= smallBlock {
			b.replace(smallBlock)
		}
	}
	need := max(size, held+1)
	switch {
	case need > len(b.block.b):
		b.replace(need)
	case len(b.block.b)-b.r < need || b.w == len(b.block.b):
		copy(b.block.b, b.block.b[b.r:b.w])
		b.r, b.w = 0, held
	}
	return b.block.b[b.w:]
}

// replace moves what is held into a block of at least size bytes.
func (b *buffer) replace(size int) {
	to := takeBlock(size)
	n := copy(to.b, b.block.b[b.r:b.w])
	b.block.give()
	b.block, b.r, b.w = to, 0, n
}

func (b *buffer) release() {
	if b.block != nil {
		b.block.give()
		b.block = nil
	}
	b.r, b.w = 0, 0
}
