package policy

import (
	"strconv"

	"trunkline/appliance/runtime"
	"trunkline/proxy/message"
	"trunkline/proxy/sdp"
)

// Policy is what is changed in forwarded messages. A nil Policy changes nothing.
type Policy struct {
	rules  *rules
	edit   bool        // the header or the names in it change
	codecs *sdp.Codecs // nil: all are kept
}

// Result counts what Apply has done to one message.
type Result struct {
	Headers   int // header lines taken out
	Encodings int // payload types taken out of session descriptions
	// Unpruned is set when the message may carry encodings that are not listed:
	// because none of those listed is in an offer, or because its body cannot be
	// read as a session description alone (multipart, compressed, broken).
	Unpruned bool
}

// Compile checks what messages asks for. The error names the attribute and the value.
// It gives nil when nothing in forwarded messages is to change.
func Compile(m *runtime.Messages) (*Policy, error) {
	if m == nil {
		return nil, nil
	}
	r, err := newRules(m.RemoveHeaders, m.Compact)
	if err != nil {
		return nil, err
	}
	p := &Policy{rules: r, edit: m.Compact || len(m.RemoveHeaders) > 0}
	if len(m.Codecs) > 0 {
		if p.codecs, err = sdp.NewCodecs(m.Codecs); err != nil {
			return nil, err
		}
	}
	if !p.edit && p.codecs == nil {
		return nil, nil
	}
	return p, nil
}

// Apply changes a message about to be sent, in place, and returns it: the beginning
// of b. b must hold one message that message.View parses, with nothing behind its
// body.
func (p *Policy) Apply(b []byte) ([]byte, Result) {
	var res Result
	if p == nil {
		return b, res
	}
	w := head{length: -1}
	lines := message.LinesOf(b)
	for {
		line, ok := lines.Next()
		if !ok {
			break
		}
		if w.end == 0 { // the first
			w.end = line.Start
		}
		one, removed := p.rules.find(b[line.Start:line.NameEnd])
		if removed {
			res.Headers++
			continue
		}
		from := line.Start
		if one != nil {
			if one.compact != 0 && line.NameEnd-line.Start > 1 {
				b[w.end] = one.compact
				w.end++
				from = line.NameEnd
			}
			w.see(b, one.note, line, w.end-from)
		}
		w.end = move(b, w.end, from, line.End)
	}
	body := lines.Body()
	if body < 0 || w.end == 0 {
		return b, Result{}
	}
	kept := b[body:]
	if p.codecs != nil {
		kept = p.prune(kept, &w, &res)
	}
	blank := 2 // the line that ends the header
	if b[body-2] != '\r' {
		blank = 1
	}
	if len(kept) < len(b)-body && w.length >= 0 {
		// The body moves down after the header, so that the shorter length, written
		// over the longer one, is in nobody's way.
		w.setLength(b, len(kept))
	}
	w.end = move(b, w.end, body-blank, body)
	return b[:move(b, w.end, body, body+len(kept))], res
}

// head is the header of a message while it moves together.
type head struct {
	end      int // of what is written
	length   int // where the value of Content-Length is, -1: none
	lengthTo int
	sdp      bool // the body is a session description
	mixed    bool // it is one with others, or compressed: a session description may be in it
	encoded  bool
	offers   bool // the method is one that carries offers and answers
}

// see takes over what a header says of the body; shift is how far its line moves.
func (w *head) see(b []byte, n note, line message.Line, shift int) {
	value := b[line.Value:line.Stop]
	switch n {
	case noteContentLength:
		w.length, w.lengthTo = line.Value+shift, line.Stop+shift
	case noteContentType:
		w.sdp = mediaType(value, "application/sdp")
		w.mixed = hasPrefixFold(value, "multipart/")
	case noteContentEncoding:
		w.encoded = len(value) > 0 && !(len(value) == len("identity") && hasPrefixFold(value, "identity"))
	case noteCSeq:
		w.offers = offers(value)
	}
}

// mediaType reports whether a Content-Type is one type, with parameters or without.
func mediaType(value []byte, lower string) bool {
	if !hasPrefixFold(value, lower) {
		return false
	}
	rest := value[len(lower):]
	return len(rest) == 0 || rest[0] == ';' || rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\r'
}

// offers reports whether the method of a CSeq is one whose requests and replies carry
// offers and answers (RFC 6337 section 2.2, RFC 3311).
func offers(cseq []byte) bool {
	i := len(cseq)
	for i > 0 && cseq[i-1] != ' ' && cseq[i-1] != '\t' && cseq[i-1] != '\n' {
		i--
	}
	switch message.ParseMethod(cseq[i:]) {
	case message.INVITE, message.ACK, message.PRACK, message.UPDATE:
		return true
	}
	return false
}

// prune takes encodings out of a body, in place.
func (p *Policy) prune(body []byte, w *head, res *Result) []byte {
	switch {
	case !w.offers || len(body) == 0:
		return body
	case w.mixed || w.sdp && w.encoded:
		res.Unpruned = true
		return body
	case !w.sdp:
		return body
	}
	out, r := p.codecs.Prune(body)
	res.Encodings, res.Unpruned = r.Removed, r.Left > 0
	return out
}

// setLength writes the length of the body over the one that is there, which has as
// many digits or more.
func (w *head) setLength(b []byte, n int) {
	var digits [8]byte
	d := strconv.AppendUint(digits[:0], uint64(n), 10)
	to := w.length + copy(b[w.length:w.lengthTo], d)
	w.end = to + copy(b[to:], b[w.lengthTo:w.end])
}

// move copies b[from:to] down to at and returns where it ends there.
func move(b []byte, at, from, to int) int {
	if at == from {
		return to
	}
	return at + copy(b[at:], b[from:to])
}
