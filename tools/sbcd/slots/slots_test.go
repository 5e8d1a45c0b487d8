package slots

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const name = "edge"

// image is the content of a version: a size of several writes, and its own end.
func image(version string) []byte {
	return append(bytes.Repeat([]byte(version+"|"), (syncEvery+syncEvery/2)/(len(version)+1)), "end"...)
}

// newESP makes a directory with images of these file names.
func newESP(t *testing.T, booted string, files ...string) *ESP {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "EFI/Linux"), 0o755); err != nil {
		t.Fatal(err)
	}
	e, err := Open(dir, name, booted)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		version, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSuffix(f, ".efi"), name+"_"), "+")
		if err := os.WriteFile(filepath.Join(e.dir, f), image(version), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

func (e *ESP) files(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(e.dir)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, d := range entries {
		out = append(out, d.Name())
	}
	return out
}

func install(ctx context.Context, e *ESP, version string) (Image, error) {
	b := image(version)
	return e.Install(ctx, name, version, 3, int64(len(b)), bytes.NewReader(b), func(path string) error {
		got, err := os.ReadFile(path)
		if err == nil && !bytes.Equal(got, b) {
			err = errors.New("the file to check is not the image")
		}
		return err
	})
}

func TestImages(t *testing.T) {
	e := newESP(t, "2", "edge_1.efi", "edge_2.efi", "edge_3+1-2.efi", "edge_10+0-3.efi")
	for _, other := range []string{"other_9.efi", "edge.efi", "edge_4.efi.part", "readme.txt"} {
		if err := os.WriteFile(filepath.Join(e.dir, other), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := e.Images()
	if err != nil {
		t.Fatal(err)
	}
	size := func(v string) int64 { return int64(len(image(v))) }
	want := []Image{
		{File: "edge_3+1-2.efi", Name: name, Version: "3", Left: 1, Done: 2, Size: size("3")},
		{File: "edge_2.efi", Name: name, Version: "2", Left: -1, Size: size("2"), Booted: true},
		{File: "edge_1.efi", Name: name, Version: "1", Left: -1, Size: size("1")},
		{File: "edge_10+0-3.efi", Name: name, Version: "10", Left: 0, Done: 3, Size: size("10")},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if b, ok, err := e.Booted(); err != nil || !ok || b.File != "edge_2.efi" {
		t.Errorf("booted: %+v, %v, %v", b, ok, err)
	}
	if free, err := e.Free(); err != nil || free <= 0 {
		t.Errorf("free: %d, %v", free, err)
	}
	e.version = "7"
	if b, ok, err := e.Booted(); err != nil || ok {
		t.Errorf("booted from elsewhere: %+v, %v", b, err)
	}
	if _, err := Open(t.TempDir(), name, "1"); err == nil || !strings.Contains(err.Error(), "EFI/Linux") {
		t.Errorf("a directory that is no ESP: %v", err)
	}
}

func TestInstall(t *testing.T) {
	for _, tt := range []struct {
		name    string
		files   []string
		booted  string
		version string
		want    []string
	}{
		{"first update", []string{"edge_1.efi"}, "1", "2", []string{"edge_1.efi", "edge_2+3.efi"}},
		{"an older good one goes", []string{"edge_1.efi", "edge_2.efi"}, "2", "3", []string{"edge_2.efi", "edge_3+3.efi"}},
		{"a failed one goes", []string{"edge_1.efi", "edge_2+0-3.efi"}, "1", "3", []string{"edge_1.efi", "edge_3+3.efi"}},
		{"a failed one is tried again", []string{"edge_1.efi", "edge_2+0-3.efi"}, "1", "2", []string{"edge_1.efi", "edge_2+3.efi"}},
		{"one that waits goes", []string{"edge_1.efi", "edge_2+3.efi"}, "1", "3", []string{"edge_1.efi", "edge_3+3.efi"}},
		{"an older version on request", []string{"edge_2.efi"}, "2", "1", []string{"edge_1+3.efi", "edge_2.efi"}},
		{"while on trial the good one stays", []string{"edge_1.efi", "edge_2+1-2.efi"}, "2", "3", []string{"edge_1.efi", "edge_2+1-2.efi", "edge_3+3.efi"}},
		{"booted from elsewhere", []string{"edge_1.efi", "edge_2.efi"}, "9", "3", []string{"edge_2.efi", "edge_3+3.efi"}},
		{"what an interrupted one left goes", []string{"edge_1.efi", "edge_2.efi.part"}, "1", "2", []string{"edge_1.efi", "edge_2+3.efi"}},
		{"others stay", []string{"edge_1.efi", "other_1.efi", "notes.txt"}, "1", "2", []string{"edge_1.efi", "edge_2+3.efi", "notes.txt", "other_1.efi"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newESP(t, tt.booted, tt.files...)
			got, err := install(context.Background(), e, tt.version)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(Image{File: "edge_" + tt.version + "+3.efi", Name: name, Version: tt.version, Left: 3, Size: int64(len(image(tt.version)))}, got); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(tt.want, e.files(t)); d != "" {
				t.Error(d)
			}
		})
	}
}

// What is refused leaves the partition as it was.
func TestInstallRefuses(t *testing.T) {
	b := image("3")
	size := int64(len(b))
	bad := errors.New("no signature")
	done, cancel := context.WithCancel(context.Background())
	cancel()
	for _, tt := range []struct {
		name    string
		install func(*ESP) error
		want    string
	}{
		{"another appliance's", func(e *ESP) error {
			_, err := e.Install(context.Background(), "other", "3", 3, size, bytes.NewReader(b), nil)
			return err
		}, "the image is other's, and this appliance is edge"},
		{"a version that is no name", func(e *ESP) error {
			_, err := e.Install(context.Background(), name, "3/..", 3, size, bytes.NewReader(b), nil)
			return err
		}, "version"},
		{"never to be tried", func(e *ESP) error {
			_, err := e.Install(context.Background(), name, "3", 0, size, bytes.NewReader(b), nil)
			return err
		}, "once at least"},
		{"the version that runs", func(e *ESP) error { _, err := install(context.Background(), e, "2"); return err }, "version 2 is installed already (good)"},
		{"too short", func(e *ESP) error {
			_, err := e.Install(context.Background(), name, "3", 3, size+1, bytes.NewReader(b), nil)
			return err
		}, fmt.Sprintf("ends after %d of %d bytes", size, size+1)},
		{"too long", func(e *ESP) error {
			_, err := e.Install(context.Background(), name, "3", 3, size-1, bytes.NewReader(b), nil)
			return err
		}, "goes on behind"},
		{"a connection that breaks", func(e *ESP) error {
			from := io.MultiReader(bytes.NewReader(b[:syncEvery+100]), errReader{errors.New("connection reset")})
			_, err := e.Install(context.Background(), name, "3", 3, size, from, nil)
			return err
		}, "connection reset"},
		{"a check that fails", func(e *ESP) error {
			_, err := e.Install(context.Background(), name, "3", 3, size, bytes.NewReader(b), func(string) error { return bad })
			return err
		}, "no signature"},
		{"told to stop", func(e *ESP) error { _, err := install(done, e, "3"); return err }, "context canceled"},
		{"no room", func(e *ESP) error {
			e.free = func() (int64, error) { return size, nil }
			_, err := install(context.Background(), e, "3")
			return err
		}, "needs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newESP(t, "2", "edge_2.efi")
			err := tt.install(e)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
			if d := cmp.Diff([]string{"edge_2.efi"}, e.files(t)); d != "" {
				t.Error(d)
			}
		})
	}
}

type errReader struct{ error }

func (e errReader) Read([]byte) (int, error) { return 0, e.error }

// Room is what is free and what may go; images go only when the new one fits then.
func TestRoom(t *testing.T) {
	files := []string{"edge_1.efi", "edge_2.efi", "edge_3+0-3.efi", "edge_3.efi.part"}
	one := int64(len(image("1")))
	removable := 2*one + int64(len(image("3.efi.part"))) // what newESP puts into it
	least := one + spare - removable
	for free, fits := range map[int64]bool{0: true, least - 1: false, least: true} {
		e := newESP(t, "2", files...)
		e.free = func() (int64, error) { return free, nil }
		b := image("4")
		_, err := e.Install(context.Background(), name, "4", 3, int64(len(b)), bytes.NewReader(b), nil)
		var no *NoRoom
		switch {
		case fits && err != nil:
			t.Errorf("%d bytes free: %v", free, err)
		case !fits && !errors.As(err, &no):
			t.Errorf("%d bytes free: error %v", free, err)
		case !fits:
			if d := cmp.Diff(files, e.files(t)); d != "" {
				t.Errorf("something was removed for nothing: %s", d)
			}
			if no.Need != one+spare || no.Have != free+removable || !slices.Equal(no.KeptVersions, []string{"2"}) {
				t.Errorf("%+v", no)
			}
		}
	}
}

// Whatever moment the power goes at: each file with the name of an image is whole, the
// booted one is there, and the next attempt succeeds.
func TestPowerCut(t *testing.T) {
	e := newESP(t, "2", "edge_1.efi", "edge_2.efi", "edge_3+0-3.efi")
	type moment struct {
		step string
		dir  string
	}
	var moments []moment
	keep := func(step string) {
		dir := t.TempDir()
		if err := os.CopyFS(filepath.Join(dir, "EFI/Linux"), os.DirFS(e.dir)); err != nil {
			t.Fatal(err)
		}
		moments = append(moments, moment{step, dir})
	}
	e.step = keep
	b := image("4")
	if _, err := e.Install(context.Background(), name, "4", 3, int64(len(b)), bytes.NewReader(b), func(string) error { keep("check"); return nil }); err != nil {
		t.Fatal(err)
	}
	images, err := e.Images()
	if err != nil {
		t.Fatal(err)
	}
	e.version = "4"
	if err := e.Bless(images[0]); err != nil {
		t.Fatal(err)
	}
	keep("end")
	var steps []string
	for _, m := range moments {
		steps = append(steps, m.step)
		now, err := Open(m.dir, name, "2")
		if err != nil {
			t.Fatal(err)
		}
		booted := false
		images, err := now.Images()
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range images {
			got, err := os.ReadFile(filepath.Join(now.dir, i.File))
			if err != nil || !bytes.Equal(got, image(i.Version)) {
				t.Errorf("before %q: %s is not whole (%v)", m.step, i.File, err)
			}
			booted = booted || i.Version == "2" && i.Good()
		}
		if !booted {
			t.Errorf("before %q: the booted image is gone: %v", m.step, now.files(t))
		}
		if _, err := install(context.Background(), now, "5"); err != nil {
			t.Errorf("after a power cut before %q: %v", m.step, err)
		}
		for _, f := range now.files(t) {
			if strings.HasSuffix(f, partial) {
				t.Errorf("after a power cut before %q: %s stays", m.step, f)
			}
		}
	}
	want := []string{"remove", "remove", "create", "write", "write", "sync the file", "check", "rename", "sync", "bless", "end"}
	if d := cmp.Diff(want, steps); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"edge_2.efi", "edge_4.efi"}, e.files(t)); d != "" {
		t.Error(d)
	}
}
