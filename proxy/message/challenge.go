package message

import "bytes"

// challengeNames are the headers that ask for credentials. They have no compact form
// (RFC 3261 20.27, 20.44).
var challengeNames = [...][]byte{[]byte("WWW-Authenticate"), []byte("Proxy-Authenticate")}

// AppendWithChallenges appends the reply in best with the challenges of another reply
// added behind its own header, in their order (RFC 3261 16.7 step 7). Every other byte
// is that of best.
func AppendWithChallenges(dst, best, other []byte) []byte {
	lines := LinesOf(best)
	end := len(best)
	for {
		line, ok := lines.Next()
		if !ok {
			break
		}
		end = line.End
	}
	dst = append(dst, best[:end]...)
	lines = LinesOf(other)
	for {
		line, ok := lines.Next()
		if !ok {
			break
		}
		name := other[line.Start:line.NameEnd]
		for _, c := range challengeNames {
			if bytes.EqualFold(name, c) {
				dst = append(dst, other[line.Start:line.End]...)
			}
		}
	}
	return append(dst, best[end:]...)
}
