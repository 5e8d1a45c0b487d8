package wire

// Marks in the text of a template, and how many bytes take their place.
const (
	MarkID     = "\x01" // the call: IDLen hexadecimal digits
	MarkNumber = "\x02" // the called number: NumberLen decimal digits

	IDLen     = 16
	NumberLen = 7
)

// Template is the text of a message, or a part of one, with places for what
// differs from call to call. All places have fixed widths, so a message is one
// copy and a few digits.
type Template struct {
	text []byte
	at   []place
}

type place struct {
	at     int
	number bool
}

// NewTemplate compiles a text with marks; its line ends may be bare LF and come
// out as CRLF.
func NewTemplate(text string) Template {
	var t Template
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == MarkID[0]:
			t.at = append(t.at, place{at: len(t.text)})
			t.text = append(t.text, "0000000000000000"...)
		case text[i] == MarkNumber[0]:
			t.at = append(t.at, place{at: len(t.text), number: true})
			t.text = append(t.text, "0000000"...)
		case text[i] == '\n' && (i == 0 || text[i-1] != '\r'):
			t.text = append(t.text, "\r\n"...)
		default:
			t.text = append(t.text, text[i])
		}
	}
	return t
}

// Len is the length of what Append appends, bytes.
func (t *Template) Len() int { return len(t.text) }

// Append appends the text for one call. number counts modulo 10^NumberLen.
func (t *Template) Append(dst []byte, id uint64, number uint32) []byte {
	base := len(dst)
	dst = append(dst, t.text...)
	for _, p := range t.at {
		if to := dst[base+p.at:]; p.number {
			putNumber(to[:NumberLen], number)
		} else {
			putID(to[:IDLen], id)
		}
	}
	return dst
}

const hexDigits = "0123456789abcdef"

func putID(b []byte, id uint64) {
	for i := IDLen - 1; i >= 0; i-- {
		b[i] = hexDigits[id&15]
		id >>= 4
	}
}

func putNumber(b []byte, n uint32) {
	for i := NumberLen - 1; i >= 0; i-- {
		b[i] = '0' + byte(n%10)
		n /= 10
	}
}

// AppendID appends id as a template does.
func AppendID(dst []byte, id uint64) []byte {
	n := len(dst)
	dst = append(dst, "0000000000000000"...)
	putID(dst[n:], id)
	return dst
}

// ID reads what begins with IDLen hexadecimal digits.
func ID(b []byte) (id uint64, ok bool) {
	if len(b) < IDLen {
		return 0, false
	}
	for _, c := range b[:IDLen] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		default:
			return 0, false
		}
		id = id<<4 | uint64(c)
	}
	return id, true
}
