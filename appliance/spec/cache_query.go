package spec

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// checkQuery says what is wrong with the query of a cache, in a sentence or two;
// empty: nothing. It does not parse SQL, it looks at words outside of quotes and
// comments: whether this is one statement that reads, complete as it stands, and
// gives two named columns. What else the server finds it says when it is asked.
func checkQuery(query string) string {
	words, unclosed := sqlWords(query)
	if unclosed != "" {
		return fmt.Sprintf("The query has a %s that is not closed.", unclosed)
	}
	if n := len(words); n > 0 && words[n-1].text == ";" {
		words = words[:n-1]
	}
	if len(words) == 0 {
		return "The query is empty."
	}
	if first := words[0].text; first != "select" && first != "with" {
		return fmt.Sprintf("A query of a cache reads rows and begins with select, or with a common table expression (with); this one begins with %q.", first)
	}
	for _, w := range words {
		switch {
		case w.text == ";":
			return "The query holds several statements. Write one."
		case w.placeholder:
			return fmt.Sprintf("The query holds the placeholder %s, and there is no value for it: all rows are loaded at once. Write the query complete.", w.text)
		case slices.Contains(sqlWrites, w.text):
			return fmt.Sprintf("The query holds %q, and a cache reads alone. Put the name of a column in double quotes if that is what it is.", w.text)
		}
	}
	return checkColumns(words)
}

// sqlWrites are words of statements that change something.
var sqlWrites = []string{"insert", "update", "delete", "merge", "truncate", "drop", "alter", "create", "grant", "revoke", "into"}

// checkColumns counts what the last select outside of brackets gives. Of a query
// without one nothing is said.
func checkColumns(words []sqlWord) string {
	start := -1
	for i, w := range words {
		if w.depth == 0 && w.text == "select" {
			if start >= 0 {
				break // a union: the first names the columns
			}
			start = i + 1
		}
	}
	if start < 0 {
		return ""
	}
	columns := 1
	for i, w := range words[start:] {
		if w.depth > 0 {
			continue
		}
		if w.text == "from" || w.text == "union" {
			break
		}
		if w.text == "," {
			columns++
		}
		if before := words[start+i-1].text; w.text == "*" && slices.Contains([]string{"select", "distinct", "all", ",", "."}, before) {
			return "The query does not name its columns, so a change of the table would change which is the prefix. Write the column with the prefix first, then the one with the dispatcher set."
		}
	}
	if columns == 1 {
		return "The query gives one column, and a row of a cache has two: the prefix, then the dispatcher set."
	}
	if columns != 2 {
		return fmt.Sprintf("The query gives %d columns, and a row of a cache has two: the prefix, then the dispatcher set.", columns)
	}
	return ""
}

// sqlWord is a word in lower case, a quoted name or text ("" and ” stand for
// them), or one character of punctuation.
type sqlWord struct {
	text        string
	depth       int // of brackets around it
	placeholder bool
}

// sqlWords splits a query. unclosed names a quote or comment that is not closed.
func sqlWords(query string) (words []sqlWord, unclosed string) {
	depth := 0
	add := func(text string, placeholder bool) {
		words = append(words, sqlWord{text, depth, placeholder})
	}
	rest := query
	for rest != "" {
		switch c := rest[0]; {
		case strings.HasPrefix(rest, "--"):
			_, rest, _ = strings.Cut(rest, "\n")
		case strings.HasPrefix(rest, "/*"):
			var closed bool
			if _, rest, closed = strings.Cut(rest[2:], "*/"); !closed {
				return nil, "comment"
			}
		case c == '\'' || c == '"':
			end := strings.IndexByte(rest[1:], c)
			if end < 0 {
				return nil, "quote"
			}
			add(strings.Repeat(string(c), 2), false) // a doubled quote is two texts, which does no harm
			rest = rest[end+2:]
		case strings.HasPrefix(rest, "::"):
			rest = rest[2:] // a cast
		case c == '?' || (c == '$' || c == ':' || c == '@') && len(rest) > 1 && isWordByte(rest[1]):
			n := 1 + wordLength(rest[1:])
			add(rest[:n], true)
			rest = rest[n:]
		case isWordByte(c):
			n := wordLength(rest)
			add(strings.ToLower(rest[:n]), false)
			rest = rest[n:]
		case c == '(':
			depth++
			rest = rest[1:]
		case c == ')':
			depth = max(depth-1, 0)
			rest = rest[1:]
		case unicode.IsSpace(rune(c)):
			rest = rest[1:]
		default:
			add(string(c), false)
			rest = rest[1:]
		}
	}
	return words, ""
}

func wordLength(text string) int {
	n := 0
	for n < len(text) && isWordByte(text[n]) {
		n++
	}
	return n
}

func isWordByte(c byte) bool {
	return c == '_' || c >= 0x80 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
