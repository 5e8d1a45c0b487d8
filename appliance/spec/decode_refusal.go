package spec

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxReason is the longest reason phrase, bytes.
const maxReason = 64

// asking are the codes that ask the caller for something a limit cannot name: credentials,
// an extension, another interval (RFC 3261 section 21.4, RFC 4028, RFC 3329).
var asking = []int{401, 407, 420, 421, 422, 423, 494}

// refusal reads what a limit tells the calls it refuses: a code, and the reason phrase if it
// is not the usual one.
func refusal(sec *section) *Refusal {
	text := sec.str("refuse_with", "")
	if text == "" {
		return nil
	}
	digits, reason, _ := strings.Cut(text, " ")
	code, err := strconv.Atoi(digits)
	switch {
	case err != nil || len(digits) != 3 || code < 400 || code > 699:
		sec.wrong("refuse_with", "It begins with the code of a refusal, 400 to 699.")
	case slices.Contains(asking, code):
		sec.wrong("refuse_with", digits+" asks the caller for something, and a limit has nothing to ask for.")
	case len(reason) > maxReason:
		sec.wrong("refuse_with", "The reason is longer than "+strconv.Itoa(maxReason)+" bytes. Write a shorter one.")
	case !utf8.ValidString(reason) || strings.ContainsFunc(reason, unicode.IsControl) || strings.TrimSpace(reason) != reason:
		sec.wrong("refuse_with", "The reason is one line of text (RFC 3261 section 25.1), without spaces around it.")
	default:
		return &Refusal{Code: code, Reason: reason}
	}
	return nil
}
