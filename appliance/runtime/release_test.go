package runtime

import "testing"

func TestImageRelease(t *testing.T) {
	for text, want := range map[string][2]string{
		"":                             {},
		"NAME=Debian\nVERSION_ID=13\n": {},
		"ID=trunkline\nIMAGE_ID=edge-fra1\nIMAGE_VERSION=1.4.2\n": {"edge-fra1", "1.4.2"},
		"IMAGE_VERSION=\"20260131.120000\"\nIMAGE_ID='edge'\nX=1": {"edge", "20260131.120000"},
		"IMAGE_ID=edge\n": {},
		"XIMAGE_ID=edge\nIMAGE_VERSIONS=2\nIMAGE_VERSION=1\nIMAGE_ID=": {},
	} {
		name, version := ImageRelease(text)
		if got := [2]string{name, version}; got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
