package spec

import "slices"

// relayPackage is rtpengine as Debian has it, from main.
var relayPackage = Package{Name: "rtpengine-daemon"}

// LocalInstances are the relays that run on the appliance itself, in order; a nil Media has none.
func (m *Media) LocalInstances() []*MediaInstance {
	if m == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(m.Instances), func(i *MediaInstance) bool { return !i.Local })
}

// Packages are those of the archive that the appliance needs beside what every one has, each
// once: what its hardware asks for, and rtpengine where a relay runs on it.
func (s *Spec) Packages() []Package {
	out := s.Hardware.Packages()
	if len(s.Media.LocalInstances()) > 0 {
		out = append(out, relayPackage)
	}
	return out
}
