package image

import (
	"path/filepath"
	"testing"

	"trunkline/image/debian"
	"trunkline/image/imagetest"
)

// testProgram is the head of a static executable.
func testProgram(t *testing.T, dir, name string) string {
	t.Helper()
	p, err := imagetest.Program(dir, name, name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// request makes a whole request whose packages are in the store already.
func request(t *testing.T) Request {
	t.Helper()
	dir := t.TempDir()
	store := debian.NewStore(filepath.Join(dir, "cache"))
	lock, err := imagetest.Fill(store)
	if err != nil {
		t.Fatal(err)
	}
	return Request{
		Name: "edge-test", Profile: imagetest.Profile, Lock: lock, Store: store, Offline: true,
		SbcdPath: testProgram(t, dir, "sbcd"), InitPath: testProgram(t, dir, "init"),
		Config: []File{{Path: "etc/hostname", Data: []byte("edge-test\n")}},
		OutDir: filepath.Join(dir, "out"), BaseCacheDir: filepath.Join(dir, "base"),
	}
}
