package image

import "sync"

// Memory keeps what several builds of one process have in common: the base layer,
// read and checked once, and the programs. It may be used by builds at once.
type Memory struct {
	mu       sync.Mutex
	base     *layer
	programs map[string][]byte
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

func (m *Memory) keep(l *layer) {
	if m != nil && l != nil {
		m.mu.Lock()
		m.base = l
		m.mu.Unlock()
	}
}

// program is program, once for each file.
func (m *Memory) program(what, name string) ([]byte, error) {
	if m == nil {
		return program(what, name)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if b := m.programs[name]; b != nil {
		return b, nil
	}
	b, err := program(what, name)
	if err == nil {
		if m.programs == nil {
			m.programs = map[string][]byte{}
		}
		m.programs[name] = b
	}
	return b, err
}
