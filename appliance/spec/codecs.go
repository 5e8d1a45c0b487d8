package spec

import "strings"

const telephoneEvent = "telephone-event" // RFC 4733: digits

// knownCodecs are encoding names of audio that calls carry (RFC 3551 section 6 and
// the IANA registry of RTP payload formats), as they are usually written.
var knownCodecs = []string{
	"PCMU", "PCMA", "G722", "G723", "G728", "G729", "G7221", "G7291",
	"G726-16", "G726-24", "G726-32", "G726-40", "AAL2-G726-32", "AAL2-G726-40",
	"GSM", "GSM-EFR", "GSM-HR-08", "AMR", "AMR-WB", "EVS", "iLBC", "opus", "speex",
	"L16", "DVI4", "LPC", "QCELP", "EVRC", "EVRC0", "SILK", "CLEARMODE",
	"CN", "red", telephoneEvent,
}

// notSpeech are the known ones that no call can be made of: silence, copies, digits.
var notSpeech = []string{"CN", "red", telephoneEvent}

// codecAliases are names in use that SDP does not have.
var codecAliases = map[string]string{
	"g711": `"PCMA" or "PCMU"`, "g.711": `"PCMA" or "PCMU"`,
	"alaw": `"PCMA"`, "a-law": `"PCMA"`, "g711a": `"PCMA"`, "g711-alaw": `"PCMA"`,
	"ulaw": `"PCMU"`, "mulaw": `"PCMU"`, "u-law": `"PCMU"`, "g711u": `"PCMU"`, "g711-ulaw": `"PCMU"`,
	"g.722": `"G722"`, "g.729": `"G729"`, "g729a": `"G729"`, "g729ab": `"G729"`, "g.723": `"G723"`, "g.723.1": `"G723"`,
	"g726": `"G726-32" or the rate that is meant`, "dtmf": `"telephone-event"`, "rfc2833": `"telephone-event"`, "rfc4733": `"telephone-event"`,
}

// canonicalCodec gives an encoding name as it is usually written; they compare
// without regard to case (RFC 4855 section 3). known is false for one not listed:
// it stays as it is.
func canonicalCodec(name string) (canonical string, known bool) {
	for _, c := range knownCodecs {
		if strings.EqualFold(c, name) {
			return c, true
		}
	}
	return name, false
}
