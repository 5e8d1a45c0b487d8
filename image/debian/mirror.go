package debian

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"sort"
	"strings"
)

// MirrorVariable is the environment variable that names a mirror.
const MirrorVariable = "TRUNKLINE_MIRROR"

// ErrNoMirror is wrapped by FindMirror when no address is to be found.
var ErrNoMirror = errors.New("no Debian mirror is configured")

// MirrorSources are the places an address may come from, tried in order. None is
// compiled in.
type MirrorSources struct {
	Flag string // --mirror, or the spec's value
	Env  string // value of MirrorVariable
	// Apt is the directory /etc/apt of the build host; nil: not looked at.
	Apt fs.FS
}

// FindMirror returns the base address of a Debian archive: the directory that
// holds dists/ and pool/. Of the host's apt configuration only Debian's own
// archive counts: a host of another Debian release serves every suite from the
// same address, a third-party archive or another distribution does not.
func FindMirror(s MirrorSources) (*url.URL, error) {
	for _, c := range []struct{ from, value string }{{"--mirror", s.Flag}, {MirrorVariable, s.Env}} {
		if c.value == "" {
			continue
		}
		u, err := ParseMirror(c.value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.from, err)
		}
		return u, nil
	}
	if s.Apt != nil {
		sources, err := readApt(s.Apt)
		if err != nil {
			return nil, err
		}
		if u := best(sources); u != nil {
			return u, nil
		}
	}
	return nil, fmt.Errorf("%w, and this machine's apt configuration names none: give --mirror URL or set %s (the directory that holds dists/ and pool/)", ErrNoMirror, MirrorVariable)
}

// ParseMirror checks a mirror's address: http, https, or file with an absolute path.
func ParseMirror(s string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(strings.TrimSpace(s), "/"))
	if err != nil {
		return nil, fmt.Errorf("mirror address %q: not a URL", s)
	}
	switch {
	case u.Scheme == "file" && u.Host == "" && path.IsAbs(u.Path):
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
	default:
		return nil, fmt.Errorf("mirror address %q: must be http://HOST/PATH, https://HOST/PATH or file:///PATH", u.Redacted())
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("mirror address %q: must not have a query or fragment", u.Redacted())
	}
	return u, nil
}

// aptSource is one binary archive of the host's apt configuration.
type aptSource struct {
	uri, suite string
	components []string
	signedBy   string
}

// debianSuites are the names under which Debian publishes main archives. Suites
// such as "bookworm-updates" live at the same address, but third parties use
// compound names too, so those do not count.
var debianSuites = []string{
	"buster", "bullseye", "bookworm", "trixie", "forky", "duke", "sid",
	"oldoldstable", "oldstable", "stable", "testing", "unstable",
}

// rank says how likely a source is Debian's own archive; 0: it is not.
func (s aptSource) rank() int {
	if !slices.Contains(debianSuites, s.suite) || !slices.Contains(s.components, "main") {
		return 0
	}
	if _, err := ParseMirror(s.uri); err != nil {
		return 0 // cdrom:, mirror+file: and the like
	}
	switch {
	case strings.HasPrefix(path.Base(s.signedBy), "debian-archive-"):
		return 3
	case s.signedBy != "": // some other archive's key
		return 0
	case path.Base(strings.TrimRight(s.uri, "/")) == "debian":
		return 2
	}
	return 1
}

// best returns the address of the most likely source, the first of equals. What
// it serves is still checked against the keyring.
func best(sources []aptSource) *url.URL {
	var found *url.URL
	top := 0
	for _, s := range sources {
		if r := s.rank(); r > top {
			u, err := ParseMirror(s.uri)
			if err != nil {
				continue
			}
			found, top = u, r
		}
	}
	return found
}

// readApt reads sources.list and sources.list.d, in the order apt does.
func readApt(etc fs.FS) ([]aptSource, error) {
	names := []string{"sources.list"}
	entries, err := fs.ReadDir(etc, "sources.list.d")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("apt configuration: %w", err)
	}
	var more []string
	for _, e := range entries {
		if ext := path.Ext(e.Name()); !e.IsDir() && (ext == ".list" || ext == ".sources") {
			more = append(more, "sources.list.d/"+e.Name())
		}
	}
	sort.Strings(more)
	var out []aptSource
	for _, name := range append(names, more...) {
		b, err := fs.ReadFile(etc, name)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			continue // files with credentials may be closed to us; the others will do
		}
		if err != nil {
			return nil, fmt.Errorf("apt configuration: %w", err)
		}
		if path.Ext(name) == ".sources" {
			out = append(out, deb822Sources(string(b))...)
		} else {
			out = append(out, oneLineSources(string(b))...)
		}
	}
	return out, nil
}

// oneLineSources parses `deb [options] URI suite component...`. Lines it cannot
// read are apt's business, not ours.
func oneLineSources(text string) []aptSource {
	var out []aptSource
	for _, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb")
		if !ok || rest == "" || rest[0] != ' ' && rest[0] != '\t' && rest[0] != '[' {
			continue
		}
		var s aptSource
		rest = strings.TrimSpace(rest)
		if strings.HasPrefix(rest, "[") {
			options, after, ok := strings.Cut(rest[1:], "]")
			if !ok {
				continue
			}
			for _, o := range strings.Fields(options) {
				if v, ok := strings.CutPrefix(strings.ToLower(o), "signed-by="); ok {
					s.signedBy = v
				}
			}
			rest = after
		}
		f := strings.Fields(rest)
		if len(f) < 3 {
			continue
		}
		s.uri, s.suite, s.components = f[0], f[1], f[2:]
		out = append(out, s)
	}
	return out
}

// deb822Sources parses the stanzas of a .sources file.
func deb822Sources(text string) []aptSource {
	var out []aptSource
	r := NewStanzaReader(strings.NewReader(text))
	for {
		st, err := r.Next()
		if err != nil {
			return out
		}
		if strings.EqualFold(st.Get("Enabled"), "no") || !slices.Contains(strings.Fields(st.Get("Types")), "deb") {
			continue
		}
		signedBy := st.Get("Signed-By")
		if strings.Contains(signedBy, "BEGIN PGP") {
			signedBy = "embedded key" // whose, the fetched index will show
		}
		for _, uri := range strings.Fields(st.Get("URIs")) {
			for _, suite := range strings.Fields(st.Get("Suites")) {
				out = append(out, aptSource{uri: uri, suite: suite, components: strings.Fields(st.Get("Components")), signedBy: signedBy})
			}
		}
	}
}
