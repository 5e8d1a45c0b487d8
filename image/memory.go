package image

import (
	"bytes"
	"sync"

	"trunkline/image/multibuffer"
)

// Memory keeps what several builds of one process have in common: the base layer,
// read and checked once, the programs, and the vectors of the processor, which hash what
// all of them make. It may be used by builds at once.
type Memory struct {
	mu       sync.Mutex
	base     *layer
	turns    map[string]*sync.Mutex // of those that read or make a base layer, by digest
	programs map[string]executable
	sums     multibuffer.Pool
	buffers  []*bytes.Buffer // of images that are written
}

// hasher is nil without a memory: then each sum is computed for itself.
func (m *Memory) hasher() *multibuffer.Pool {
	if m == nil {
		return nil
	}
	return &m.sums
}

// layer is the base layer of that digest when it was read last; nil: another was, or
// none.
func (m *Memory) layer(digest string) *layer {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.base == nil || m.base.Digest != digest {
		return nil
	}
	return m.base
}

// turn waits until no other build reads or makes the same base layer; next ends the turn.
func (m *Memory) turn(digest string) (next func()) {
	if m == nil {
		return func() {}
	}
	m.mu.Lock()
	if m.turns == nil {
		m.turns = map[string]*sync.Mutex{}
	}
	if m.turns[digest] == nil {
		m.turns[digest] = new(sync.Mutex)
	}
	turn := m.turns[digest]
	m.mu.Unlock()
	turn.Lock()
	return turn.Unlock
}

func (m *Memory) keep(l *layer) {
	if m != nil && l != nil {
		m.mu.Lock()
		m.base = l
		m.mu.Unlock()
	}
}

// program is program, once for each file.
func (m *Memory) program(what, name string) (executable, error) {
	if m == nil {
		return program(what, name)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if b, ok := m.programs[name]; ok {
		return b, nil
	}
	b, err := program(what, name)
	if err == nil {
		if m.programs == nil {
			m.programs = map[string]executable{}
		}
		m.programs[name] = b
	}
	return b, err
}

// buffer is one for an image of n bytes, which free gives back.
func (m *Memory) buffer(n int) *bytes.Buffer {
	if m != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		if last := len(m.buffers) - 1; last >= 0 {
			b := m.buffers[last]
			m.buffers = m.buffers[:last]
			b.Grow(n)
			return b
		}
	}
	return bytes.NewBuffer(make([]byte, 0, n))
}

// free takes a buffer that nobody reads any more.
func (m *Memory) free(b *bytes.Buffer) {
	if m == nil {
		return
	}
	b.Reset()
	m.mu.Lock()
	m.buffers = append(m.buffers, b)
	m.mu.Unlock()
}
