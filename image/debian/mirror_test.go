package debian

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

func TestFindMirror(t *testing.T) {
	apt := func(files ...string) fs.FS {
		m := fstest.MapFS{}
		for i := 0; i < len(files); i += 2 {
			m[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
		}
		return m
	}
	const debian12 = `Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
`
	tests := map[string]struct {
		s    MirrorSources
		want string // address, or
		err  string
	}{
		"flag wins":          {MirrorSources{Flag: "http://a.example/x/", Env: "http://b.example/", Apt: apt("sources.list.d/debian.sources", debian12)}, "http://a.example/x", ""},
		"then the variable":  {MirrorSources{Env: "https://b.example/debian", Apt: apt("sources.list.d/debian.sources", debian12)}, "https://b.example/debian", ""},
		"deb822":             {MirrorSources{Apt: apt("sources.list.d/debian.sources", debian12)}, "http://mirror.example/debian", ""},
		"one line":           {MirrorSources{Apt: apt("sources.list", "# deb http://no.example/debian trixie main\ndeb http://mirror.example/debian/ trixie main # c\n")}, "http://mirror.example/debian", ""},
		"options":            {MirrorSources{Apt: apt("sources.list", "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] https://m.example/d stable main")}, "https://m.example/d", ""},
		"local directory":    {MirrorSources{Flag: "file:///srv/debian"}, "file:///srv/debian", ""},
		"third party first":  {MirrorSources{Apt: apt("sources.list", "deb [signed-by=/usr/share/keyrings/other.gpg] http://o.example/debian bookworm main\ndeb http://m.example/debian bookworm main")}, "http://m.example/debian", ""},
		"known key wins":     {MirrorSources{Apt: apt("sources.list", "deb http://o.example/debian bookworm main", "sources.list.d/debian.sources", debian12)}, "http://mirror.example/debian", ""},
		"disabled":           {MirrorSources{Apt: apt("sources.list.d/debian.sources", "Enabled: no\n"+debian12)}, "", "no Debian mirror"},
		"sources only":       {MirrorSources{Apt: apt("sources.list", "deb-src http://m.example/debian trixie main")}, "", "no Debian mirror"},
		"Ubuntu":             {MirrorSources{Apt: apt("sources.list.d/ubuntu.sources", "Types: deb\nURIs: http://m.example/ubuntu\nSuites: noble noble-updates\nComponents: main universe\nSigned-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg\n")}, "", "--mirror URL or set TRUNKLINE_MIRROR"},
		"third party only":   {MirrorSources{Apt: apt("sources.list", "deb http://m.example/apt tool-bookworm main", "sources.list.d/x.sources", "Types: deb\nURIs: http://m.example/n\nSuites: nodistro\nComponents: main\n")}, "", "no Debian mirror"},
		"cdrom":              {MirrorSources{Apt: apt("sources.list", "deb cdrom:[Debian 13]/ trixie main")}, "", "no Debian mirror"},
		"no apt":             {MirrorSources{}, "", "no Debian mirror"},
		"flag not a URL":     {MirrorSources{Flag: "mirror.example/debian"}, "", "--mirror: mirror address"},
		"variable not a URL": {MirrorSources{Env: "ftp://mirror.example/debian"}, "", "TRUNKLINE_MIRROR: mirror address"},
		"password hidden":    {MirrorSources{Flag: "http://user:hunter2@m.example/?x"}, "", "user:xxxxx@"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			u, err := FindMirror(tt.s)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("%v, error %v, want %q", u, err, tt.err)
				}
				if strings.HasPrefix(tt.err, "no Debian") && !errors.Is(err, ErrNoMirror) {
					t.Fatal("not ErrNoMirror")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if u.String() != tt.want {
				t.Fatalf("%s, want %s", u, tt.want)
			}
		})
	}
}
