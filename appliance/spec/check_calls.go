package spec

func (d *decoder) checkCalls(s *Spec) {}
