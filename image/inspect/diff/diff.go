// Package diff says what differs between two images: packages, modules of the
// programs, enabled units, files of the config layer and of the root image, kernel
// and its command line.
//
// What is promised: only what the images hold is compared, and two images of one
// digest never differ. Lists are sorted by name.
package diff

import (
	"slices"
	"strings"

	"trunkline/image/inspect"
	"trunkline/image/inventory"
)

// FormatVersion is the version of the JSON form of a Diff: it grows when a field
// changes its meaning.
const FormatVersion = 1

// Diff is what differs.
type Diff struct {
	FormatVersion int  `json:"format_version"`
	Changed       bool `json:"changed"`
	Before        Side `json:"before"`
	After         Side `json:"after"`

	Facts    []Change     `json:"facts"`    // kernel, system, version, profile, lock, signature
	Cmdline  []Change     `json:"cmdline"`  // kernel parameters
	Packages []Change     `json:"packages"` // versions
	Modules  []Change     `json:"modules"`  // Go modules of the programs: "usr/bin/sbcd golang.org/x/sys"
	Units    []Change     `json:"units"`    // what enables them
	Config   []FileChange `json:"config"`
	Root     []FileChange `json:"root"`
	Initrd   []FileChange `json:"initrd"`
	ESP      []FileChange `json:"esp"` // when both are disks
	// Sections are the names of those that differ beyond what is listed above: code
	// of the stub.
	Sections []string `json:"sections"`
}

// Side is one of the two images.
type Side struct {
	Path   string `json:"path"`
	Digest string `json:"digest"` // of the image; empty for one of an older version
	SHA256 string `json:"sha256"` // of the unified kernel image as a file
}

// Change is one name whose value differs. An empty value: it is not there.
type Change struct {
	Name   string `json:"name"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// FileChange is one file that differs; nil: it is not there.
type FileChange struct {
	Path   string        `json:"path"`
	Before *inspect.File `json:"before,omitempty"`
	After  *inspect.File `json:"after,omitempty"`
}

// Compare compares two images.
func Compare(before, after *inspect.Image) *Diff {
	d := &Diff{FormatVersion: FormatVersion, Before: side(before), After: side(after)}
	d.Facts = changes(facts(before), facts(after))
	d.Cmdline = changes(parameters(before), parameters(after))
	d.Packages = changes(packages(before.Inventory), packages(after.Inventory))
	d.Modules = changes(modules(before.Inventory), modules(after.Inventory))
	d.Units = changes(units(before.Units), units(after.Units))
	d.Config = files(before.Config, after.Config)
	d.Root = files(before.Root, after.Root)
	d.Initrd = files(before.Initrd, after.Initrd)
	d.ESP = []FileChange{}
	if before.Disk != nil && after.Disk != nil {
		d.ESP = files(before.Disk.Files, after.Disk.Files)
	}
	d.Sections = sections(before, after)
	d.Changed = len(d.Facts)+len(d.Cmdline)+len(d.Packages)+len(d.Modules)+len(d.Units)+len(d.Sections)+
		len(d.Config)+len(d.Root)+len(d.Initrd)+len(d.ESP) > 0 || before.UKI.SHA256 != after.UKI.SHA256
	return d
}

func side(img *inspect.Image) Side {
	return Side{Path: img.Path, Digest: img.Digest, SHA256: img.UKI.SHA256}
}

// changes lists the names whose values differ, sorted.
func changes(before, after map[string]string) []Change {
	out := []Change{}
	for name, was := range before {
		if is := after[name]; is != was {
			out = append(out, Change{name, was, is})
		}
	}
	for name, is := range after {
		if _, known := before[name]; !known {
			out = append(out, Change{Name: name, After: is})
		}
	}
	slices.SortFunc(out, func(a, b Change) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func facts(img *inspect.Image) map[string]string {
	out := map[string]string{"kernel": img.Kernel, "system": img.OS.Name + " " + img.OS.Version, "version": img.OS.ImageVersion, "signature": "none"}
	var signed []string
	for _, s := range img.UKI.Signatures {
		signed = append(signed, s.Subject+" (certificate "+s.Certificate[:min(16, len(s.Certificate))]+")")
	}
	if len(signed) > 0 {
		out["signature"] = strings.Join(signed, ", ")
	}
	if v := img.Inventory; v != nil {
		out["profile"], out["lock"] = v.Profile, v.Lock
		for _, p := range v.Programs {
			out["Go of "+p.Path] = p.Go
		}
	}
	return out
}

// parameters are those of the command line, without the digest of the image: it
// always differs when anything does. One given several times keeps all its values.
func parameters(img *inspect.Image) map[string]string {
	out := map[string]string{}
	for _, word := range strings.Fields(img.Cmdline) {
		name, _, _ := strings.Cut(word, "=")
		if img.DigestNamed != "" && strings.HasSuffix(word, "="+img.DigestNamed) {
			continue
		}
		if out[name] != "" {
			word = out[name] + " " + word
		}
		out[name] = word
	}
	return out
}

func packages(v *inventory.Inventory) map[string]string {
	out := map[string]string{}
	if v != nil {
		for _, p := range v.Packages {
			out[p.Name] = p.Version
		}
	}
	return out
}

func modules(v *inventory.Inventory) map[string]string {
	out := map[string]string{}
	if v != nil {
		for _, p := range v.Programs {
			for _, m := range p.Modules {
				out[p.Path+" "+m.Path] = m.Version
			}
		}
	}
	return out
}

func units(list []inspect.Unit) map[string]string {
	out := map[string]string{}
	for _, u := range list {
		by := strings.Join(u.By, ", ") + " (" + u.From + ")"
		if out[u.Name] != "" {
			by = out[u.Name] + "; " + by
		}
		out[u.Name] = by
	}
	return out
}

// files lists the files that differ in mode, content or target.
func files(before, after []inspect.File) []FileChange {
	at := map[string]*FileChange{}
	for i := range before {
		at[before[i].Path] = &FileChange{Path: before[i].Path, Before: &before[i]}
	}
	for i := range after {
		p := after[i].Path
		if at[p] == nil {
			at[p] = &FileChange{Path: p}
		}
		at[p].After = &after[i]
	}
	out := []FileChange{}
	for _, c := range at {
		if c.Before == nil || c.After == nil || !same(c.Before, c.After) {
			out = append(out, *c)
		}
	}
	slices.SortFunc(out, func(a, b FileChange) int { return strings.Compare(a.Path, b.Path) })
	return out
}

func same(a, b *inspect.File) bool {
	return a.Mode == b.Mode && a.Size == b.Size && a.SHA256 == b.SHA256 && a.Link == b.Link
}

// told are sections whose content is compared in other terms.
var told = []string{".cmdline", ".initrd", ".osrel", ".uname"}

func sections(before, after *inspect.Image) []string {
	sums := func(img *inspect.Image) map[string]string {
		out := map[string]string{}
		for _, s := range img.UKI.Sections {
			if !slices.Contains(told, s.Name) {
				out[s.Name] = s.SHA256
			}
		}
		return out
	}
	out := []string{}
	for _, c := range changes(sums(before), sums(after)) {
		out = append(out, c.Name)
	}
	return out
}
