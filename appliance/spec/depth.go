package spec

import (
	"bytes"
	"fmt"
	"regexp"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// HCL's parser and evaluator recurse, and numbers have unbounded exponents: a
// small hostile file could end the process or keep it busy for hours. Specs are
// checked on every push, so such a file must end in a diagnostic.
const (
	maxNesting = 100    // brackets, quotes and templates inside each other
	maxPrefix  = 10_000 // operators that nest without brackets: - ! ?
)

var hugeExponent = regexp.MustCompile(`^[0-9.]+[eE][+-]?[0-9]{4,}$`)

// tooDeep reports what must not reach the parser.
func tooDeep(src []byte, display string) *hcl.Diagnostic {
	if shallow(src) {
		return nil
	}
	return deepTokens(src, display)
}

// deepTokens looks at the tokens of a file alone.
func deepTokens(src []byte, display string) *hcl.Diagnostic {
	tokens, _ := hclsyntax.LexConfig(src, display, hcl.InitialPos) // the parser reports its complaints
	report := func(at hcl.Range, summary, detail string) *hcl.Diagnostic {
		return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: &at}
	}
	depth, prefix := 0, 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote,
			hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			if depth++; depth > maxNesting {
				return report(t.Range, "Nested too deeply", fmt.Sprintf("Blocks, brackets and quotes nest %d deep at most. Write this without nesting.", maxNesting))
			}
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote,
			hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
			depth = max(depth-1, 0)
		case hclsyntax.TokenMinus, hclsyntax.TokenBang, hclsyntax.TokenQuestion:
			if prefix++; prefix > maxPrefix {
				return report(t.Range, "Too many operators", fmt.Sprintf("A file holds at most %d of the operators -, ! and ?. Write the values themselves.", maxPrefix))
			}
		case hclsyntax.TokenNumberLit, hclsyntax.TokenQuotedLit, hclsyntax.TokenStringLit:
			if hugeExponent.Match(t.Bytes) {
				return report(t.Range, "Number out of range", "The exponent of this number is beyond anything a spec can mean. Write the digits.")
			}
		}
	}
	return nil
}

// shallow reports whether a file is so plain that its bytes alone show that tooDeep has
// nothing to say: brackets, strings without templates and escapes, comments to the end of
// a line. Nearly all specs are; reading their tokens a second time took a quarter of their load.
// False says nothing.
func shallow(src []byte) bool {
	depth, prefix := 0, 0
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case c == '"':
			n := plainString(src[i+1:])
			if n < 0 || depth == maxNesting {
				return false
			}
			i += n + 1
		case c == '#' || c == '/' && i+1 < len(src) && src[i+1] == '/':
			n := bytes.IndexByte(src[i:], '\n')
			if n < 0 {
				return true
			}
			i += n
		case c == '{' || c == '[' || c == '(':
			if depth++; depth > maxNesting {
				return false
			}
		case c == '}' || c == ']' || c == ')':
			depth = max(depth-1, 0)
		case c == '-' || c == '!' || c == '?':
			if prefix++; prefix > maxPrefix {
				return false
			}
		case c == 'e' || c == 'E': // of a number?
			if i > 0 && (src[i-1] == '.' || '0' <= src[i-1] && src[i-1] <= '9') {
				return false
			}
		case c == '/' || c == '<' || c == '$' || c == '%' || c == '`' || c >= 0x80: // comments over lines, heredocs, templates
			return false
		}
	}
	return true
}

// plainString is the length of a string without its quotes, from after the first one.
// Below zero: it ends on another line or not at all, holds templates or escapes, or
// may be a number.
func plainString(s []byte) int {
	for i, c := range s {
		switch {
		case c == '"':
			return i
		case c == '\n' || c == '\\' || c == '$' || c == '%':
			return -1
		case (c == 'e' || c == 'E') && i > 0 && (s[i-1] == '.' || '0' <= s[i-1] && s[i-1] <= '9'):
			return -1
		}
	}
	return -1
}
