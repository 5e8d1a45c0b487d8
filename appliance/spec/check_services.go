package spec

func (d *decoder) checkServices(s *Spec) {}
