package route

import (
	"errors"
	"fmt"
	"regexp/syntax"
)

// maxNumber is the longest number a pattern is tried on, bytes; a longer one does not match.
// The longest of ITU-T E.164 has 15 digits; with what callers put before it, it stays far below.
const maxNumber = 64

// maxInstructions bounds a compiled pattern.
const maxInstructions = 256

// maxGroups are the groups $1 to $9, and the whole.
const maxGroups = 10

// pattern is a regular expression (RE2) that the whole number must match. It is compiled by
// regexp/syntax and gives what package regexp gives, which cannot tell groups without
// allocating. The time is bounded by instructions x characters: no place is looked at twice.
type pattern struct {
	prog   *syntax.Prog
	groups int // without the whole
}

func compilePattern(text string) (*pattern, error) {
	re, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("is no regular expression (RE2): %w", err)
	}
	groups := re.MaxCap()
	if groups >= maxGroups {
		return nil, fmt.Errorf("has %d groups, at most %d work: write (?:...) where nothing is taken out", groups, maxGroups-1)
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return nil, err
	}
	if len(prog.Inst) > maxInstructions {
		return nil, errors.New("is too long: split it over several routes")
	}
	return &pattern{prog, groups}, nil
}

// search is one search; it lives on the stack.
type search struct {
	seen [maxInstructions * (maxNumber + 1) / 64]uint64
	at   [2 * maxGroups]int // begin and end of each group; -1: it took no part
}

// match reports whether the whole of text matches, and fills s.at.
func (p *pattern) match(s *search, text []byte) bool {
	if len(text) > maxNumber {
		return false
	}
	for i := range s.at {
		s.at[i] = -1
	}
	return s.try(p.prog, text, p.prog.Start, 0)
}

// try follows the program from an instruction and a place in the text, the preferred way first.
// The text is no field, so that it stays where it is.
func (s *search) try(prog *syntax.Prog, text []byte, pc, pos int) bool {
	for {
		bit := pc*(maxNumber+1) + pos
		if s.seen[bit/64]&(1<<(bit%64)) != 0 {
			return false
		}
		s.seen[bit/64] |= 1 << (bit % 64)
		in := &prog.Inst[pc]
		switch in.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			if s.try(prog, text, int(in.Out), pos) {
				return true
			}
			pc = int(in.Arg)
		case syntax.InstCapture:
			if int(in.Arg) >= len(s.at) {
				pc = int(in.Out)
				continue
			}
			old := s.at[in.Arg]
			s.at[in.Arg] = pos
			if s.try(prog, text, int(in.Out), pos) {
				return true
			}
			s.at[in.Arg] = old
			return false
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(in.Arg)&^syntax.EmptyOpContext(character(text, pos-1), character(text, pos)) != 0 {
				return false
			}
			pc = int(in.Out)
		case syntax.InstNop:
			pc = int(in.Out)
		case syntax.InstMatch:
			return pos == len(text)
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			if pos == len(text) || !in.MatchRune(rune(text[pos])) {
				return false
			}
			pos, pc = pos+1, int(in.Out)
		default: // InstFail
			return false
		}
	}
}

// character is the one at a place; -1: outside of the text.
func character(text []byte, pos int) rune {
	if pos < 0 || pos >= len(text) {
		return -1
	}
	return rune(text[pos])
}
