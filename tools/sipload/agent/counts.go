package agent

import (
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"trunkline/tools/sipload/wire"
)

// Codes counts final responses by status code.
type Codes [700]uint32

// Map is the codes that occurred.
func (c *Codes) Map() map[string]uint64 {
	m := map[string]uint64{}
	for code, n := range c {
		if n > 0 {
			m[strconv.Itoa(code)] = uint64(n)
		}
	}
	return m
}

// PerMethod is a count for each method.
type PerMethod struct {
	INVITE  uint64 `json:"invite"`
	BYE     uint64 `json:"bye"`
	CANCEL  uint64 `json:"cancel"`
	OPTIONS uint64 `json:"options"`
}

// Sum is the count over all methods.
func (p PerMethod) Sum() uint64 { return p.INVITE + p.BYE + p.CANCEL + p.OPTIONS }

func (p *PerMethod) add(m wire.Method) {
	switch m {
	case wire.INVITE:
		p.INVITE++
	case wire.BYE:
		p.BYE++
	case wire.CANCEL:
		p.CANCEL++
	case wire.OPTIONS:
		p.OPTIONS++
	}
}

// CallerCounts are what a Caller did. Started = Completed + Rejected + Cancelled +
// Failed + the calls still up.
type CallerCounts struct {
	Started    uint64 `json:"started"`
	NotStarted uint64 `json:"not_started"` // all slots were taken
	Answered   uint64 `json:"answered"`    // got a 2xx to INVITE
	Completed  uint64 `json:"completed"`   // got a 2xx to BYE, or to OPTIONS
	Rejected   uint64 `json:"rejected"`    // refused with the code that was expected
	Cancelled  uint64 `json:"cancelled"`   // cancelled as intended
	Failed     uint64 `json:"failed"`
	CancelLost uint64 `json:"cancel_lost"` // answered although a CANCEL was under way
	Unrung     uint64 `json:"unrung"`      // answered with no 101-199 before

	Timeouts        PerMethod `json:"timeouts"`        // timers B and F; no answer within AnswerTimeout
	Retransmissions PerMethod `json:"retransmissions"` // sent: timers A and E
	AcksRepeated    uint64    `json:"acks_repeated"`   // for repeated final responses
	Duplicates      uint64    `json:"duplicates"`      // responses received again
	OutOfOrder      uint64    `json:"out_of_order"`    // a provisional response after a higher or the final one
}

// CalleeCounts are what a Callee did.
type CalleeCounts struct {
	Invites      uint64 `json:"invites"` // new calls
	Answered     uint64 `json:"answered"`
	Rejected     uint64 `json:"rejected"`
	Cancelled    uint64 `json:"cancelled"`
	Completed    uint64 `json:"completed"` // ended by BYE
	Options      uint64 `json:"options"`   // OPTIONS answered
	NoSlot       uint64 `json:"no_slot"`   // calls refused with 503: all slots were taken
	Abandoned    uint64 `json:"abandoned"` // calls whose BYE never came
	AckTimeouts  uint64 `json:"ack_timeouts"`
	ByeBeforeAck uint64 `json:"bye_before_ack"` // an ACK was lost or overtaken

	Retransmissions uint64 `json:"retransmissions"` // final responses sent again: timer G and 13.3.1.4
	Duplicates      uint64 `json:"duplicates"`      // requests received again
	OutOfOrder      uint64 `json:"out_of_order"`    // an ACK after the BYE of its call
}

// Reason is why a message was unexpected.
type Reason uint8

// The reasons.
const (
	Malformed Reason = iota
	UnknownCall
	WrongTransaction
	WrongVia
	WrongState
	NoToTag
	NoContact
	Unroutable
	TooLong
	UnknownMethod
	CancelRefused
	ByeRefused
	MergedInvite
	reasons
)

var reasonNames = [reasons]string{
	Malformed:        "malformed",
	UnknownCall:      "unknown_call",
	WrongTransaction: "wrong_transaction",
	WrongVia:         "wrong_via",
	WrongState:       "wrong_state",
	NoToTag:          "no_to_tag",
	NoContact:        "no_contact",
	Unroutable:       "unroutable",
	TooLong:          "too_long",
	UnknownMethod:    "unknown_method",
	CancelRefused:    "cancel_refused",
	ByeRefused:       "bye_refused",
	MergedInvite:     "merged_invite",
}

var reasonTexts = [reasons]string{
	Malformed:        "the message is malformed",
	UnknownCall:      "its Call-ID is of no call of ours",
	WrongTransaction: "branch, CSeq or From tag are not those of our request",
	WrongVia:         "a response must reach us with one Via, ours",
	WrongState:       "the state of the call does not expect it",
	NoToTag:          "the To of the response has no tag",
	NoContact:        "the 2xx has no Contact, so the dialog has no remote target",
	Unroutable:       "Record-Route, Contact or Via do not point to a literal address that may be sent to",
	TooLong:          "Via, Record-Route, To or Contact are longer than can be kept",
	UnknownMethod:    "the method is not one a callee here understands",
	CancelRefused:    "the CANCEL was refused",
	ByeRefused:       "the BYE was refused",
	MergedInvite:     "a second INVITE of the same call on the same socket, with another branch",
}

// maxSamples bounds what Odd keeps of message texts.
const maxSamples = 5

// Odd collects the unexpected messages of a run.
type Odd struct {
	counts  [reasons]uint64
	Samples []string // of the first few: the reason and the message
}

func (o *Odd) add(r Reason, fault error, raw []byte) {
	o.counts[r]++
	if len(o.Samples) < maxSamples {
		text := reasonTexts[r]
		if fault != nil {
			text += ": " + fault.Error()
		}
		o.Samples = append(o.Samples, text+"\n"+string(raw[:min(len(raw), 2000)]))
	}
}

// Sum is the number of unexpected messages.
func (o *Odd) Sum() (n uint64) {
	for _, c := range o.counts {
		n += c
	}
	return n
}

// Map is the number of unexpected messages by reason.
func (o *Odd) Map() map[string]uint64 {
	m := map[string]uint64{}
	for r, n := range o.counts {
		if n > 0 {
			m[reasonNames[r]] = n
		}
	}
	return m
}

// Latencies of measured calls. All but Bye count from the instant the call was
// scheduled for, whether or not it could be sent then; Bye from the instant the
// hold time was over.
type Latencies struct {
	Lag     *hdrhistogram.Histogram // of the INVITE or OPTIONS itself: how late it was sent
	Trying  *hdrhistogram.Histogram // to the first 100
	Ringing *hdrhistogram.Histogram // to the first 101-199
	Answer  *hdrhistogram.Histogram // to the 2xx of INVITE
	Refusal *hdrhistogram.Histogram // to another final response to INVITE
	Bye     *hdrhistogram.Histogram // BYE to its 2xx
	Options *hdrhistogram.Histogram // OPTIONS to its final response
}

// NewLatencies makes empty histograms, in microseconds with three digits.
func NewLatencies() *Latencies {
	h := func() *hdrhistogram.Histogram { return hdrhistogram.New(1, (10 * time.Minute).Microseconds(), 3) }
	return &Latencies{h(), h(), h(), h(), h(), h(), h()}
}

func record(h *hdrhistogram.Histogram, d time.Duration) {
	// Out of range is above ten minutes: no call lasts that long without its answer.
	_ = h.RecordValue(min(max(d.Microseconds(), 0), h.HighestTrackableValue()))
}
