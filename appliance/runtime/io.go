package runtime

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

// Encode renders a as the bytes of an appliance.json: indented, ending in a
// newline, the same bytes for the same value.
func Encode(a *Appliance) ([]byte, error) {
	b, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode appliance.json: %w", err)
	}
	return append(b, '\n'), nil
}

// Decode parses an appliance.json. Unknown fields and other format versions are
// errors: an appliance never runs on a configuration it only half understands.
func Decode(b []byte) (*Appliance, error) {
	var head struct {
		FormatVersion int `json:"format_version"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("not an appliance.json: %w", err)
	}
	if head.FormatVersion != FormatVersion {
		return nil, fmt.Errorf("appliance.json has format_version %d, this program reads %d: bake the config layer with the same version of Trunkline as the base layer", head.FormatVersion, FormatVersion)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var a Appliance
	if err := dec.Decode(&a); err != nil {
		return nil, fmt.Errorf("appliance.json: %w", err)
	}
	return &a, nil
}

// Load reads and decodes the file at path.
func Load(path string) (*Appliance, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	a, err := Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}
