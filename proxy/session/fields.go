package session

import (
	"bytes"

	"trunkline/proxy/message"
)

// Fields are what a message says of session timers.
type Fields struct {
	Asks       bool   // there is Session-Expires
	Unreadable bool   // whose value is no number
	Expires    uint32 // its interval, seconds; 0: none, or no number
	MinSE      uint32 // seconds; 0: none, or no number
	Timer      bool   // Supported or Require has timer

	expires, minSE message.Span // the digits
}

// longest is the most a field counts for, seconds: an interval of more is that long. It keeps
// clocks from running over, and no call lasts for 68 years.
const longest = 1<<31 - 1

// Of gives the fields of a message that was parsed, as Read does, without looking at its header
// again.
func Of(v *message.View) Fields {
	var f Fields
	msg := v.Bytes()
	if s := v.SessionExpires; s != (message.Span{}) {
		f.Asks = true
		f.Expires, f.expires = number(msg, int(s.Start), int(s.End))
		f.Unreadable = f.expires.Empty()
	}
	f.MinSE, f.minSE = number(msg, int(v.MinSE.Start), int(v.MinSE.End))
	f.option(v.Get(v.Supported))
	f.option(v.Get(v.Require))
	if v.MoreOptions && !f.Timer {
		f.Timer = Read(msg).Timer
	}
	return f
}

// Read reads the fields of a message. Of a header that should be there once the first counts. It
// allocates nothing.
func Read(msg []byte) Fields {
	var f Fields
	minSE := false
	lines := message.LinesOf(msg)
	for {
		l, ok := lines.Next()
		if !ok {
			return f
		}
		value := msg[l.Value:l.Stop]
		switch name := msg[l.Start:l.NameEnd]; len(name) {
		case 1:
			switch name[0] | 0x20 {
			case 'x':
				f.session(msg, l)
			case 'k':
				f.option(value)
			}
		case 6:
			if !minSE && bytes.EqualFold(name, []byte("Min-SE")) {
				minSE = true
				f.MinSE, f.minSE = number(msg, l.Value, l.Stop)
			}
		case 7:
			if bytes.EqualFold(name, []byte("Require")) {
				f.option(value)
			}
		case 9:
			if bytes.EqualFold(name, []byte("Supported")) {
				f.option(value)
			}
		case 15:
			if bytes.EqualFold(name, []byte("Session-Expires")) {
				f.session(msg, l)
			}
		}
	}
}

func (f *Fields) session(msg []byte, l message.Line) {
	if f.Asks {
		return
	}
	f.Asks = true
	f.Expires, f.expires = number(msg, l.Value, l.Stop)
	f.Unreadable = f.expires.Empty()
}

// option looks for timer in a list of options.
func (f *Fields) option(list []byte) {
	for len(list) > 0 && !f.Timer {
		var one []byte
		one, list, _ = bytes.Cut(list, []byte(","))
		f.Timer = bytes.EqualFold(bytes.TrimSpace(one), []byte("timer"))
	}
}

// number reads the seconds at the begin of a value, which parameters may follow; an empty span:
// there are none.
func number(msg []byte, from, stop int) (uint32, message.Span) {
	i, n := from, uint64(0)
	for ; i < stop && msg[i] >= '0' && msg[i] <= '9'; i++ {
		n = min(n*10+uint64(msg[i]-'0'), longest)
	}
	end := i
	for i < stop && bytes.IndexByte([]byte(" \t\r\n"), msg[i]) >= 0 {
		i++
	}
	if end == from || i < stop && msg[i] != ';' {
		return 0, message.Span{}
	}
	return uint32(n), message.Span{Start: uint16(from), End: uint16(end)}
}
