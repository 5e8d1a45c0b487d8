package spec

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hashicorp/hcl/v2"
)

// withoutRanges drops the places from a decoded JSON document: a golden file of
// values should not change with a comment in the spec.
func withoutRanges(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if strings.HasSuffix(k, "Range") || strings.HasSuffix(k, "Ranges") {
				delete(v, k)
				continue
			}
			v[k] = withoutRanges(e)
		}
	case []any:
		for i, e := range v {
			v[i] = withoutRanges(e)
		}
	}
	return v
}

func dump(t *testing.T, s *Spec) []byte {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	b, err = json.MarshalIndent(withoutRanges(v), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

func TestGood(t *testing.T) {
	dirs := specDirs(t, "testdata/good/*")
	if len(dirs) < 3 {
		t.Fatalf("only %d good specs", len(dirs))
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			specs, diags, files := loadCase(t, dir)
			if diags.HasErrors() {
				t.Fatalf("%s", render(t, files, diags))
			}
			s := specs[0]
			out := filepath.Join("testdata", "values", filepath.Base(dir))
			golden(t, out+".json", dump(t, s))
			golden(t, out+".txt", render(t, files, diags))
		})
	}
}

// Diagnostics of later stages point at what the spec says, so the ranges must be
// those of the values.
func TestRanges(t *testing.T) {
	s, diags, files := Load("testdata/good/full", Options{})
	if diags.HasErrors() {
		t.Fatalf("%s", render(t, files, diags))
	}
	l, core := s.Listeners[0], s.Dispatchers[0]
	for _, c := range []struct {
		name, want string
		rng        hcl.Range
	}{
		{"appliance", `appliance "edge-ber2"`, s.Appliance.Range},
		{"memory", `"15.5GiB"`, s.Hardware.MemoryRange},
		{"cpu", `cpu`, s.Hardware.CPURange},
		{"nic", `nic "wan"`, s.Hardware.NICs[0].Range},
		{"address", `"2001:db8:0:1::10/64"`, s.Hardware.NICs[0].AddressRanges[1]},
		{"gateway", `"fe80::1"`, s.Hardware.NICs[0].GatewayRanges[1]},
		{"cps", `1000`, s.Workload.CPSRange},
		{"listener", `listener "carrier-v4"`, l.Range},
		{"port", `5080`, l.PortRange},
		{"workers", `3`, l.WorkersRange},
		{"share of none", `listener "carrier-v6"`, s.Listeners[1].ShareRange},
		{"probe", `probe`, core.Probe.Range},
		{"fail_threshold", `3`, core.Probe.FailRange},
		{"failover", `failover`, core.Failover.Range},
		{"failover of none", `dispatcher "far"`, s.Dispatchers[1].Failover.Range},
		{"max_cps", `600`, core.Destinations[0].MaxCPSRange},
		{"route to", `"far"`, s.Routes[2].ToRanges[1]},
		{"route cache", `"there"`, s.Routes[1].CacheRange},
		{"invite_timeout", `"45s"`, s.Transaction.InviteRange},
		{"state memory", `"1536MiB"`, s.State.MemoryRange},
		{"limits cps", `1100`, s.Limits.CPSRange},
		{"firewall", `firewall`, s.Firewall.Range},
	} {
		f := files[c.rng.Filename]
		if f == nil {
			t.Errorf("%s: no file %q", c.name, c.rng.Filename)
			continue
		}
		if got := string(c.rng.SliceBytes(f.Bytes)); got != c.want {
			t.Errorf("%s: range holds %q, want %q", c.name, got, c.want)
		}
	}
}

func TestSharesAddUp(t *testing.T) {
	s, _, _ := Load("testdata/good/full", Options{})
	sum := 0.0
	for _, l := range s.Listeners {
		if l.Share <= 0 {
			t.Errorf("listener %s has share %v", l.Name, l.Share)
		}
		sum += l.Share
	}
	if sum < 0.999 || sum > 1.001 {
		t.Errorf("shares add up to %v", sum)
	}
}

// memFS is the spec of a directory, copied so that tests can change it.
func memFS(t *testing.T, dir string) fstest.MapFS {
	t.Helper()
	m := fstest.MapFS{}
	src := os.DirFS(dir)
	err := fs.WalkDir(src, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := fs.ReadFile(src, name)
		m[name] = &fstest.MapFile{Data: b}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestDigest(t *testing.T) {
	load := func(m fstest.MapFS, dir string) string {
		s, diags, files := LoadFS(m, dir, Options{})
		if diags.HasErrors() {
			t.Fatalf("%s", render(t, files, diags))
		}
		return s.Digest
	}
	base := load(memFS(t, "testdata/good/full"), "a")
	if !strings.HasPrefix(base, "sha256:") || len(base) != len("sha256:")+64 {
		t.Fatalf("digest %q", base)
	}
	if got := load(memFS(t, "testdata/good/full"), "somewhere/else"); got != base {
		t.Error("the directory's name changes the digest")
	}
	for name, change := range map[string]func(fstest.MapFS){
		"comment in a source": func(m fstest.MapFS) { m["10-edge.hcl"].Data = append(m["10-edge.hcl"].Data, "# x\n"...) },
		"name of a source":    func(m fstest.MapFS) { m["11-edge.hcl"] = m["10-edge.hcl"]; delete(m, "10-edge.hcl") },
		"baked table": func(m fstest.MapFS) {
			m["tables/prefixes.csv"].Data = append(m["tables/prefixes.csv"].Data, "+1,far\n"...)
		},
		"file of a function": func(m fstest.MapFS) { m["site.txt"].Data = []byte("ber2") },
	} {
		m := memFS(t, "testdata/good/full")
		change(m)
		if load(m, "a") == base {
			t.Errorf("%s: same digest", name)
		}
	}
	m := memFS(t, "testdata/good/full")
	m["README.md"] = &fstest.MapFile{Data: []byte("notes")}
	m[".10-edge.hcl"] = &fstest.MapFile{Data: []byte("left by an editor {{{")}
	if load(m, "a") != base {
		t.Error("files that are no part of the spec change the digest")
	}
}
