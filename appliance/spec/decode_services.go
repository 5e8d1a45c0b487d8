package spec

func (d *decoder) secrets(root *section, s *Spec) {}

func (d *decoder) databases(root *section, s *Spec) {}

func (d *decoder) sockets(root *section, s *Spec) {}

func (d *decoder) control(root *section, s *Spec) {}

func (d *decoder) update(root *section, s *Spec) {}
