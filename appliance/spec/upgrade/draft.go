package upgrade

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// draftDurations are the attributes that were numbers of seconds, by block.
var draftDurations = map[string][]string{
	"workload":    {"call_duration", "ring_time"},
	"transaction": {"reply_timeout", "invite_timeout", "wait", "call_lifetime"},
	"probe":       {"interval", "timeout"},
	"limits":      {"retry_after"},
	"cache":       {"timeout"},
}

// fromDraft leads from format version 0 to 1.
func fromDraft(s *step) {
	for _, b := range s.bodies {
		s.draftBlocks(b.Blocks)
	}
}

func (s *step) draftBlocks(blocks hclsyntax.Blocks) {
	for _, b := range blocks {
		for _, name := range draftDurations[b.Type] {
			s.draftSeconds(b.Body.Attributes[name])
		}
		switch b.Type {
		case "listen":
			s.replace(b.TypeRange, "listener")
			s.draftListen(b)
		case "listener": // renamed by an upgrade that was cut short
			s.draftListen(b)
		case "workload":
			s.rename(b.Body, "calls", "concurrent_calls")
		case "destination":
			s.draftDestination(b.Body)
		}
		s.draftBlocks(b.Body.Blocks)
	}
}

func (s *step) draftListen(b *hclsyntax.Block) {
	body := b.Body
	if a := s.rename(body, "children", "workers"); a != nil {
		if n, ok := number(a.Expr); ok && n == 0 {
			s.replace(a.Expr.Range(), `"auto"`)
		}
	}
	a := body.Attributes["bind"]
	if a == nil {
		return
	}
	text, _ := literal(a.Expr)
	ap, err := netip.ParseAddrPort(text)
	addr := ap.Addr()
	if err != nil {
		addr, err = netip.ParseAddr(text)
	}
	switch taken := body.Attributes["address"]; {
	case taken != nil:
		s.byHand(a.NameRange, "bind became address and port, and there is an address as well. Remove one of the two.")
	case err != nil:
		s.byHand(a.Expr.Range(), "bind became address and port, and this is no plain \"ADDRESS:PORT\" to divide. Write both instead, for example address = \"203.0.113.10\" and port = 5060.")
	default:
		s.replace(a.NameRange, "address")
		s.replace(a.Expr.Range(), quote(addr.String()))
		if ap.IsValid() && ap.Port() != 0 {
			s.draftPort(b, a, ap.Port())
		}
	}
}

// draftPort writes the port on a line after the address.
func (s *step) draftPort(b *hclsyntax.Block, bind *hclsyntax.Attribute, port uint16) {
	if p := b.Body.Attributes["port"]; p != nil {
		s.byHand(p.NameRange, "bind, which became address and port, names a port as well. Remove one of the two.")
		return
	}
	line := fmt.Sprintf("\nport = %d", port)
	if b.OpenBraceRange.Start.Line == b.CloseBraceRange.Start.Line { // a block on one line holds one attribute
		s.replace(after(b.OpenBraceRange), "\n")
		s.replace(before(b.CloseBraceRange), line+"\n")
		return
	}
	// Behind the comment that may end the line of the address.
	src := s.files[bind.SrcRange.Filename].Bytes
	end := bind.Expr.Range()
	if n := bytes.IndexByte(src[end.End.Byte:], '\n'); n >= 0 {
		end.End.Byte += n
	}
	s.replace(after(end), line)
}

func (s *step) draftDestination(body *hclsyntax.Body) {
	a := s.rename(body, "address", "uri")
	if a == nil {
		return
	}
	at := a.Expr.Range()
	text, ok := literal(a.Expr)
	switch {
	case ok:
		s.replace(at, quote("sip:"+text))
	case strings.Contains(s.text(at), "\n"):
		s.byHand(at, "address became uri, with \"sip:\" before the address. Write it as uri = \"sip:10.0.0.11:5060\".")
	default:
		s.replace(at, `"sip:${`+s.text(at)+`}"`)
	}
}

// draftSeconds gives a number its unit. Text is in the new form already.
func (s *step) draftSeconds(a *hclsyntax.Attribute) {
	if a == nil {
		return
	}
	if _, ok := literal(a.Expr); ok {
		return
	}
	at := a.Expr.Range()
	n, ok := number(a.Expr)
	switch {
	case !ok && isTemplate(a.Expr):
	case !ok && strings.Contains(s.text(at), "\n"):
		s.byHand(at, fmt.Sprintf("%s was a number of seconds and is text with a unit. Write it as %s = \"30s\".", a.Name, a.Name))
	case !ok:
		s.replace(at, `"${`+s.text(at)+`}s"`)
	case n == float64(int64(n)):
		s.replace(at, quote(strconv.FormatInt(int64(n), 10)+"s"))
	default:
		s.replace(at, quote(strconv.FormatFloat(n, 'f', -1, 64)+"s"))
	}
}

// rename gives an attribute its new name and returns it; nil when it is absent.
func (s *step) rename(body *hclsyntax.Body, from, to string) *hclsyntax.Attribute {
	a := body.Attributes[from]
	if a == nil {
		return nil
	}
	if body.Attributes[to] != nil {
		s.byHand(a.NameRange, fmt.Sprintf("%s became %s, and there is %s as well. Remove one of the two.", from, to, to))
		return nil
	}
	s.replace(a.NameRange, to)
	return a
}

// before and after are the empty places on both sides of a range.
func before(r hcl.Range) hcl.Range {
	return hcl.Range{Filename: r.Filename, Start: r.Start, End: r.Start}
}
func after(r hcl.Range) hcl.Range { return hcl.Range{Filename: r.Filename, Start: r.End, End: r.End} }

// quote writes text as HCL has it.
func quote(text string) string {
	return string(hclwrite.TokensForValue(cty.StringVal(text)).Bytes())
}

// literal is the value of text written out, without anything to compute.
func literal(e hclsyntax.Expression) (string, bool) {
	t, ok := e.(*hclsyntax.TemplateExpr)
	if !ok || !t.IsStringLiteral() {
		return "", false
	}
	v, diags := t.Value(nil)
	if diags.HasErrors() {
		return "", false
	}
	return v.AsString(), true
}

func isTemplate(e hclsyntax.Expression) bool {
	switch e.(type) {
	case *hclsyntax.TemplateExpr, *hclsyntax.TemplateWrapExpr:
		return true
	}
	return false
}

// number is the value of a number written out.
func number(e hclsyntax.Expression) (float64, bool) {
	l, ok := e.(*hclsyntax.LiteralValueExpr)
	if !ok || l.Val.IsNull() || l.Val.Type() != cty.Number {
		return 0, false
	}
	f, _ := l.Val.AsBigFloat().Float64()
	return f, true
}
