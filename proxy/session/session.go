// Package session is the session timer as a proxy keeps it (RFC 4028 section 8): what a request
// that begins or refreshes a session asks for, what the proxy makes of it, and until when a
// session lasts that was agreed on. It decides and writes header lines; it keeps nothing, knows no
// clock and no call.
//
// # Rules
//
// A request that asks for less than the minimum is refused with 422 where its sender understands
// the extension; where it does not, the interval came from a proxy before this one, and it is
// raised, with Min-SE saying so (8.1). An interval that is not below the minimum is never
// changed. A request that asks for none gets one when Rules.Insert is set, not below the Min-SE it
// came with, and without a refresher: who refreshes is for the ends to say.
//
// The 2xx says what was agreed on. One without Session-Expires comes from an end that does not
// understand it: for a sender that does, the interval of the request as it was forwarded is put
// in with the sender as the refresher, and it is told so by Require (8.2). When neither
// understands it, there is no timer.
//
// The same request gets the same edits each time, whichever destination it goes to. A value that
// is no number is passed on and judged by nobody here.
package session

import (
	"strconv"

	"trunkline/proxy/message"
)

// Rules are the decisions of the configuration. Times are in seconds.
type Rules struct {
	MinSE   uint32 // no session below
	Expires uint32 // asked for on behalf of who asks for none, not below MinSE
	Insert  bool   // so
}

// Ask is what a request asks for as it is to be forwarded. The zero Ask asks for nothing.
type Ask struct {
	// Refused: it is answered with 422 and not forwarded.
	Refused bool
	// Timer: its sender understands session timers.
	Timer bool
	// Interval is the Session-Expires of the request as forwarded, seconds; 0: it has none, or
	// one that is no number.
	Interval uint32
	Inserted bool // the proxy asks
	Raised   bool // the proxy asks for more

	minSE  uint32 // to be written; 0: as it is
	fields Fields
}

// Judge decides on an INVITE or UPDATE with these fields (8.1).
func (r Rules) Judge(f Fields) Ask {
	a := Ask{Timer: f.Timer, Interval: f.Expires, fields: f}
	switch {
	case f.Unreadable:
		a.Interval = 0
	case !f.Asks:
		if r.Insert {
			a.Inserted, a.Interval = true, max(r.Expires, f.MinSE)
		}
	case f.Expires >= r.MinSE:
	case f.Timer:
		a.Refused = true
	default:
		a.Raised = true
		a.Interval = max(r.MinSE, f.MinSE)
		if a.Interval != f.MinSE {
			a.minSE = a.Interval
		}
	}
	return a
}

// Edit writes the edits of a request into ed. Text is appended to scratch, which ed refers to
// then and which is returned.
func (a *Ask) Edit(ed *message.RequestEdits, scratch []byte) []byte {
	switch {
	case a.Inserted:
		scratch = line(scratch, "Session-Expires: ", a.Interval)
		ed.Put = scratch
	case a.Raised:
		scratch = strconv.AppendUint(scratch, uint64(a.Interval), 10)
		ed.Replace[0] = message.Replacement{Span: a.fields.expires, By: scratch}
		if a.minSE == 0 {
			break
		}
		from := len(scratch)
		if !a.fields.minSE.Empty() {
			scratch = strconv.AppendUint(scratch, uint64(a.minSE), 10)
			ed.Replace[1] = message.Replacement{Span: a.fields.minSE, By: scratch[from:]}
			break
		}
		scratch = line(scratch, "Min-SE: ", a.minSE)
		ed.Put = scratch[from:]
	}
	return scratch
}

func line(dst []byte, head string, seconds uint32) []byte {
	dst = append(dst, head...)
	dst = strconv.AppendUint(dst, uint64(seconds), 10)
	return append(dst, "\r\n"...)
}

// AppendTooSmall appends the line that a 422 must have (section 6).
func (r Rules) AppendTooSmall(dst []byte) []byte { return line(dst, "Min-SE: ", r.MinSE) }

// Agreed is what a 2xx agrees on.
type Agreed struct {
	// Interval is how long the session lasts from here on unless it is refreshed, seconds; 0: it
	// does not end by time.
	Interval uint32
	// Answered: the 2xx says nothing, and Append is put into it for a sender that understands it.
	Answered bool
}

// Agree decides on a 2xx with these fields to a request that asked so (8.2).
func Agree(a Ask, reply Fields) Agreed {
	switch {
	case reply.Asks:
		return Agreed{Interval: reply.Expires}
	case a.Timer && a.Interval > 0:
		return Agreed{Interval: a.Interval, Answered: true}
	}
	return Agreed{}
}

// AppendAnswer appends what a 2xx gets that says nothing of the interval it was asked for. A
// Require line of its own is as good as a value in one that is there (RFC 3261 section 7.3.1).
func AppendAnswer(dst []byte, interval uint32) []byte {
	dst = append(dst, "Require: timer\r\nSession-Expires: "...)
	dst = strconv.AppendUint(dst, uint64(interval), 10)
	return append(dst, ";refresher=uac\r\n"...)
}
