package spec

func (d *decoder) media(root *section, s *Spec) {}
