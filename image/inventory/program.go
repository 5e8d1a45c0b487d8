package inventory

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"slices"
	"strings"
)

// ProgramOf describes an executable by what Go recorded in it (runtime/debug,
// BuildInfo). One that records nothing is described by its digest alone.
func ProgramOf(path string, data []byte) Program {
	digest := sha256.Sum256(data)
	p := Program{Path: path, SHA256: hex.EncodeToString(digest[:]), Modules: []Module{}}
	info, err := buildinfo.Read(bytes.NewReader(data))
	if err != nil {
		return p // no program of Go's, or stripped of its record
	}
	p.Go = info.GoVersion
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		p.Modules = append(p.Modules, Module{Path: m.Path, Version: m.Version, Sum: m.Sum})
	}
	slices.SortFunc(p.Modules, func(a, b Module) int { return strings.Compare(a.Path, b.Path) })
	return p
}
