package message

// MaxSize is the largest message taken, in bytes. A UDP datagram over IPv4 or
// IPv6 never holds more.
const MaxSize = 65535

// MaxHeaders is the largest number of header lines taken.
const MaxHeaders = 256

// Span is a part of a message: offsets from its first byte, End exclusive. The
// zero Span is empty and means "not there".
type Span struct{ Start, End uint16 }

// Empty reports whether the span holds no bytes.
func (s Span) Empty() bool { return s.Start >= s.End }

// Len is the number of bytes in the span.
func (s Span) Len() int { return int(s.End) - int(s.Start) }

func span(start, end int) Span { return Span{uint16(start), uint16(end)} }
