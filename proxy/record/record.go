package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Record is one ended call, as it goes to the file and to the database. Fields that are not
// known are absent.
type Record struct {
	Key         string `json:"key"`         // of this call and no other, on any appliance
	Appliance   string `json:"appliance"`   // its name
	CallID      string `json:"call_id"`     // of the INVITE
	Caller      string `json:"caller"`      // URI of From
	Callee      string `json:"callee"`      // URI of To
	Called      string `json:"called"`      // user part of the Request-URI as it was received
	Source      string `json:"source"`      // address and port the INVITE came from
	Listener    string `json:"listener"`    // it came in by
	Carrier     string `json:"carrier"`     // whose address the source is; empty: nobody's
	Dispatcher  string `json:"dispatcher"`  // set of the destination
	Destination string `json:"destination"` // tried last; empty: none
	Began       Time   `json:"began"`
	Answered    *Time  `json:"answered"` // null: it was not
	Ended       Time   `json:"ended"`
	DurationMS  int64  `json:"duration_ms"` // from began to ended
	TalkMS      int64  `json:"talk_ms"`     // from answered to ended
	Cause       string `json:"cause"`       // how it ended
	Code        int    `json:"code"`        // of the final reply its caller got; 0: none is known
	EndedBy     string `json:"ended_by"`    // caller, callee, proxy; empty: not known
	Emergency   bool   `json:"emergency"`
	Process     uint32 `json:"process"` // how many processes there were before the one that saw the end
	Cut         string `json:"cut"`     // names of fields whose ends were cut, with spaces between
}

// Time is written in UTC with milliseconds (RFC 3339).
type Time time.Time

const timeFormat = "2006-01-02T15:04:05.000Z07:00"

func (t Time) String() string { return time.Time(t).UTC().Format(timeFormat) }

// MarshalText implements encoding.TextMarshaler.
func (t Time) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Time) UnmarshalText(b []byte) error {
	v, err := time.Parse(time.RFC3339, string(b))
	*t = Time(v)
	return err
}

// Names turn what a row holds into what a record says. All must be set.
type Names struct {
	Appliance   string
	Listener    func(int) string
	Carrier     func(netip.Addr) string
	Destination func(int) (set, name string)
	Cause       func(uint8) string
	// Ends is who ended a call of this cause, where the row does not say.
	Ends func(cause uint8) Side
	// Wall is the time of the day at a time of the rows' clock.
	Wall func(int64) time.Time
}

var cutNames = [texts]string{"call_id", "caller", "callee", "called"}

// Record makes the record of a row that has ended.
func (n *Names) Record(r *Row) Record {
	out := Record{
		Key: Key(r.Origin, r.Call), Appliance: n.Appliance,
		CallID: clean(r.get(textCallID)), Caller: clean(r.get(textCaller)), Callee: clean(r.get(textCallee)), Called: clean(r.get(textCalled)),
		Source: r.Source().String(), Listener: n.Listener(int(r.Listener)), Carrier: n.Carrier(r.Source().Addr()),
		Began: n.time(r.Began), Ended: n.time(r.Ended), DurationMS: (r.Ended - r.Began) / 1e6,
		Cause: n.Cause(r.Cause), Code: int(r.Code), Emergency: r.Emergency, Process: r.Generation,
	}
	if r.Dest != NoDestination {
		out.Dispatcher, out.Destination = n.Destination(int(r.Dest))
	}
	if r.Answered != 0 {
		t := n.time(r.Answered)
		out.Answered, out.TalkMS = &t, (r.Ended-r.Answered)/1e6
	}
	by := r.By
	if by == Nobody {
		by = n.Ends(r.Cause)
	}
	out.EndedBy = by.String()
	var cut []string
	for k, name := range cutNames {
		if r.cut&(1<<k) != 0 {
			cut = append(cut, name)
		}
	}
	out.Cut = strings.Join(cut, " ")
	return out
}

func (n *Names) time(ns int64) Time { return Time(n.Wall(ns).Truncate(time.Millisecond)) }

// Key names one call: where its row was opened, and which one it was there.
func Key(origin, call uint64) string { return fmt.Sprintf("%016x-%016x", origin, call) }

// clean is text that JSON and a database take: bytes that are no UTF-8, and NUL, which
// PostgreSQL refuses, become U+FFFD.
func clean(b []byte) string {
	return strings.ReplaceAll(strings.ToValidUTF8(string(b), "\uFFFD"), "\x00", "\uFFFD")
}

// appendLine appends a record as one line of JSON.
func appendLine(b *bytes.Buffer, r *Record) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	return e.Encode(r)
}
