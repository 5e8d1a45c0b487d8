// Package modules selects kernel modules with all they depend on and writes the
// indexes kmod finds them by, as depmod would.
//
// What is promised: a selection is closed over hard dependencies (depends= of
// .modinfo) and over those soft ones the kernel package has; a pattern that
// matches nothing is an error. The indexes are kmod's binary format (magic
// B007F457, version 2.1; libkmod reads no other), for exactly the modules kept.
// Module files stay as they are packed: the kernel unpacks and verifies them.
//
// Module names are as the kernel prints them: '_' for '-'. Paths are relative to
// the directory of the kernel's release ("kernel/drivers/block/loop.ko.xz").
package modules

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// A Module is one module file and what its .modinfo and symbol table say.
type Module struct {
	Name     string // as lsmod prints it
	Path     string
	Data     []byte   // as packed
	Depends  []string // names, hard dependencies, as listed
	Soft     []string // "pre: a b post: c", as written
	Weak     []string
	Aliases  []string // as written
	Exports  []string // symbols other modules may use, sorted
	Firmware []string // files it may ask for, below /usr/lib/firmware; patterns at times
	DevName  string   // "/dev/<node> c10:237" as depmod writes it, without the module; empty: none

	order int // place in modules.order: a lower one wins when several match
}

// A Library is all modules of a kernel package, read as they are asked for.
type Library struct {
	files  map[string][]byte // path -> packed data
	byName map[string]string // name -> path
	order  map[string]int    // path without compression suffix -> line of modules.order
	loaded map[string]*Module

	builtin        []byte // modules.builtin
	builtinModinfo []byte // modules.builtin.modinfo
}

// NewLibrary takes the files below /usr/lib/modules/RELEASE, by path relative to it.
func NewLibrary(files map[string][]byte) (*Library, error) {
	l := &Library{
		files: files, byName: map[string]string{}, order: map[string]int{}, loaded: map[string]*Module{},
		builtin: files["modules.builtin"], builtinModinfo: files["modules.builtin.modinfo"],
	}
	for _, p := range slices.Sorted(maps.Keys(files)) {
		name, ok := nameOf(p)
		if !ok {
			continue
		}
		if other, dup := l.byName[name]; dup {
			return nil, fmt.Errorf("kernel modules %s and %s have one name", other, p)
		}
		l.byName[name] = p
	}
	if len(l.byName) == 0 {
		return nil, fmt.Errorf("the kernel package has no modules")
	}
	for i, line := range strings.Fields(string(files["modules.order"])) {
		l.order[line] = i
	}
	return l, nil
}

// Count is the number of modules.
func (l *Library) Count() int { return len(l.byName) }

// Module reads the module of that name. There is none: nil.
func (l *Library) Module(name string) (*Module, error) {
	name = underscores(name)
	if m := l.loaded[name]; m != nil {
		return m, nil
	}
	p, ok := l.byName[name]
	if !ok {
		return nil, nil
	}
	m, err := parse(name, p, l.files[p])
	if err != nil {
		return nil, fmt.Errorf("kernel module %s: %w", p, err)
	}
	if i, ok := l.order[uncompressed(p)]; ok {
		m.order = i
	} else {
		m.order = len(l.order)
	}
	l.loaded[name] = m
	return m, nil
}

// Builtin reports whether the module of that name is part of the kernel itself.
func (l *Library) Builtin(name string) bool {
	for line := range strings.Lines(string(l.builtin)) {
		if n, ok := nameOf(strings.TrimSpace(line)); ok && n == underscores(name) {
			return true
		}
	}
	return false
}

// Select returns the modules whose paths match one of the patterns, and all they
// need, in kmod's order of preference. A pattern is a path.Match pattern without
// the file suffix ("kernel/net/sched/sch_fq"), or a directory with all below it
// when it ends in "/".
//
// The named modules come beside them: the drivers of a machine. One that the kernel
// package does not have is an UnknownModule.
func (l *Library) Select(patterns []string, named ...string) ([]*Module, error) {
	names, err := l.named(named)
	if err != nil {
		return nil, err
	}
	for _, pat := range patterns {
		hits := 0
		for name, p := range l.byName {
			if matches(pat, p) {
				names = append(names, name)
				hits++
			}
		}
		if hits == 0 && !l.builtinMatches(pat) {
			return nil, fmt.Errorf("no kernel module matches %q: the kernel package has changed, mend the selection", pat)
		}
	}
	slices.Sort(names)
	kept := map[string]*Module{}
	for _, n := range names {
		if err := l.closure(n, kept, true); err != nil {
			return nil, err
		}
	}
	out := slices.Collect(maps.Values(kept))
	slices.SortFunc(out, compare)
	return out, nil
}

// LoadOrder returns the named modules and all they need by depends=, each after
// what it needs. Names that are built in are left out.
func (l *Library) LoadOrder(names []string) ([]*Module, error) {
	var out []*Module
	done := map[string]bool{}
	var visit func(string) error
	visit = func(name string) error {
		if done[name] {
			return nil
		}
		done[name] = true // the kernel's modules have no cycles; one would end here
		m, err := l.Module(name)
		if err != nil {
			return err
		}
		if m == nil {
			if l.Builtin(name) {
				return nil
			}
			return fmt.Errorf("kernel module %s is neither in the kernel package nor built in", name)
		}
		for _, d := range m.Depends {
			if err := visit(d); err != nil {
				return err
			}
		}
		out = append(out, m)
		return nil
	}
	for _, n := range names {
		if err := visit(underscores(n)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (l *Library) closure(name string, kept map[string]*Module, hard bool) error {
	if kept[name] != nil {
		return nil
	}
	m, err := l.Module(name)
	if err != nil {
		return err
	}
	if m == nil {
		if !hard || l.Builtin(name) {
			return nil
		}
		return fmt.Errorf("kernel module %s is needed, but neither in the kernel package nor built in", name)
	}
	kept[name] = m
	for _, d := range m.Depends {
		if err := l.closure(d, kept, true); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, s := range m.Soft {
		for _, d := range strings.Fields(s) {
			if strings.HasSuffix(d, ":") {
				continue
			}
			if err := l.closure(underscores(d), kept, false); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

func (l *Library) builtinMatches(pat string) bool {
	for line := range strings.Lines(string(l.builtin)) {
		if matches(pat, strings.TrimSpace(line)) {
			return true
		}
	}
	return false
}

func matches(pat, p string) bool {
	if strings.HasSuffix(pat, "/") {
		return strings.HasPrefix(p, pat)
	}
	ok, _ := path.Match(pat, strings.TrimSuffix(uncompressed(p), ".ko"))
	return ok
}

// compare orders modules as depmod does: modules.order, then path.
func compare(a, b *Module) int {
	if a.order != b.order {
		return a.order - b.order
	}
	return strings.Compare(a.Path, b.Path)
}

// nameOf returns the module name of a file's path, ok = false for other files.
func nameOf(p string) (string, bool) {
	base := path.Base(uncompressed(p))
	name, ok := strings.CutSuffix(base, ".ko")
	return underscores(name), ok
}

func uncompressed(p string) string {
	for _, s := range []string{".xz", ".zst", ".gz"} {
		if q, ok := strings.CutSuffix(p, s); ok {
			return q
		}
	}
	return p
}

func underscores(s string) string { return strings.ReplaceAll(s, "-", "_") }
