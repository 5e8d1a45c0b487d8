package spec

// stated reports whether an attribute has a value: it is written, and not null,
// which is how an expression leaves an attribute out. What has no value because of
// a mistake counts as stated.
func (s *section) stated(name string) bool {
	a := s.attrs[name]
	if a == nil {
		return false
	}
	v, diags := a.Expr.Value(s.ctx)
	return diags.HasErrors() || !v.IsNull()
}
