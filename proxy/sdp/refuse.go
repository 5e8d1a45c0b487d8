package sdp

import "bytes"

// AppendRefused appends the description in b with the port of every stream 0, which refuses
// it (RFC 3264 section 6), and without ICE candidates. What it cannot read it leaves out: then
// no address of a stream is left, either.
func AppendRefused(dst, b []byte) []byte {
	for len(b) > 0 {
		n := lineEnd(b, 0)
		line := b[:n]
		b = b[n:]
		switch {
		case bytes.HasPrefix(line, []byte("a=candidate:")), bytes.HasPrefix(line, []byte("a=rtcp:")):
		case bytes.HasPrefix(line, []byte("m=")):
			kind := bytes.IndexByte(line, ' ')
			if kind < 0 {
				continue
			}
			port := kind + 1
			for port < len(line) && (line[port] >= '0' && line[port] <= '9' || line[port] == '/') {
				port++
			}
			dst = append(dst, line[:kind+1]...)
			dst = append(dst, '0')
			dst = append(dst, line[port:]...)
		default:
			dst = append(dst, line...)
		}
	}
	return dst
}
