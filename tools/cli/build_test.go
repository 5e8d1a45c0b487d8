package cli

import (
	"strings"
	"testing"

	"trunkline/appliance/sizing"
)

func TestImageNote(t *testing.T) {
	c := sizing.DefaultCoefficients()
	planned, _ := c.Get("root_image_bytes")
	if note := imageNote(int64(planned.Value)-initrdExtra, c); note != "" {
		t.Errorf("an image that fits: %s", note)
	}
	if note := imageNote(int64(planned.Value)-initrdExtra+1<<20, c); !strings.Contains(note, "takes 65 MiB") || !strings.Contains(note, "counts 64 MiB") {
		t.Errorf("an image too large: %q", note)
	}
}
