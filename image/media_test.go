package image

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trunkline/image/inspect"
	"trunkline/image/sparse"
)

// Every format holds the same image; a build leaves those asked for and no others.
func TestFormats(t *testing.T) {
	r := request(t)
	evidence := []string{"edge-test.cdx.json", "edge-test.provenance.json", "edge-test.spdx.json"}
	var qcow2 string
	for _, c := range []struct {
		ask   string
		files []string
		steps string
	}{
		{"efi,raw,qcow2,iso", []string{"edge-test.efi", "edge-test.iso", "edge-test.qcow2", "edge-test.raw"}, "uki disk qcow2 iso evidence"},
		{"qcow2", []string{"edge-test.efi", "edge-test.qcow2"}, "uki disk qcow2 evidence"},
		{"iso", []string{"edge-test.efi", "edge-test.iso"}, "uki iso evidence"},
		{"efi", []string{"edge-test.efi"}, "uki evidence"},
	} {
		var err error
		if r.Formats, err = ParseFormats(strings.Split(c.ask, ",")); err != nil {
			t.Fatal(err)
		}
		res := mustBuild(t, r)
		if got := strings.Join(steps(res), " "); !strings.HasSuffix(got, c.steps) {
			t.Errorf("%s: steps %s", c.ask, got)
		}
		want := slices.Concat(c.files, evidence)
		slices.Sort(want)
		if got := names(t, r.OutDir); !slices.Equal(got, want) {
			t.Errorf("%s: in the output directory %v, want %v", c.ask, got, want)
		}
		statement, err := os.ReadFile(filepath.Join(r.OutDir, "edge-test.provenance.json"))
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Outputs()) != len(c.files) {
			t.Errorf("%s: outputs %+v", c.ask, res.Outputs())
		}
		for _, o := range res.Outputs() {
			if n, digest, err := sparse.Sum(o.Path); err != nil || n != o.Size || digest != o.SHA256 {
				t.Errorf("%s: %d bytes, %s, %v; the result says %+v", o.Path, n, digest, err, o)
			}
			if !strings.Contains(string(statement), o.SHA256) {
				t.Errorf("%s: the provenance does not name %s", c.ask, o.Path)
			}
			img, err := inspect.Open(o.Path)
			if err != nil || img.UKI.SHA256 != res.UKI.SHA256 || img.Digest != res.Digest {
				t.Errorf("%s holds another image (%v)", o.Path, err)
			}
			if strings.HasSuffix(o.Path, ".qcow2") {
				if qcow2 != "" && o.SHA256 != qcow2 {
					t.Error("without the raw disk beside it the qcow2 is another")
				}
				qcow2 = o.SHA256
			}
		}
	}
	if _, err := ParseFormats([]string{"vmdk"}); err == nil || !strings.Contains(err.Error(), "efi, raw, qcow2 and iso") {
		t.Errorf("an unknown format: %v", err)
	}
}
