package dialog

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"trunkline/proxy/transaction"
)

// A text begins with figures: the lengths of its nine parts, and two endpoints. The parts follow
// in the order of Text.
const (
	numParts     = 9
	endpointSize = 16 + 2 + 2 + 4
	headSize     = 2*numParts + 2*endpointSize
)

// parts are the parts of a text in their order.
func (x *Text) parts() [numParts]*[]byte {
	a, b := &x.Parties[Caller], &x.Parties[Callee]
	return [...]*[]byte{&x.CallID, &a.URI, &a.Tag, &a.Target, &a.Routes, &b.URI, &b.Tag, &b.Target, &b.Routes}
}

// sound reports whether a text can stand in a request: there is a Call-ID, each side has a URI and
// a target, and nothing holds white space or what would end a URI early.
func (x *Text) sound() bool {
	a, b := &x.Parties[Caller], &x.Parties[Callee]
	for _, p := range x.parts() {
		uri := p != &x.CallID && p != &a.Routes && p != &b.Routes && p != &a.Tag && p != &b.Tag
		if uri && len(*p) == 0 {
			return false
		}
		for _, c := range *p {
			if c <= ' ' || c == 0x7f || uri && (c == '<' || c == '>') {
				return false
			}
		}
	}
	return len(x.CallID) > 0
}

// write writes a text into free blocks.
func (s *shard) write(x *Text) (first uint32, ok bool) {
	var head [headSize]byte
	size := headSize
	for i, p := range x.parts() {
		if len(*p) > MaxText {
			return 0, false
		}
		binary.LittleEndian.PutUint16(head[2*i:], uint16(len(*p)))
		size += len(*p)
	}
	if size > MaxText {
		return 0, false
	}
	for i := range x.Parties {
		putEndpoint(head[2*numParts+i*endpointSize:], x.Parties[i].At)
	}
	if first, ok = s.take((size + blockText - 1) / blockText); !ok {
		return 0, false
	}
	w := writer{s: s, block: first}
	w.write(head[:])
	for _, p := range x.parts() {
		w.write(*p)
	}
	return first, true
}

// writer writes along a chain.
type writer struct {
	s     *shard
	block uint32
	at    int
}

func (w *writer) write(b []byte) {
	for len(b) > 0 {
		if w.at == blockText {
			w.block, w.at = w.s.blocks[w.block-1].next, 0
		}
		n := copy(w.s.blocks[w.block-1].text[w.at:], b)
		w.at += n
		b = b[n:]
	}
}

// decode reads the text of a chain into scratch, which x refers to then and which is returned. Both may
// be nil: then it is only looked at. It reports false for what is no text.
func (s *shard) decode(first uint32, x *Text, scratch []byte) ([]byte, bool) {
	var head [headSize]byte
	copy(head[:], s.blocks[first-1].text[:])
	size := 0
	for i := range numParts {
		size += int(binary.LittleEndian.Uint16(head[2*i:]))
	}
	blocks := 0
	for i := first; i != 0; i = s.blocks[i-1].next {
		blocks++
	}
	if (headSize+size+blockText-1)/blockText != blocks {
		return scratch, false
	}
	if x == nil {
		return scratch, true
	}
	from := len(scratch)
	for i, left := first, headSize+size; i != 0; i = s.blocks[i-1].next {
		n := min(left, blockText)
		scratch = append(scratch, s.blocks[i-1].text[:n]...)
		left -= n
	}
	rest := scratch[from+headSize:]
	for i, p := range x.parts() {
		n := int(binary.LittleEndian.Uint16(head[2*i:]))
		*p, rest = rest[:n:n], rest[n:]
	}
	for i := range x.Parties {
		x.Parties[i].At = endpoint(head[2*numParts+i*endpointSize:])
	}
	return scratch, true
}

// Get reads the text of a row. It is appended to scratch, which x refers to then and which is
// returned; MaxText is room enough. It reports false where nothing is kept.
func (t *Table) Get(row int, x *Text, scratch []byte) ([]byte, bool) {
	s, r := t.at(row)
	first := r.text.Load()
	if first == 0 {
		return scratch, false
	}
	return s.decode(first, x, scratch)
}

// Equal reports whether two texts say the same.
func (x *Text) Equal(y *Text) bool {
	a, b := x.parts(), y.parts()
	for i := range a {
		if !bytes.Equal(*a[i], *b[i]) {
			return false
		}
	}
	return x.Parties[Caller].At == y.Parties[Caller].At && x.Parties[Callee].At == y.Parties[Callee].At
}

// Bytes of an endpoint: address, port, listener, connection, and whether it is reliable in the
// highest bit of the connection.
const reliable = 1 << 31

func putEndpoint(b []byte, e transaction.Endpoint) {
	ip := e.AddrPort().Addr().As16()
	copy(b, ip[:])
	binary.LittleEndian.PutUint16(b[16:], e.AddrPort().Port())
	binary.LittleEndian.PutUint16(b[18:], e.Listener)
	flow := e.Flow()
	if e.Reliable {
		flow |= reliable
	}
	binary.LittleEndian.PutUint32(b[20:], flow)
}

// endFlows marks the connections of a text as ended.
func (s *shard) endFlows(first uint32) {
	head := s.blocks[first-1].text[2*numParts : headSize]
	for b := head; len(b) > 0; b = b[endpointSize:] {
		if e := endpoint(b); e.Flow() != 0 {
			putEndpoint(b, e.WithFlow(transaction.GoneFlow))
		}
	}
}

func endpoint(b []byte) transaction.Endpoint {
	a := netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[:16])).Unmap(), binary.LittleEndian.Uint16(b[16:]))
	flow := binary.LittleEndian.Uint32(b[20:])
	e := transaction.MakeEndpoint(a, int(binary.LittleEndian.Uint16(b[18:]))).WithFlow(flow &^ reliable)
	e.Reliable = flow&reliable != 0
	return e
}
