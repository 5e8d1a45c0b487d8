package debian

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// archiveOf makes an index from lines "name version [Field: value; Field: value]".
func archiveOf(t *testing.T, lines ...string) *Index {
	t.Helper()
	var b strings.Builder
	for _, l := range lines {
		f := strings.SplitN(l, " ", 3)
		fields := ""
		if len(f) == 3 {
			fields = strings.ReplaceAll(f[2], "; ", "\n")
		}
		b.WriteString(stanza(f[0], f[1], fields, []byte(f[0]+f[1])))
	}
	ix, err := ReadIndex(strings.NewReader(b.String()), "trixie", "amd64")
	if err != nil {
		t.Fatal(err)
	}
	return ix
}

func TestResolve(t *testing.T) {
	tests := map[string]struct {
		archive []string
		seeds   string
		exclude string
		want    string // names
		errs    []string
	}{
		"closure over both fields, Recommends left out": {
			archive: []string{"a 1 Depends: b; Pre-Depends: c; Recommends: d", "b 1 Depends: c, a", "c 1", "d 1"},
			seeds:   "a", want: "a b c"},
		"first alternative":             {archive: []string{"a 1 Depends: x | y", "x 1", "y 1"}, seeds: "a", want: "a x"},
		"first alternative that exists": {archive: []string{"a 1 Depends: x (>= 2) | y", "x 1", "y 1"}, seeds: "a", want: "a y"},
		"an alternative that is needed anyway, however late": {
			archive: []string{"a 1 Depends: x | y, b", "b 1 Depends: c", "c 1 Depends: y", "x 1", "y 1"}, seeds: "a", want: "a b c y"},
		"an alternative in conflict is passed over": {
			archive: []string{"a 1 Depends: x | y, b", "b 1", "x 1 Conflicts: b", "y 1"}, seeds: "a", want: "a b y"},
		"virtual":                                             {archive: []string{"a 1 Depends: mta", "y 1 Provides: mta; Priority: optional", "z 1 Provides: mta; Priority: standard"}, seeds: "a", want: "a z"},
		"virtual, already there":                              {archive: []string{"a 1 Depends: mta, y", "y 1 Provides: mta", "b 1 Provides: mta"}, seeds: "a", want: "a y"},
		"a real package before virtual":                       {archive: []string{"a 1 Depends: mta", "b 1 Provides: mta", "mta 1"}, seeds: "a", want: "a mta"},
		"versioned virtual":                                   {archive: []string{"a 1 Depends: api (>= 2)", "b 1 Provides: api", "c 1 Provides: api (= 1)", "d 1 Provides: api (= 2)"}, seeds: "a", want: "a d"},
		"the newest version counts":                           {archive: []string{"a 1 Depends: b (>= 2~)", "b 1", "b 2", "b 1.9"}, seeds: "a", want: "a b"},
		"excluded, real and virtual":                          {archive: []string{"a 1 Depends: b, awk, c | d", "b 1", "c 1", "d 1", "mawk 1 Provides: awk"}, seeds: "a", exclude: "awk d", want: "a b"},
		"excluded provider is not taken":                      {archive: []string{"a 1 Depends: awk", "gawk 1 Provides: awk", "mawk 1 Provides: awk"}, seeds: "a", exclude: "gawk", want: "a mawk"},
		"conflict with itself through a virtual name is none": {archive: []string{"a 1 Provides: mta; Conflicts: mta"}, seeds: "a", want: "a"},
		"missing, with the chain": {
			archive: []string{"a 1 Depends: b", "b 1 Depends: c (>= 2), nope", "c 1"}, seeds: "a",
			errs: []string{"b needs c (>= 2), but the archive has c 1 (a -> b)", "b needs nope, but the archive has nothing of that name (a -> b)"}},
		"missing seed":  {archive: []string{"a 1"}, seeds: "a zz", errs: []string{"zz is wanted by the profile, but the archive has nothing of that name"}},
		"excluded seed": {archive: []string{"a 1"}, seeds: "a", exclude: "a", errs: []string{"a is wanted and excluded at once"}},
		"conflicts": {
			archive: []string{"a 1 Depends: b, c", "b 1 Conflicts: c (<< 2)", "c 1", "d 1 Breaks: mta", "e 1 Provides: mta"}, seeds: "a d e",
			errs: []string{"b 1 conflicts with c (<< 2), and c 1 is needed too (a -> b; a -> c)", "d 1 breaks mta, which e provides, and e 1 is needed too (d; e)"}},
		"unreadable relationship": {archive: []string{"a 1 Depends: b ("}, seeds: "a", errs: []string{`a 1: Depends: relationship "b ("`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := Profile{Name: "test", Suite: "trixie", Architecture: "amd64", Seeds: strings.Fields(tt.seeds)}
			for _, x := range strings.Fields(tt.exclude) {
				p.Exclude = append(p.Exclude, Exclusion{Name: x})
			}
			for range 5 { // map order must not show
				got, err := Resolve(archiveOf(t, tt.archive...), p)
				if len(tt.errs) > 0 {
					var re *ResolveError
					if !errors.As(err, &re) || len(re.Problems) != len(tt.errs) {
						t.Fatalf("error %v", err)
					}
					for i, want := range tt.errs {
						if !strings.HasPrefix(re.Problems[i], want) {
							t.Fatalf("problem %q\n   want %q", re.Problems[i], want)
						}
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				var names []string
				for _, g := range got {
					names = append(names, g.Name)
				}
				if s := strings.Join(names, " "); s != tt.want {
					t.Fatalf("got %s, want %s", s, tt.want)
				}
			}
		})
	}
}

func TestResolveLongChain(t *testing.T) {
	var lines []string
	for i := range 2000 {
		lines = append(lines, fmt.Sprintf("p%d 1 Depends: p%d", i, (i+1)%2000))
	}
	got, err := Resolve(archiveOf(t, lines...), Profile{Seeds: []string{"p0"}})
	if err != nil || len(got) != 2000 {
		t.Fatal(len(got), err)
	}
}

func TestReadIndexRefuses(t *testing.T) {
	good := stanza("a", "1", "", []byte("x"))
	for from, to := range map[string]string{
		"Package: a":           "Package: ../a",
		"Version: 1":           "Version: ",
		"Filename: pool/main/": "Filename: ../../etc/",
		"Size: 1":              "Size: -1",
		"SHA256: ":             "SHA256: 00",
	} {
		if _, err := ReadIndex(strings.NewReader(strings.Replace(good, from, to, 1)), "trixie", "amd64"); err == nil {
			t.Errorf("%s: no error", to)
		}
	}
}

func TestEveryProfileIsKnown(t *testing.T) {
	for _, name := range Profiles() {
		p, err := ProfileByName(name)
		if err != nil || p.Name != name || len(p.Seeds) == 0 {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
		for _, x := range p.Exclude {
			if x.Reason == "" {
				t.Errorf("%s: no reason to exclude %s", name, x.Name)
			}
		}
	}
	if _, err := ProfileByName("toaster"); err == nil {
		t.Error("toaster: no error")
	}
}
