package message

// parseAddress reads the name-addr or addr-spec at b[i:end] and its parameters
// (RFC 3261 20.10). In a list a comma ends the value; next is then where the
// following one starts, else -1. A From display name may hold stray commas, as
// RFC 4475 3.1.2.15 suggests to let pass; a second tag is refused.
func parseAddress(b []byte, i, end int, list bool) (a Address, next int, ok bool) {
	start := i
	next = -1
	a.Value = span(start, trimLWS(b, start, end))
	bracket := -1
scan:
	for j := i; j < end; j++ {
		switch b[j] {
		case '"':
			if j = skipQuoted(b, j, end); j < 0 {
				return a, next, false
			}
			j--
		case '<':
			bracket = j
			break scan
		case ';':
			break scan
		case ',':
			if list {
				break scan
			}
		}
	}
	if bracket >= 0 {
		from := skipLWS(b, bracket+1, end)
		for i = from; i < end && b[i] != '>'; i++ {
		}
		if i == end {
			return a, next, false
		}
		a.URI = span(from, trimLWS(b, from, i))
		i++
	} else {
		for ; i < end && b[i] != ';' && (!list || b[i] != ',') && class[b[i]]&classLWS == 0; i++ {
		}
		a.URI = span(start, i)
	}
	if a.URI.Empty() {
		return a, next, false
	}
	last := i
	i = skipLWS(b, i, end)
	for i < end {
		if list && b[i] == ',' {
			a.Value = span(start, last)
			next = skipLWS(b, i+1, end)
			return a, next, next < end
		}
		p, to, good := scanParam(b, i, end)
		if !good {
			return a, next, false
		}
		if equalFold(b[p.name.Start:p.name.End], "tag") {
			if !a.Tag.Empty() {
				return a, next, false
			}
			a.Tag = p.value
		}
		last, i = p.end, to
	}
	a.Value = span(start, last)
	return a, next, true
}
