package inventory

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"trunkline/image/debian"
)

// copyrightFormat is in the first paragraph of every machine-readable copyright
// file (DEP-5), with http or https and of any version.
const copyrightFormat = "www.debian.org/doc/packaging-manuals/copyright-format/"

// Licenses returns the licences a Debian copyright file names for files of its
// package, in the short names of the machine-readable format 1.0 ("GPL-2+ or
// Artistic-1.0"), each once, sorted. A file of another format gives none, and so
// does one that breaks the format.
func Licenses(copyright []byte) []string {
	r := debian.NewStanzaReader(bytes.NewReader(copyright))
	var out []string
	for first := true; ; first = false {
		s, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || first && !strings.Contains(s.Get("Format"), copyrightFormat) {
			return nil
		}
		// A paragraph with Files says what is under the licence; one without only
		// gives its text.
		if s.Get("Files") == "" {
			continue
		}
		name, _, _ := strings.Cut(s.Get("License"), "\n")
		if name = strings.Join(strings.Fields(name), " "); name != "" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
