package debian

import "slices"

// resolveApart resolves a profile without its extra packages of apart, and then with each of
// them alone: a package that one of these brought says so (Package.For), and one that two
// brought is every image's. What all images have decides between alternatives first, so that
// an image without the extra package lacks nothing.
func resolveApart(ix *Index, p Profile) ([]Package, error) {
	isApart := func(name string) bool { _, ok := apart[name]; return ok }
	common := p
	common.Hardware = slices.DeleteFunc(slices.Clone(p.Hardware), isApart)
	all, err := Resolve(ix, common)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, pkg := range all {
		names = append(names, pkg.Name)
	}
	for _, extra := range p.Hardware {
		if !isApart(extra) {
			continue
		}
		with := common
		with.Hardware = append(slices.Clone(names), extra)
		more, err := Resolve(ix, with)
		if err != nil {
			return nil, err
		}
		for _, pkg := range more {
			at, found := slices.BinarySearchFunc(all, pkg.Name, byName)
			if found {
				all[at].For = ""
				continue
			}
			pkg.For = extra
			all = slices.Insert(all, at, pkg)
		}
	}
	return all, nil
}

// PackagesFor are those of an image that asks for these extra packages: all but the ones that
// are there for another.
func (l *Lock) PackagesFor(extras []string) []Package {
	return slices.DeleteFunc(slices.Clone(l.Packages), func(p Package) bool { return p.For != "" && !slices.Contains(extras, p.For) })
}

// Apart are those of the extra packages that the lock has packages for which other images do
// without, sorted, each once: together with the lock they say which packages an image has.
func (l *Lock) Apart(extras []string) []string {
	var out []string
	for _, p := range l.Packages {
		if p.For != "" && slices.Contains(extras, p.For) {
			out = append(out, p.For)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
