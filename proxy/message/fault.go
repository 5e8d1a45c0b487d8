package message

// Fault is why a message cannot be used. It is an error that costs no allocation;
// its values are small and dense, to be counted in an array of [Faults] entries.
type Fault uint8

// The faults. The first group leaves nothing to reply to.
const (
	FaultNone         Fault = iota
	FaultEmpty              // nothing but line ends
	FaultTooLarge           // more than MaxSize bytes
	FaultNotSIP             // the first line is no SIP start line
	FaultStatusLine         // a reply whose code is not 100 to 699
	FaultVersion            // not SIP/2.0
	FaultRequestLine        // method, Request-URI and version not separated by one space each
	FaultURI                // Request-URI in angle brackets, or with header fields
	FaultTooManyLines       // more than MaxHeaders header lines
	FaultUnterminated       // no empty line after the header
	FaultLineEnd            // a line of the header that does not end in CRLF
	FaultHeader             // a header line that is not "name: value"
	FaultDuplicate          // a second From, To, Call-ID, CSeq, Max-Forwards or Content-Length
	FaultNoVia
	FaultVia
	FaultNoFrom
	FaultFrom
	FaultNoTo
	FaultTo
	FaultNoCallID
	FaultNoCSeq
	FaultCSeq       // not a number below 2^31 and a method
	FaultCSeqMethod // differs from the request's method
	FaultMaxForwards
	FaultContentLength
	FaultTruncated // Content-Length beyond the end of the datagram
	FaultRoute

	// Faults is the number of Fault values.
	Faults = int(FaultRoute) + 1
)

var faultTexts = [Faults]string{
	FaultNone:          "no fault",
	FaultEmpty:         "empty message",
	FaultTooLarge:      "message too large",
	FaultNotSIP:        "not a SIP start line",
	FaultStatusLine:    "status code not 100 to 699",
	FaultVersion:       "SIP version not supported",
	FaultRequestLine:   "malformed request line",
	FaultURI:           "malformed Request-URI",
	FaultTooManyLines:  "too many header lines",
	FaultUnterminated:  "header not ended by an empty line",
	FaultLineEnd:       "header line not ended by CRLF",
	FaultHeader:        "malformed header line",
	FaultDuplicate:     "header field given twice",
	FaultNoVia:         "no Via",
	FaultVia:           "malformed Via",
	FaultNoFrom:        "no From",
	FaultFrom:          "malformed From",
	FaultNoTo:          "no To",
	FaultTo:            "malformed To",
	FaultNoCallID:      "no Call-ID",
	FaultNoCSeq:        "no CSeq",
	FaultCSeq:          "malformed CSeq",
	FaultCSeqMethod:    "CSeq method differs from request",
	FaultMaxForwards:   "Max-Forwards not 0 to 255",
	FaultContentLength: "malformed Content-Length",
	FaultTruncated:     "body shorter than Content-Length",
	FaultRoute:         "malformed Route",
}

// Error implements error.
func (f Fault) Error() string { return "sip: " + f.Text() }

// Text is a short phrase, fit for a reason phrase or a metric's label.
func (f Fault) Text() string {
	if int(f) < len(faultTexts) {
		return faultTexts[f]
	}
	return "unknown fault"
}

// Status is the code of the reply a request with this fault is due, 0 if it is to
// be dropped in silence. Whether the message can be replied to at all is
// [View.Replyable].
func (f Fault) Status() int {
	switch {
	case f < FaultVersion || f == FaultNoVia:
		return 0
	case f == FaultVersion:
		return 505
	default:
		return 400
	}
}
