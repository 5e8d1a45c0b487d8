package boot

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
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

// What `trunkline verify` builds twice in unlike surroundings, without the network, is
// what `make image` built: three times the same bytes.
func TestSameBytesInAnotherPlace(t *testing.T) {
	out, bin := os.Getenv("TRUNKLINE_OUT"), os.Getenv("TRUNKLINE_BIN")
	if out == "" || bin == "" {
		t.Skip("TRUNKLINE_OUT and TRUNKLINE_BIN are not set: run `make e2e`, which builds the image and sets them")
	}
	cmd := exec.Command(filepath.Join(bin, "trunkline"), "verify", "../../../appliance/examples/edge-fra1", "--offline", "-json")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	b, err := cmd.Output()
	if err != nil {
		t.Fatalf("trunkline verify: %v\n%s", err, errs.String())
	}
	var found struct {
		Same  bool `json:"same"`
		Files []struct{ Path, SHA256 string }
	}
	if err := json.Unmarshal(b, &found); err != nil || !found.Same {
		t.Fatalf("%v\n%s", err, b)
	}
	images := 0
	for _, f := range found.Files {
		if ext := filepath.Ext(f.Path); ext != ".efi" && ext != ".raw" {
			continue
		}
		images++
		if digest(t, filepath.Join(out, f.Path)) != f.SHA256 {
			t.Errorf("%s differs between two builds of the same spec", f.Path)
		}
	}
	if images != 2 {
		t.Errorf("%d images in\n%s", images, b)
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
