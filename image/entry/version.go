package entry

import (
	"cmp"
	"strings"
)

// CompareVersions orders two versions as UAPI.10 does: negative when a is older. Versions
// that differ only in leading zeros of a number are equal.
func CompareVersions(a, b string) int {
	for {
		a, b = strings.TrimLeftFunc(a, separates), strings.TrimLeftFunc(b, separates)
		// "1~rc1" is before "1".
		if r := special(&a, &b, '~'); r != 0 {
			return r
		}
		if a == "" || b == "" {
			return cmp.Compare(len(a), len(b))
		}
		for _, c := range []byte{'-', '^', '.'} {
			if r := special(&a, &b, c); r != 0 {
				return r
			}
		}
		var x, y string
		if digit(first(a)) || digit(first(b)) {
			x, a = leading(a, digit)
			y, b = leading(b, digit)
			// A number is newer than a word.
			if r := cmp.Compare(min(len(x), 1), min(len(y), 1)); r != 0 {
				return r
			}
			x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if r := cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y)); r != 0 {
				return r
			}
			continue
		}
		x, a = leading(a, letter)
		y, b = leading(b, letter)
		if r := strings.Compare(x, y); r != 0 {
			return r
		}
	}
}

// special compares by a character that makes the version that has it older, and takes it
// from both.
func special(a, b *string, c byte) int {
	x, y := strings.HasPrefix(*a, string(c)), strings.HasPrefix(*b, string(c))
	switch {
	case x && y:
		*a, *b = (*a)[1:], (*b)[1:]
	case x:
		return -1
	case y:
		return 1
	}
	return 0
}

// separates says whether a character has no meaning but to end a part.
func separates(r rune) bool {
	return r > 0x7f || !digit(byte(r)) && !letter(byte(r)) && !strings.ContainsRune("~-^.", r)
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func first(s string) byte {
	if s == "" {
		return 0
	}
	return s[0]
}

// leading splits a string behind the characters that are of a kind.
func leading(s string, kind func(byte) bool) (part, rest string) {
	i := 0
	for i < len(s) && kind(s[i]) {
		i++
	}
	return s[:i], s[i:]
}
