package spec

func (d *decoder) checkMedia(s *Spec) {}
