package image

import (
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// buildInfo is what a program records of its modules, as `go version -m` shows it.
func buildInfo(edit func([]*debug.Module) []*debug.Module) *debug.BuildInfo {
	var deps []*debug.Module
	for _, path := range shapers {
		deps = append(deps, &debug.Module{Path: path, Version: "v1.0.0", Sum: "h1:one"})
	}
	deps = append(deps, &debug.Module{Path: "example.org/commands", Version: "v1.0.0", Sum: "h1:two"})
	if edit != nil {
		deps = edit(deps)
	}
	return &debug.BuildInfo{GoVersion: "go1.26.0", Deps: deps}
}

func TestShaperVersions(t *testing.T) {
	want, ok := shaperVersions(buildInfo(nil))
	if !ok {
		t.Fatal("not recorded")
	}
	type mods = []*debug.Module
	for name, c := range map[string]struct {
		edit     func(mods) mods
		same, ok bool
	}{
		"another order":           {func(m mods) mods { slices.Reverse(m); return m }, true, true},
		"a module that only asks": {func(m mods) mods { m[len(m)-1].Version = "v9.0.0"; return m }, true, true},
		"another version":         {func(m mods) mods { m[1].Version = "v1.0.1"; return m }, false, true},
		"another content":         {func(m mods) mods { m[2].Sum = "h1:three"; return m }, false, true},
		"a fork": {func(m mods) mods {
			m[0].Replace = &debug.Module{Path: "example.org/fork", Version: "v1.0.0", Sum: "h1:one"}
			return m
		}, false, true},
		"a directory": {func(m mods) mods { m[0].Replace = &debug.Module{Path: "../cpio"}; return m }, false, false},
		"a workspace": {func(m mods) mods { m[0].Version = "(devel)"; return m }, false, false},
		"none":        {func(mods) mods { return nil }, false, false},
	} {
		got, ok := shaperVersions(buildInfo(c.edit))
		if ok != c.ok || (got == want) != c.same {
			t.Errorf("%s: recorded %v, want %v; the same as before: %v, want %v\n%s", name, ok, c.ok, got == want, c.same, got)
		}
	}
	info := buildInfo(nil)
	info.GoVersion = "go1.26.1"
	if got, _ := shaperVersions(info); got == want {
		t.Error("another Go makes the same identity")
	}
}

// Every module a base layer's bytes go through is a shaper.
func TestShapersAreAll(t *testing.T) {
	var got []string
	for _, args := range [][]string{{"./rootfs", "./initrd"}, {"./debian/ar.go", "./debian/deb.go"}} {
		args = append([]string{"list", "-e", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}"}, args...)
		out, err := exec.Command("go", args...).Output()
		if err != nil {
			t.Fatalf("go %s: %v", strings.Join(args, " "), err)
		}
		got = append(got, strings.Fields(string(out))...)
	}
	slices.Sort(got)
	got = slices.DeleteFunc(slices.Compact(got), func(m string) bool { return m == "trunkline" })
	if d := cmp.Diff(shapers, got); d != "" {
		t.Errorf("modules that shape a base layer (-listed +found):\n%s", d)
	}
}

func TestCodeChangesTheBase(t *testing.T) {
	code, err := codeIdentity()
	if err != nil {
		t.Fatal(err)
	}
	again, err := codeIdentity()
	if err != nil || again != code {
		t.Fatalf("%q, then %q, %v", code, again, err)
	}
	in := inputs{profile: "vm", lock: "sha256:l", sbcd: "s", init: "i", code: code}
	digest := in.digest()
	in.code = strings.Replace(code, code[:8], "deadbeef", 1)
	if in.digest() == digest {
		t.Error("other code made no other base layer")
	}
}
