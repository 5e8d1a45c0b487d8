package persist

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// Call is what is kept of one call. Times are nanoseconds since 1970.
type Call struct {
	Key      uint64 // by which the table of calls finds it
	Began    int64
	Answered int64
	Source   netip.Addr // its INVITE came from
	Listener uint16     // index of the one it came in by
	Places   []uint16   // indexes of the destinations it is at
	Record   []byte     // of package record; empty: none
	Dialog   []byte     // of package dialog; empty: none
}

var errShort = errors.New("a kept call is not whole")

// AppendTo appends the call as bytes.
func (c *Call) AppendTo(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, c.Key)
	b = binary.LittleEndian.AppendUint64(b, uint64(c.Began))
	b = binary.LittleEndian.AppendUint64(b, uint64(c.Answered))
	a := c.Source.As16()
	b = append(b, a[:]...)
	b = binary.LittleEndian.AppendUint16(b, c.Listener)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(c.Places)))
	for _, p := range c.Places {
		b = binary.LittleEndian.AppendUint16(b, p)
	}
	for _, x := range [][]byte{c.Record, c.Dialog} {
		b = append(binary.LittleEndian.AppendUint32(b, uint32(len(x))), x...)
	}
	return b
}

// ParseCall reads what AppendTo wrote. The result refers to b.
func ParseCall(b []byte) (Call, error) {
	var c Call
	take := func(n int) []byte {
		if n > len(b) {
			b = nil
			return nil
		}
		x := b[:n:n]
		b = b[n:]
		return x
	}
	head := take(8 + 8 + 8 + 16 + 2 + 2)
	if head == nil {
		return c, errShort
	}
	c.Key = binary.LittleEndian.Uint64(head)
	c.Began, c.Answered = int64(binary.LittleEndian.Uint64(head[8:])), int64(binary.LittleEndian.Uint64(head[16:]))
	c.Source = netip.AddrFrom16([16]byte(head[24:40])).Unmap()
	c.Listener = binary.LittleEndian.Uint16(head[40:])
	places := take(2 * int(binary.LittleEndian.Uint16(head[42:])))
	if places == nil && binary.LittleEndian.Uint16(head[42:]) != 0 {
		return c, errShort
	}
	for i := 0; i < len(places); i += 2 {
		c.Places = append(c.Places, binary.LittleEndian.Uint16(places[i:]))
	}
	for _, x := range []*[]byte{&c.Record, &c.Dialog} {
		n := take(4)
		if n == nil {
			return c, errShort
		}
		size := binary.LittleEndian.Uint32(n)
		if uint64(size) > uint64(len(b)) {
			return c, errShort
		}
		*x = take(int(size))
	}
	if len(b) != 0 {
		return c, errShort
	}
	return c, nil
}
