package media

import "encoding/binary"

// Side is one of the two who talk in a call.
type Side uint8

// Sides.
const (
	Caller Side = iota
	Callee
)

// Other is the side across.
func (s Side) Other() Side { return 1 - s }

func (s Side) tag() string {
	if s == Callee {
		return "b"
	}
	return "a"
}

// Verb is what an instance is asked to do.
type Verb uint8

// Verbs. Held is none: the message only waits for those before it.
const (
	Offer Verb = iota
	Answer
	Delete
	Ping
	Held
	numVerbs
)

var verbNames = [numVerbs]string{"offer", "answer", "delete", "ping", "held"}

func (v Verb) String() string { return verbNames[v] }

// name is what the instances know a session by.
type name [33]byte

func (c *Client) name(session uint64) (n name) {
	putHex(n[:16], c.identity)
	n[16] = '-'
	putHex(n[17:], session)
	return n
}

const hexDigits = "0123456789abcdef"

func putHex(dst []byte, v uint64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], v)
	for i, c := range b {
		dst[2*i], dst[2*i+1] = hexDigits[c>>4], hexDigits[c&15]
	}
}

func parseHex(b []byte) (v uint64, ok bool) {
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return 0, false
		}
		v = v<<4 | uint64(c)
	}
	return v, len(b) == 16
}

// A cookie is 16 digits of the process, by which rtpengine's memory of old commands never
// answers for another process, and 16 of the command.
const cookieLen = 32

func (c *Client) appendCookie(dst []byte, command uint64) []byte {
	var b [cookieLen]byte
	putHex(b[:16], c.process)
	putHex(b[16:], command)
	return append(append(dst, b[:]...), ' ')
}

// appendDescribe appends an offer or answer. Keys are in the order of bencode. Addresses are
// replaced wherever they stand, ICE is kept where it is offered, with the instance as the only
// candidate, so that no media goes around it.
func (c *Client) appendDescribe(dst []byte, verb Verb, session uint64, from Side, family uint8, sdp []byte) []byte {
	offerer, answerer := from, from.Other()
	if verb == Answer {
		offerer, answerer = answerer, offerer
	}
	n := c.name(session)
	dst = append(dst, "d3:ICE7:default"...)
	switch family {
	case 4:
		dst = append(dst, "14:address family3:IP4"...)
	case 6:
		dst = append(dst, "14:address family3:IP6"...)
	}
	dst = append(dst, "7:call-id33:"...)
	dst = append(dst, n[:]...)
	dst = append(dst, "7:command"...)
	dst = appendText(dst, verb.String())
	dst = append(dst, "8:from-tag"...)
	dst = appendText(dst, offerer.tag())
	dst = append(dst, "7:replacel6:origin18:session-connectione3:sdp"...)
	dst = appendText(dst, sdp)
	dst = append(dst, "6:to-tag"...)
	dst = appendText(dst, answerer.tag())
	return append(dst, 'e')
}

// appendDelete appends a delete that takes effect at once.
func (c *Client) appendDelete(dst []byte, session uint64) []byte {
	n := c.name(session)
	dst = append(dst, "d7:call-id33:"...)
	dst = append(dst, n[:]...)
	return append(dst, "7:command6:delete12:delete-delayi0ee"...)
}

const pingCommand = "d7:command4:pinge"
