package modules

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Indexes returns the index files of a selection, by name relative to the
// directory of the kernel's release. The selection must be closed and in the
// order Select gives.
func (l *Library) Indexes(sel []*Module) (map[string][]byte, error) {
	dep, alias, symbols := newIndex(), newIndex(), newIndex()
	var softdep, weakdep, devname bytes.Buffer
	byName := make(map[string]*Module, len(sel))
	for _, m := range sel {
		byName[m.Name] = m
	}
	for i, m := range sel {
		if err := dep.add(m.Name, depLine(m, byName), i); err != nil {
			return nil, err
		}
		for _, a := range m.Aliases {
			if err := alias.add(normalAlias(a), m.Name, i); err != nil {
				return nil, fmt.Errorf("alias of %s: %w", m.Name, err)
			}
		}
		for _, s := range m.Exports {
			if err := symbols.add("symbol:"+s, m.Name, i); err != nil {
				return nil, fmt.Errorf("symbol of %s: %w", m.Name, err)
			}
		}
		for _, s := range m.Soft {
			fmt.Fprintf(&softdep, "softdep %s %s\n", m.Name, s)
		}
		for _, s := range m.Weak {
			fmt.Fprintf(&weakdep, "weakdep %s %s\n", m.Name, s)
		}
		if m.DevName != "" {
			fmt.Fprintf(&devname, "%s %s\n", m.Name, m.DevName)
		}
	}
	builtin, builtinAlias, err := l.builtinIndexes()
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{
		"modules.softdep": softdep.Bytes(), "modules.weakdep": weakdep.Bytes(), "modules.devname": devname.Bytes(),
		// libkmod lists built-in modules' parameters from these.
		"modules.builtin": l.builtin, "modules.builtin.modinfo": l.builtinModinfo,
	}
	for name, x := range map[string]*index{
		"modules.dep.bin": dep, "modules.alias.bin": alias, "modules.symbols.bin": symbols,
		"modules.builtin.bin": builtin, "modules.builtin.alias.bin": builtinAlias,
	} {
		if out[name], err = x.bytes(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return out, nil
}

func (l *Library) builtinIndexes() (names, aliases *index, err error) {
	names, aliases = newIndex(), newIndex()
	for line := range strings.Lines(string(l.builtin)) {
		if n, ok := nameOf(strings.TrimSpace(line)); ok {
			if err := names.add(n, "", 0); err != nil {
				return nil, nil, fmt.Errorf("modules.builtin: %w", err)
			}
		}
	}
	// Records are "module.key=value".
	for rec := range bytes.SplitSeq(l.builtinModinfo, []byte{0}) {
		mod, rest, _ := strings.Cut(string(rec), ".")
		if a, ok := strings.CutPrefix(rest, "alias="); ok {
			if err := aliases.add(normalAlias(a), underscores(mod), 0); err != nil {
				return nil, nil, fmt.Errorf("modules.builtin.modinfo: %w", err)
			}
		}
	}
	return names, aliases, nil
}

// depLine is "path: dependencies", all of them, each before what it needs itself:
// libkmod loads from the last to the first.
func depLine(m *Module, byName map[string]*Module) string {
	var after []*Module // post-order: a module after all it needs
	seen := map[string]bool{m.Name: true}
	var visit func(string)
	visit = func(name string) {
		d := byName[name]
		if d == nil || seen[name] { // not there: built in, or Select would have refused
			return
		}
		seen[name] = true
		for _, n := range d.Depends {
			visit(n)
		}
		after = append(after, d)
	}
	for _, n := range m.Depends {
		visit(n)
	}
	var b strings.Builder
	b.WriteString(m.Path + ":")
	for _, d := range slices.Backward(after) {
		b.WriteString(" " + d.Path)
	}
	return b.String()
}

// normalAlias writes '_' for '-' outside of brackets, as libkmod does with what it
// looks up.
func normalAlias(a string) string {
	b := []byte(a)
	in := false
	for i, c := range b {
		switch {
		case c == '[':
			in = true
		case c == ']':
			in = false
		case c == '-' && !in:
			b[i] = '_'
		}
	}
	return string(b)
}
