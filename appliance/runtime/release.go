package runtime

import "strings"

// ReleasePath is where an appliance says which image it runs (os-release(5)).
const ReleasePath = "/etc/os-release"

// ImageRelease finds in the text of an os-release file which appliance's image it is of
// (IMAGE_ID) and the image's version (IMAGE_VERSION), by which updates go. Both are empty
// for a system that is no image of an appliance.
func ImageRelease(text string) (name, version string) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.Trim(value, `"'`)
		switch key {
		case "IMAGE_ID":
			name = value
		case "IMAGE_VERSION":
			version = value
		}
	}
	if name == "" || version == "" {
		return "", ""
	}
	return name, version
}
