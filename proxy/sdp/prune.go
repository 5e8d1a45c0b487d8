package sdp

import "bytes"

// Report counts what Prune has done.
type Report struct {
	Removed int // payload types taken out
	// Left counts audio streams left as they were: none of their encodings is kept,
	// so nothing would have been left, or their m= line cannot be read.
	Left int
}

// Prune takes every encoding that is not kept out of the audio streams of the
// description in b, in place, and returns what is left: the beginning of b. A stream
// of which no encoding for speech would be left stays as it is, for the far side
// knows better than a proxy how to refuse it (488).
//
// Redundant audio (RFC 2198) goes along with any encoding that it carries.
// telephone-event and CN are kept like any other listed encoding, whatever their rate.
func (c *Codecs) Prune(b []byte) ([]byte, Report) {
	var r Report
	w, i := 0, 0
	for i < len(b) {
		end := lineEnd(b, i)
		if !audio(b[i:end]) {
			w = move(b, w, i, end)
			i = end
			continue
		}
		stop := sectionEnd(b, end)
		drop, ok := c.judge(b[i:stop], end-i)
		if !ok {
			r.Left++
			w = move(b, w, i, stop)
			i = stop
			continue
		}
		if drop == (set{}) {
			w = move(b, w, i, stop)
			i = stop
			continue
		}
		n := 0
		w, n = cutFormats(b, w, i, end, &drop)
		r.Removed += n
		for i = end; i < stop; i = end {
			end = lineEnd(b, i)
			if pt, _, _, ok := attribute(b[i:end]); ok && drop.has(pt) {
				continue
			}
			w = move(b, w, i, end)
		}
	}
	return b[:w], r
}

// lineEnd is the offset after the line that starts at b[i].
func lineEnd(b []byte, i int) int {
	if n := bytes.IndexByte(b[i:], '\n'); n >= 0 {
		return i + n + 1
	}
	return len(b)
}

// sectionEnd is where the next m= line starts at or after i.
func sectionEnd(b []byte, i int) int {
	for i < len(b) && !(i+1 < len(b) && b[i] == 'm' && b[i+1] == '=') {
		i = lineEnd(b, i)
	}
	return i
}

// audio reports whether a line is the m= line of audio over RTP: "m=audio port proto
// fmt ...", where proto is RTP/AVP or ends in a profile of RTP.
func audio(line []byte) bool {
	if !bytes.HasPrefix(line, mAudio) {
		return false
	}
	i := field(line, len(mAudio)) // port
	proto := skipSpaces(line, i)
	return bytes.Contains(line[proto:field(line, proto)], rtp)
}

var (
	mAudio = []byte("m=audio ")
	rtp    = []byte("RTP/")
)

// field is the end of the word at line[i].
func field(line []byte, i int) int {
	i = skipSpaces(line, i)
	for i < len(line) && !white(line[i]) {
		i++
	}
	return i
}

func skipSpaces(line []byte, i int) int {
	for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
		i++
	}
	return i
}

func white(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// formats is where the formats of an m= line of audio start.
func formats(line []byte) int { return field(line, field(line, len(mAudio))) }

// judge says which payload types of a section go. Its first line, of mLine bytes, is
// the m= line. ok is false when the section must stay as it is.
func (c *Codecs) judge(section []byte, mLine int) (drop set, ok bool) {
	mapped, kept, speech := set{}, c.static, c.speech
	for i := mLine; i < len(section); {
		end := lineEnd(section, i)
		pt, kind, value, ok := attribute(section[i:end])
		if ok && kind == rtpmap {
			k, s := c.find(encodingName(value))
			if !mapped.has(pt) {
				mapped.add(pt)
				kept.add(pt)
				speech.add(pt)
			}
			// Of a payload type mapped twice, every mapping counts.
			if !k {
				kept.remove(pt)
			}
			if !k || !s {
				speech.remove(pt)
			}
		}
		i = end
	}
	c.redundant(section, mLine, &kept, &speech)
	heard := false
	for i := formats(section[:mLine]); ; {
		start := skipSpaces(section[:mLine], i)
		i = field(section[:mLine], start)
		if i == start {
			if len(bytes.TrimRight(section[start:mLine], "\r\n")) > 0 {
				return set{}, false // a CR within the line
			}
			break
		}
		pt, ok := payloadType(section[start:i])
		switch {
		case !ok:
			return set{}, false
		case !kept.has(pt):
			drop.add(pt)
		case speech.has(pt):
			heard = true
		}
	}
	if !heard {
		return set{}, false
	}
	return drop, true
}

// redundant drops what carries copies of an encoding that goes: its a=fmtp lists
// payload types with slashes between them (RFC 2198 section 5).
func (c *Codecs) redundant(section []byte, mLine int, kept, speech *set) {
	for i := mLine; i < len(section); {
		end := lineEnd(section, i)
		pt, kind, value, ok := attribute(section[i:end])
		if ok && kind == fmtp && kept.has(pt) && !speech.has(pt) && !copies(value, kept) {
			kept.remove(pt)
		}
		i = end
	}
}

// copies reports whether every payload type of a list such as "0/8/100" is kept. What
// is no such list, as the "0-15" of telephone-event, names none.
func copies(value []byte, kept *set) bool {
	if bytes.IndexByte(value, '/') < 0 {
		return true
	}
	for len(value) > 0 {
		one, rest, _ := bytes.Cut(value, slash)
		if pt, ok := payloadType(one); ok && !kept.has(pt) {
			return false
		}
		value = rest
	}
	return true
}

var slash = []byte{'/'}

// cutFormats moves the m= line b[i:end] down to w without the payload types in drop.
func cutFormats(b []byte, w, i, end int, drop *set) (to, removed int) {
	from := i
	for at := i + formats(b[i:end]); ; {
		start := i + skipSpaces(b[i:end], at-i)
		stop := i + field(b[i:end], start-i)
		if stop == start {
			break
		}
		if pt, ok := payloadType(b[start:stop]); ok && drop.has(pt) {
			// The space before a format goes with it.
			w = move(b, w, from, at)
			from = stop
			removed++
		}
		at = stop
	}
	return move(b, w, from, end), removed
}
