package media

import "net/netip"

// Result is what became of a command.
type Result uint8

// Results.
const (
	OK      Result = iota
	Refused        // the instance has no use for the description
	Full           // the instance takes no more sessions
	Lost           // no answer in time, or no instance to ask
	numResults
)

var resultNames = [numResults]string{"ok", "refused", "full", "lost"}

func (r Result) String() string { return resultNames[r] }

// Job is a command on its way, and the message that waits for it. Whoever takes one fills in
// what is its own and hands it to Describe or Hold; from then on it is the client's, until
// Done has it and returns.
type Job struct {
	// For whoever goes on with the message; the client does not look at them.
	Kind     uint8
	Tx       uint64
	Listener int
	Flow     uint32
	Source   netip.AddrPort
	Packet   []byte // the message; append to Packet[:0]

	// Session and Row name the call, Order other jobs that this one must not overtake (0:
	// none). CallID is the hash by which an instance is chosen, see Client.Take.
	Session uint64
	Row     int
	Order   uint64

	// Family is 4 or 6: of the addresses the description gets; 0: of those it has.
	Family uint8

	Verb   Verb
	Result Result
	SDP    []byte // the description as the instance wrote it, when Result is OK

	index    int
	lane     *lane // where it waits
	home     *lane // whose it is
	gen      uint32
	call     uint64
	from     Side
	text     []byte // the description as it came
	command  []byte // with its cookie
	held     int    // bytes counted
	tried    tried
	began    int64 // when the command went to this instance, ns
	repeated bool
	done     bool
	sent     bool // it has a place in lane.out
}

// keepBuffer is how large a buffer of a free job may be, bytes.
const keepBuffer = 8 << 10

func (j *Job) clean() {
	for _, b := range []*[]byte{&j.Packet, &j.SDP, &j.text, &j.command} {
		if cap(*b) > keepBuffer {
			*b = nil
		} else {
			*b = (*b)[:0]
		}
	}
	j.gen++
	j.Kind, j.Tx, j.Listener, j.Flow, j.Source = 0, 0, 0, 0, netip.AddrPort{}
	j.Session, j.Row, j.Order, j.Family, j.Verb, j.Result = 0, 0, 0, 0, 0, 0
	j.lane, j.call, j.held, j.tried, j.repeated, j.done, j.sent = nil, 0, 0, tried{}, false, false, false
}
