package sdp

import (
	"fmt"
	"slices"
	"strings"
)

// Codecs are the encodings that Prune keeps.
type Codecs struct {
	kept   []encoding
	static set // payload types of RFC 3551 that are kept without a=rtpmap
	speech set // those of them that a call can be made of
}

// encoding is one that is kept.
type encoding struct {
	name   string // lower case: names compare without regard to case (RFC 4855 section 3)
	speech bool
}

// set is a set of payload types, 0 to 127.
type set [2]uint64

func (s *set) add(pt uint8)      { s[pt>>6] |= 1 << (pt & 63) }
func (s *set) has(pt uint8) bool { return s[pt>>6]&(1<<(pt&63)) != 0 }
func (s *set) remove(pt uint8)   { s[pt>>6] &^= 1 << (pt & 63) }

// NewCodecs compiles a list of encoding names as a=rtpmap has them. The error names
// the one that is no such name, or says that no call can be made of them.
func NewCodecs(names []string) (*Codecs, error) {
	c := &Codecs{}
	speech := false
	for _, n := range names {
		if n == "" || strings.ContainsAny(n, " \t\r\n/") {
			return nil, fmt.Errorf("messages: codecs: %q is no encoding name of SDP, such as \"PCMA\"", n)
		}
		lower := strings.ToLower(n)
		e := encoding{name: lower, speech: !slices.Contains(notSpeech, lower)}
		speech = speech || e.speech
		c.kept = append(c.kept, e)
		for pt, s := range static {
			if s == lower {
				c.static.add(uint8(pt))
				if e.speech {
					c.speech.add(uint8(pt))
				}
			}
		}
	}
	if !speech {
		return nil, fmt.Errorf("messages: codecs: %s carry no speech, so every offer would be left without a codec; add one both sides have, such as \"PCMA\"", strings.Join(names, ", "))
	}
	return c, nil
}

// find looks up the encoding name of an a=rtpmap.
func (c *Codecs) find(name []byte) (kept, speech bool) {
	for i := range c.kept {
		if equalFold(name, c.kept[i].name) {
			return true, c.kept[i].speech
		}
	}
	return false, false
}
