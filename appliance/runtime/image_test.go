package runtime

import (
	"strings"
	"testing"
)

func TestImageDigest(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0123456789abcdef", 4)
	for cmdline, want := range map[string]string{
		"": "",
		"console=ttyS0 trunkline.image=" + digest + " quiet\n":      digest,
		"trunkline.image=" + digest:                                 digest,
		"console=ttyS0 xtrunkline.image=" + digest:                  "",
		"trunkline.image=sha256:0123":                               "",
		"trunkline.image=" + digest[7:]:                             "",
		"trunkline.image=sha256:" + strings.Repeat("x", 64):         "",
		"trunkline.image= trunkline.image=" + digest:                digest,
		"root=UUID=1 trunkline.images=" + digest + " panic=10":      "",
		"a trunkline.image=" + digest + " trunkline.image=sha256:0": digest,
	} {
		if got := ImageDigest(cmdline); got != want {
			t.Errorf("%q: %q, want %q", cmdline, got, want)
		}
	}
}
