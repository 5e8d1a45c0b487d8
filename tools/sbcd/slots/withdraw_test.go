package slots

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWithdraw(t *testing.T) {
	e := newESP(t, "2", "edge_1.efi", "edge_2.efi", "edge_3+3.efi", "edge_4+2-1.efi", "edge_5+0-3.efi")
	images, err := e.Images()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range images {
		if err := e.Withdraw(i); (err == nil) != (i.Version == "3") {
			t.Errorf("%s: %v", i.File, err)
		}
	}
	if d := cmp.Diff([]string{"edge_1.efi", "edge_2.efi", "edge_4+2-1.efi", "edge_5+0-3.efi"}, e.files(t)); d != "" {
		t.Error(d)
	}
}
