package spec

func (d *decoder) session(root *section, s *Spec) {}

func (d *decoder) messages(root *section, s *Spec) {}
