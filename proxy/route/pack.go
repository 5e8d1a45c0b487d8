package route

// A number of at most 16 characters is kept as one word, four bits for each character, the
// first in the highest: ITU-T E.164 has 15 digits and a plus at most. A shorter number ends
// in zeros, so the words of two prefixes compare as their texts do, and a shorter prefix is
// a longer one with its end masked away.

// packed is the most characters of a word.
const packed = 16

// codes are the four bits of each character of a number, in the order of ASCII; 0: none.
var codes = func() (c [256]uint8) {
	for i, b := range []byte(characters) {
		c[b] = uint8(i + 1)
	}
	return c
}()

const characters = "#*+0123456789"

// pack gives the word of the characters text begins with that a number has, and how many
// they are.
func pack(text []byte) (word uint64, n int) {
	for n < len(text) && n < packed {
		c := codes[text[n]]
		if c == 0 {
			break
		}
		word |= uint64(c) << (60 - 4*n)
		n++
	}
	return word, n
}

// unpack appends the text of a word.
func unpack(dst []byte, word uint64) []byte {
	for ; word != 0; word <<= 4 {
		dst = append(dst, characters[word>>60-1])
	}
	return dst
}

// cut keeps the first n characters of a word, n from 1.
func cut(word uint64, n int) uint64 { return word &^ (1<<(64-4*n) - 1) }
