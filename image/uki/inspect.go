package uki

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
)

// Section is one section of an assembled image.
type Section struct {
	Name    string `json:"name"`
	Size    uint32 `json:"size"`    // bytes of content, without padding
	Address uint32 `json:"address"` // relative to the image base
	Offset  uint32 `json:"offset"`  // in the file
	SHA256  string `json:"sha256"`  // of the content, hexadecimal
}

// Inspect lists the sections of a PE image in file order.
func Inspect(r io.Reader) ([]Section, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("uki: reading the image: %w", err)
	}
	img, err := parse(raw)
	if err != nil {
		return nil, fmt.Errorf("uki: %w", err)
	}
	out := make([]Section, 0, len(img.sections))
	for i := range img.sections {
		h := &img.sections[i]
		data := img.contents(h)
		sum := sha256.Sum256(data)
		out = append(out, Section{
			Name: h.name, Size: uint32(len(data)), Address: h.virtualAddress, Offset: h.rawOffset,
			SHA256: hex.EncodeToString(sum[:]),
		})
	}
	return out, nil
}

// Extract returns the content of one section of a PE image, for checks of what
// an image carries.
func Extract(r io.Reader, name string) ([]byte, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("uki: reading the image: %w", err)
	}
	img, err := parse(raw)
	if err != nil {
		return nil, fmt.Errorf("uki: %w", err)
	}
	h := img.section(name)
	if h == nil {
		return nil, fmt.Errorf("uki: no section %s in the image", name)
	}
	return img.contents(h), nil
}
