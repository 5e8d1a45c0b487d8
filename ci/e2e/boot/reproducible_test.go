package boot

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// maxUKI is the bound on the size of the image that is booted, bytes.
const maxUKI = 64 << 20

func digest(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// packageCache is the packages folder of the cache the image was built with.
func packageCache(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("TRUNKLINE_CACHE"); dir != "" {
		return filepath.Join(dir, "packages")
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "trunkline", "packages")
}

// The image of make image, built again from another directory with an empty base
// cache, another umask, time zone, locale and number of processors, without the
// network: the same bytes.
func TestSameBytesInAnotherPlace(t *testing.T) {
	out, bin := os.Getenv("TRUNKLINE_OUT"), os.Getenv("TRUNKLINE_BIN")
	if out == "" || bin == "" {
		t.Skip("TRUNKLINE_OUT and TRUNKLINE_BIN are not set: run `make e2e`, which builds the image and sets them")
	}
	dir := t.TempDir()
	spec, cache := filepath.Join(dir, "elsewhere", "edge"), filepath.Join(dir, "cache")
	if err := os.MkdirAll(filepath.Dir(spec), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(spec, os.DirFS("../../../appliance/examples/edge-fra1")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(cache, "packages"), os.DirFS(packageCache(t))); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `umask 077; exec "$0" build "$1" -o "$2" --offline`, filepath.Join(bin, "trunkline"), spec, filepath.Join(dir, "out"))
	cmd.Env = append(os.Environ(), "TRUNKLINE_CACHE="+cache, "TZ=Pacific/Auckland", "LC_ALL=C", "GOMAXPROCS=1")
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("trunkline build: %v\n%s", err, b)
	}
	for _, name := range []string{"edge-fra1.efi", "edge-fra1.raw"} {
		a, b := filepath.Join(out, "edge-fra1", name), filepath.Join(dir, "out", "edge-fra1", name)
		if digest(t, a) != digest(t, b) {
			t.Errorf("%s differs between two builds of the same spec", name)
		}
	}
	info, err := os.Stat(filepath.Join(out, "edge-fra1/edge-fra1.efi"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("UKI: %.1f MiB", float64(info.Size())/(1<<20))
	if info.Size() >= maxUKI {
		t.Errorf("the UKI has %d bytes, the bound is %d", info.Size(), maxUKI)
	}
}
