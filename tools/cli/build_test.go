package cli

import (
	"strings"
	"testing"

	"trunkline/appliance/sizing"
)

func TestImageNote(t *testing.T) {
	c := sizing.DefaultCoefficients()
	planned, _ := c.Get("root_image_bytes")
	if note := imageNote(int64(planned.Value)-initrdExtra, c, false); note != "" {
		t.Errorf("an image that fits: %s", note)
	}
	if note := imageNote(int64(planned.Value)-initrdExtra+1<<20, c, false); !strings.Contains(note, "takes 65 MiB") || !strings.Contains(note, "counts 64 MiB") {
		t.Errorf("an image too large: %q", note)
	}
	relay, _ := c.Get("media_image_bytes")
	if note := imageNote(int64(planned.Value+relay.Value)-initrdExtra, c, true); note != "" {
		t.Errorf("an image that fits, with relays: %s", note)
	}
	if note := imageNote(int64(planned.Value+relay.Value)-initrdExtra+1<<20, c, true); !strings.Contains(note, "counts 224 MiB") {
		t.Errorf("an image too large, with relays: %q", note)
	}
}
