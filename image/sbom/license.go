package sbom

import (
	"regexp"
	"slices"
	"strings"
)

// known maps short names of Debian's machine-readable copyright files to
// identifiers of the SPDX licence list, where both mean the same text. Names that
// stand for a family of texts ("BSD", "MIT-style", "other") are left out.
var known = map[string]string{
	"0BSD":                            "0BSD",
	"Apache-2":                        "Apache-2.0",
	"Apache-2.0":                      "Apache-2.0",
	"Artistic-2.0":                    "Artistic-2.0",
	"BSD-2-clause":                    "BSD-2-Clause",
	"BSD-2-Clause":                    "BSD-2-Clause",
	"BSD-3-clause":                    "BSD-3-Clause",
	"BSD-3-Clause":                    "BSD-3-Clause",
	"BSD-4-clause-UC":                 "BSD-4-Clause-UC",
	"BSL-1.0":                         "BSL-1.0",
	"CC-BY-SA-3.0":                    "CC-BY-SA-3.0",
	"CC-BY-SA-4.0":                    "CC-BY-SA-4.0",
	"CC0":                             "CC0-1.0",
	"CC0-1.0":                         "CC0-1.0",
	"Expat":                           "MIT",
	"ISC":                             "ISC",
	"MIT-0":                           "MIT-0",
	"MPL-1.1":                         "MPL-1.1",
	"MPL-2.0":                         "MPL-2.0",
	"OpenSSL":                         "OpenSSL",
	"Unicode-DFS-2016":                "Unicode-DFS-2016",
	"Unlicense":                       "Unlicense",
	"Zlib":                            "Zlib",
	"zlib":                            "Zlib",
	"GFDL-NIV-1.3":                    "GFDL-1.3-no-invariants-only",
	"GFDL-NIV-1.3+":                   "GFDL-1.3-no-invariants-or-later",
	"GFDL-1.3-no-invariants-or-later": "GFDL-1.3-no-invariants-or-later",
}

// gnu is a licence of the GNU family with its version: "GPL-2+", "LGPL-2.1".
var gnu = regexp.MustCompile(`^(AGPL|GPL|LGPL|GFDL)-([1-3])(\.[0-9])?(\+|-only|-or-later)?$`)

// gnuVersions are those the SPDX list has.
var gnuVersions = map[string][]string{
	"AGPL": {"3.0"}, "GPL": {"1.0", "2.0", "3.0"}, "LGPL": {"2.0", "2.1", "3.0"}, "GFDL": {"1.1", "1.2", "1.3"},
}

// spdxID is the identifier of one licence; ok is false for one that is not known.
func spdxID(name string) (id string, ok bool) {
	if id, ok := known[name]; ok {
		return id, true
	}
	m := gnu.FindStringSubmatch(name)
	if m == nil {
		return "", false
	}
	version := m[2] + m[3]
	if m[3] == "" {
		version += ".0"
	}
	if !slices.Contains(gnuVersions[m[1]], version) {
		return "", false
	}
	if m[4] == "+" || m[4] == "-or-later" {
		return m[1] + "-" + version + "-or-later", true
	}
	return m[1] + "-" + version + "-only", true
}

// expression is what an SPDX expression (SPDX 2.3, annex D) for a package's
// licences is made of: all of them apply, each to some file. Other are the names
// that are on no list, by the reference the expression has for them.
func expression(pkg string, names []string, refs references) (text string, other map[string]string) {
	var terms []string
	other = map[string]string{}
	for _, n := range names {
		terms = append(terms, term(pkg, n, refs, other))
	}
	slices.Sort(terms)
	terms = slices.Compact(terms)
	if len(terms) > 1 {
		for i, t := range terms {
			if strings.Contains(t, " OR ") {
				terms[i] = "(" + t + ")"
			}
		}
	}
	return strings.Join(terms, " AND "), other
}

// term translates one licence of a copyright file: names joined by "or" and "and",
// of which "and" binds closer, as in SPDX. One with a comma, which would change
// that, or with an exception is taken as a whole: its text is what it is.
func term(pkg, name string, refs references, other map[string]string) string {
	if strings.Contains(name, ",") || strings.Contains(name, " with ") {
		return reference(pkg, name, refs, other)
	}
	var alternatives []string
	for _, alternative := range strings.Split(name, " or ") {
		var all []string
		for _, one := range strings.Split(alternative, " and ") {
			one = strings.TrimSpace(one)
			id, ok := spdxID(one)
			if !ok {
				id = reference(pkg, one, refs, other)
			}
			all = append(all, id)
		}
		alternatives = append(alternatives, strings.Join(all, " AND "))
	}
	return strings.Join(alternatives, " OR ")
}

// reference names a licence by the package it is of: two packages may call two
// texts by one name.
func reference(pkg, name string, refs references, other map[string]string) string {
	ref := refs.of("LicenseRef", pkg+"-"+name)
	other[ref] = name
	return ref
}
