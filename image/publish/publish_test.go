package publish

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trunkline/image/imagetest"
	"trunkline/image/release"
	"trunkline/image/secureboot"
)

var set = sync.OnceValues(func() (*secureboot.KeySet, error) {
	return secureboot.NewKeySet("test", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 10)
})

func signer(t *testing.T) *secureboot.Signer {
	t.Helper()
	s, err := set()
	if err != nil {
		t.Fatal(err)
	}
	return s.DB
}

// build writes an image as a build would, with evidence, and returns its directory.
func build(t *testing.T, name, version string, by *secureboot.Signer) string {
	t.Helper()
	raw, err := imagetest.Signed(name, version, 3000, by)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), name)
	write(t, filepath.Join(dir, name+".efi"), raw)
	for _, ending := range evidence {
		write(t, filepath.Join(dir, name+ending), []byte(`{"sha256": "`+sum(raw)+`"}`))
	}
	return dir
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func publish(t *testing.T, o Options, images ...string) []Result {
	t.Helper()
	out, err := Publish(context.Background(), images, o)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	out := []string{}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// index reads an index and holds its image against it.
func index(t *testing.T, dir, name string) release.Index {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	x, err := release.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, x.File))
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(raw)) != x.Size || sum(raw) != x.SHA256 {
		t.Errorf("%s is not what the index says: %+v", x.File, x)
	}
	img, err := release.Read(raw)
	if err != nil || img.Name != x.Name || img.Version != x.Version || img.Digest != x.Image {
		t.Errorf("image %+v (%v), index %+v", img, err, x)
	}
	return x
}

func TestPublish(t *testing.T) {
	dir, by := filepath.Join(t.TempDir(), "www/edge"), signer(t)
	o := Options{Dir: dir, Keep: 2, Signer: by.Certificate}
	first := build(t, "edge-a", "1", by)
	got := publish(t, o, first, build(t, "edge-b", "20260131.120000", by))
	if len(got) != 2 || got[0].Before != "" || got[0].Same || got[1].Name != "edge-b" {
		t.Errorf("%+v", got)
	}
	x := index(t, dir, "edge-a")
	if x.Version != "1" || x.Signer != release.Fingerprint(by.Certificate) {
		t.Errorf("%+v", x)
	}
	if again := publish(t, o, first); !again[0].Same || again[0].Before != "1" {
		t.Errorf("the same again: %+v", again)
	}
	publish(t, o, filepath.Join(build(t, "edge-a", "2", by), "edge-a.efi"))
	r := publish(t, o, build(t, "edge-a", "10", by))
	want := []string{"edge-a_1.cdx.json", "edge-a_1.efi", "edge-a_1.provenance.json", "edge-a_1.spdx.json"}
	if d := cmp.Diff(want, r[0].Removed); d != "" || r[0].Before != "2" {
		t.Errorf("%+v\n%s", r, d)
	}
	if x := index(t, dir, "edge-a"); x.Version != "10" {
		t.Errorf("%+v", x)
	}
	all := []string{}
	for _, stem := range []string{"edge-a_10", "edge-a_2", "edge-b_20260131.120000"} {
		all = append(all, stem+".cdx.json", stem+".efi", stem+".provenance.json", stem+".spdx.json")
	}
	all = append([]string{"edge-a.json"}, all...)
	all = append(all[:9:9], append([]string{"edge-b.json"}, all[9:]...)...)
	if d := cmp.Diff(all, names(t, dir)); d != "" {
		t.Error(d)
	}
	// Going back, when somebody insists: the published one stays whatever its version.
	o.AllowOlder, o.Keep = true, 1
	publish(t, o, first)
	if x := index(t, dir, "edge-a"); x.Version != "1" {
		t.Errorf("%+v", x)
	}
}

// With Changed, an appliance is left alone when nothing but the version is new.
func TestOnlyWhatChanged(t *testing.T) {
	dir, by := t.TempDir(), signer(t)
	o := Options{Dir: dir, Keep: 2, Changed: true}
	publish(t, o, build(t, "edge", "1", by), build(t, "core", "1", by))
	other := build(t, "edge", "2", by)
	raw, err := imagetest.Signed("edge", "2", 3001, by) // another file in its config layer
	if err != nil {
		t.Fatal(err)
	}
	for _, ending := range evidence {
		write(t, filepath.Join(other, "edge"+ending), []byte(sum(raw)))
	}
	write(t, filepath.Join(other, "edge.efi"), raw)
	before := names(t, dir)
	alike := build(t, "core", "2", by)
	got := publish(t, o, other, alike)
	if got[0].Alike || !got[1].Alike {
		t.Errorf("%+v", got)
	}
	if x := index(t, dir, "edge"); x.Version != "2" {
		t.Errorf("%+v", x)
	}
	if x := index(t, dir, "core"); x.Version != "1" || len(names(t, dir)) != len(before)+4 {
		t.Errorf("%+v, %q", x, names(t, dir))
	}
	// One that is damaged is replaced; and without Changed every version counts.
	write(t, filepath.Join(dir, "core_1.efi"), []byte("damaged"))
	if got := publish(t, o, alike); got[0].Alike {
		t.Errorf("%+v", got)
	}
	o.Changed = false
	if got := publish(t, o, build(t, "core", "3", by)); got[0].Alike || got[0].Version != "3" {
		t.Errorf("%+v", got)
	}
}

// What a killed run left, and a damaged image, are mended by the next one.
func TestMends(t *testing.T) {
	dir, image := t.TempDir(), build(t, "edge", "1", signer(t))
	o := Options{Dir: dir, Keep: 2}
	publish(t, o, image)
	write(t, filepath.Join(dir, ".edge_1.efi123"), []byte("half"))
	write(t, filepath.Join(dir, "edge_1.efi"), []byte("damaged"))
	if r := publish(t, o, image); r[0].Same {
		t.Errorf("%+v", r)
	}
	index(t, dir, "edge")
	for _, n := range names(t, dir) {
		if strings.HasPrefix(n, ".") {
			t.Errorf("%s is left", n)
		}
	}
}

func TestRefusals(t *testing.T) {
	by := signer(t)
	other, err := secureboot.NewKeySet("other", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 10)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	publish(t, Options{Dir: dir, Keep: 2}, build(t, "edge", "5", by))
	before := names(t, dir)
	changed := build(t, "edge", "6", by)
	raw, _ := os.ReadFile(filepath.Join(changed, "edge.efi"))
	raw[len(raw)/2] ^= 1
	write(t, filepath.Join(changed, "edge.efi"), raw)
	renamed := build(t, "edge", "6", by)
	if err := os.Rename(filepath.Join(renamed, "edge.efi"), filepath.Join(renamed, "mine.efi")); err != nil {
		t.Fatal(err)
	}
	stale := build(t, "edge", "6", by)
	write(t, filepath.Join(stale, "edge.spdx.json"), []byte("{}"))
	text := t.TempDir()
	write(t, filepath.Join(text, "edge.efi"), []byte("MZ and nothing more"))
	two := t.TempDir()
	write(t, filepath.Join(two, "a.efi"), nil)
	write(t, filepath.Join(two, "b.efi"), nil)
	broken := t.TempDir()
	write(t, filepath.Join(broken, "edge.json"), []byte("<html>"))
	for _, c := range []struct {
		name   string
		o      Options
		images []string
		want   string
	}{
		{"not signed", Options{}, []string{build(t, "edge", "6", nil)}, "not signed"},
		{"by another certificate", Options{Signer: other.DB.Certificate}, []string{build(t, "edge", "6", by)}, "another certificate"},
		{"changed", Options{}, []string{changed}, "changed after it was built"},
		{"no version", Options{}, []string{build(t, "edge", "0", by)}, "--image-version"},
		{"older", Options{}, []string{build(t, "edge", "4.9", by)}, "--allow-older"},
		{"another image of the same version", Options{}, []string{func() string {
			d := build(t, "edge", "5", other.DB)
			return d
		}()}, "another image of that version"},
		{"renamed", Options{}, []string{renamed}, "named otherwise"},
		{"evidence of another build", Options{}, []string{stale}, "edge.spdx.json is not of"},
		{"no image", Options{}, []string{text}, "edge.efi"},
		{"nothing there", Options{}, []string{filepath.Join(t.TempDir(), "x")}, "no such file"},
		{"a directory without", Options{}, []string{t.TempDir()}, "holds no image"},
		{"a directory of several", Options{}, []string{two}, "holds 2 images"},
		{"a disk", Options{}, []string{filepath.Join(dir, "edge.json")}, "not an image that can be published"},
		{"two of one appliance", Options{}, []string{build(t, "edge", "6", by), build(t, "edge", "7", by)}, "both images of edge"},
		{"the second is wrong", Options{}, []string{build(t, "edge", "6", by), build(t, "lone", "6", nil)}, "not signed"},
		{"an index that is none", Options{Dir: broken}, []string{build(t, "edge", "6", by)}, "take it away"},
		{"nothing to keep", Options{Keep: -1}, []string{build(t, "edge", "6", by)}, "keep at least"},
	} {
		if c.o.Dir == "" {
			c.o.Dir = dir
		}
		if c.o.Keep == 0 {
			c.o.Keep = 2
		}
		_, err := Publish(context.Background(), c.images, c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if d := cmp.Diff(before, names(t, dir)); d != "" {
			t.Errorf("%s left something: %s", c.name, d)
		}
	}
	if x := index(t, dir, "edge"); x.Version != "5" {
		t.Errorf("%+v", x)
	}
}

// A reader that looks all the time finds an index whose image is whole, each time.
func TestReadersFindWholeImages(t *testing.T) {
	dir, by := t.TempDir(), signer(t)
	o := Options{Dir: dir, Keep: 2}
	publish(t, o, build(t, "edge", "1", by))
	var images []string
	for _, v := range []string{"2", "3", "4", "5", "6", "7", "8"} {
		images = append(images, build(t, "edge", v, by))
	}
	done := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			b, err := os.ReadFile(filepath.Join(dir, "edge.json"))
			if err != nil {
				t.Error(err)
				return
			}
			var x release.Index
			if err := json.Unmarshal(b, &x); err != nil {
				t.Error(err)
				return
			}
			if f, err := os.ReadFile(filepath.Join(dir, x.File)); err == nil && sum(f) != x.SHA256 {
				t.Errorf("%s is not whole", x.File)
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for _, image := range images {
		publish(t, o, image)
	}
	close(done)
	readers.Wait()
}

// Several at once wait for each other; one that is told to stop does not wait.
func TestAtOnce(t *testing.T) {
	dir, by := t.TempDir(), signer(t)
	var wait sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		image := build(t, name, "1", by)
		wait.Go(func() {
			if _, err := Publish(context.Background(), []string{image}, Options{Dir: dir, Keep: 2}); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	for _, name := range []string{"a", "b", "c", "d"} {
		index(t, dir, name)
	}
	unlock, err := lock(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Publish(ctx, []string{build(t, "e", "1", by)}, Options{Dir: dir, Keep: 2}); err == nil || !strings.Contains(err.Error(), "waiting for who else publishes") {
		t.Errorf("told to stop: %v", err)
	}
}
