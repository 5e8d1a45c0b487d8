package spec

import (
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

// tooDeep looks at the tokens of a file alone and reports what must not reach
// the parser.
func tooDeep(src []byte, display string) *hcl.Diagnostic {
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
