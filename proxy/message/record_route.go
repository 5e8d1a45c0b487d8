package message

// RecordRoutes appends the values of all Record-Route lines to dst, the topmost first, without
// allocating as long as dst has room: of more than cap(dst) values, or where one cannot be read,
// it reports false. Their spans refer to the message.
func (v *View) RecordRoutes(dst []Address) ([]Address, bool) {
	if v.recordRoute == 0 {
		return dst, true
	}
	lines := LinesOf(v.buf)
	for {
		line, more := lines.Next()
		if !more {
			return dst, true
		}
		if !equalFold(v.buf[line.Start:line.NameEnd], "record-route") {
			continue
		}
		for i := line.Value; i >= 0; {
			a, next, ok := parseAddress(v.buf, i, line.Stop, true)
			if !ok || len(dst) == cap(dst) {
				return dst, false
			}
			dst = append(dst, a)
			i = next
		}
	}
}
