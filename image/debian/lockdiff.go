package debian

// A Change is one difference between two locks.
type Change struct {
	Name             string
	Old, New         string // versions; Old "" = added, New "" = removed
	OldSize, NewSize int64  // of the packages, bytes; 0 where there is none
}

// Diff lists what differs from old (which may be nil) to l, sorted by name. A
// package rebuilt under the same version counts as changed.
func (l *Lock) Diff(old *Lock) []Change {
	var out []Change
	var before []Package
	if old != nil {
		before = old.Packages
	}
	i, j := 0, 0
	for i < len(before) || j < len(l.Packages) {
		switch {
		case j == len(l.Packages) || i < len(before) && before[i].Name < l.Packages[j].Name:
			out = append(out, Change{Name: before[i].Name, Old: before[i].Version, OldSize: before[i].Size})
			i++
		case i == len(before) || l.Packages[j].Name < before[i].Name:
			out = append(out, Change{Name: l.Packages[j].Name, New: l.Packages[j].Version, NewSize: l.Packages[j].Size})
			j++
		default:
			if a, b := before[i], l.Packages[j]; a.Version != b.Version || a.SHA256 != b.SHA256 {
				out = append(out, Change{Name: a.Name, Old: a.Version, New: b.Version, OldSize: a.Size, NewSize: b.Size})
			}
			i, j = i+1, j+1
		}
	}
	return out
}
