package debian

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// publishBoth has firmware in a component of its own.
func publishBoth(t *testing.T, a *testArchive, components string) {
	t.Helper()
	var release strings.Builder
	release.WriteString(goodHeader + "SHA256:\n")
	for name, text := range map[string]string{
		"main":              stanza("base-files", "1", "", []byte("base")),
		"non-free-firmware": strings.ReplaceAll(stanza("firmware-x", "2", "Depends: base-files", []byte("fw")), "pool/main", "pool/non-free-firmware"),
	} {
		if !strings.Contains(components, name) {
			continue
		}
		path := name + "/binary-amd64/Packages"
		a.files["dists/trixie/"+path] = []byte(text)
		release.WriteString(" " + digest([]byte(text)) + " " + strconv.Itoa(len(text)) + " " + path + "\n")
	}
	a.files["dists/trixie/InRelease"] = signed(t, a.key, release.String())
}

// A package of another component is found when that is asked for, and the lock says so;
// without, nothing but main is read.
func TestComponents(t *testing.T) {
	a := newTestArchive(t)
	publishBoth(t, a, "main non-free-firmware")
	p := Profile{Name: "x", Suite: "trixie", Architecture: "amd64", Seeds: []string{"base-files"}}
	ix, err := a.reader(t).Index(context.Background(), p.Suite, p.Architecture)
	if err != nil || ix.Lookup("firmware-x") != nil {
		t.Fatalf("main alone: %v, %v", ix.Lookup("firmware-x"), err)
	}
	plain, err := NewLock(ix, p)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := plain.Bytes(); strings.Contains(string(b), "components") || strings.Contains(string(b), "hardware") {
		t.Errorf("a lock of main alone names components:\n%s", b)
	}

	with := p.With([]Extra{{"firmware-x", "non-free-firmware"}, {"firmware-x", "non-free-firmware"}})
	if ix, err = a.reader(t).Index(context.Background(), p.Suite, p.Architecture, with.Components...); err != nil {
		t.Fatal(err)
	}
	l, err := NewLock(ix, with)
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseLock(b)
	if err != nil {
		t.Fatal(err)
	}
	if f, ok := back.Package("firmware-x"); !ok || !strings.HasPrefix(f.Path, "pool/non-free-firmware/") || len(back.Components) != 1 || len(back.Hardware) != 1 {
		t.Errorf("lock:\n%s", b)
	}
	// It serves machines that need it and those that do not; the plain one does not serve the former.
	for _, one := range []Profile{p, with} {
		if err := back.Check(one); err != nil {
			t.Error(err)
		}
	}
	if err := plain.Check(with); err == nil || !strings.Contains(err.Error(), "firmware-x") {
		t.Errorf("a lock without the firmware: %v", err)
	}

	publishBoth(t, a, "main")
	if _, err := a.reader(t).Index(context.Background(), p.Suite, p.Architecture, "non-free-firmware"); err == nil || !strings.Contains(err.Error(), "non-free-firmware/binary-amd64/Packages") {
		t.Errorf("an archive without the component: %v", err)
	}
}

// What an extra package asks for and the image does without is kept out, and the lock says so:
// one that was made before is refused, and those of specs without the package still serve.
func TestExtraExclusions(t *testing.T) {
	p, err := ProfileByName("vm")
	if err != nil {
		t.Fatal(err)
	}
	with := p.With([]Extra{{Name: "rtpengine-daemon"}})
	if len(with.Without) == 0 || !slices.IsSorted(with.Without) || len(with.Components) != 0 {
		t.Fatalf("without %q, components %q", with.Without, with.Components)
	}
	seeds, exclude := p.names()
	lock := &Lock{Suite: p.Suite, Architecture: p.Architecture, Profile: p.Name, Seeds: seeds, Exclude: exclude, Hardware: with.Hardware, Without: with.Without}
	for _, one := range []Profile{p, with} {
		if err := lock.Check(one); err != nil {
			t.Error(err)
		}
	}
	lock.Without = with.Without[1:]
	if err := lock.Check(with); err == nil || !strings.Contains(err.Error(), with.Without[0]) {
		t.Errorf("a lock of before: %v", err)
	}
}

// One lock serves images with and without an extra package that brings programs: what that
// alone brought is marked, and what an image without it needs is in it.
func TestApart(t *testing.T) {
	// base may have either of two; the relay needs the other one.
	ix := archiveOf(t, "base 1 Depends: a | b, adduser", "a 1", "b 1", "fw 1", "lib 1 Depends: base, b, libx11-data", "libx11-data 1", "adduser 1", "rtpengine-daemon 1 Depends: lib, adduser")
	p := Profile{Name: "x", Suite: ix.Suite, Architecture: ix.Architecture, Seeds: []string{"base"}}.
		With([]Extra{{Name: "fw"}, {Name: "rtpengine-daemon"}})
	l, err := NewLock(ix, p)
	if err != nil {
		t.Fatal(err)
	}
	text, err := l.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if l, err = ParseLock(text); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		extras            []string
		want, apart, name string
	}{
		{nil, "a base fw", "", "a plain image"},
		{[]string{"fw"}, "a base fw", "", "a machine of its own"},
		{[]string{"rtpengine-daemon", "fw"}, "a b base fw lib rtpengine-daemon", "rtpengine-daemon", "an image with a relay"},
	} {
		var got []string
		for _, pkg := range l.PackagesFor(tt.extras) {
			got = append(got, pkg.Name)
		}
		if names, apart := strings.Join(got, " "), strings.Join(l.Apart(tt.extras), " "); names != tt.want || apart != tt.apart {
			t.Errorf("%s has %s, apart %q; want %s, %q", tt.name, names, apart, tt.want, tt.apart)
		}
	}
}
