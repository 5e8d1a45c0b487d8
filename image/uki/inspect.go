package uki

import (
	"bytes"
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

// Parsed is a PE image being read.
type Parsed struct{ img *image }

// Parse reads the headers of a PE image, which must not change afterwards.
func Parse(raw []byte) (*Parsed, error) {
	img, err := parse(raw)
	if err != nil {
		return nil, fmt.Errorf("uki: %w", err)
	}
	return &Parsed{img}, nil
}

// Sections lists the sections in file order.
func (p *Parsed) Sections() []Section {
	out := make([]Section, 0, len(p.img.sections))
	for i := range p.img.sections {
		h := &p.img.sections[i]
		data := p.img.contents(h)
		sum := sha256.Sum256(data)
		out = append(out, Section{
			Name: h.name, Size: uint32(len(data)), Address: h.virtualAddress, Offset: h.rawOffset,
			SHA256: hex.EncodeToString(sum[:]),
		})
	}
	return out
}

// Content returns the content of a section, nil when there is none of that name.
// It is part of the image, not a copy.
func (p *Parsed) Content(name string) []byte {
	h := p.img.section(name)
	if h == nil {
		return nil
	}
	return p.img.contents(h)
}

// Inspect lists the sections of a PE image in file order.
func Inspect(r io.Reader) ([]Section, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("uki: reading the image: %w", err)
	}
	p, err := Parse(raw)
	if err != nil {
		return nil, err
	}
	return p.Sections(), nil
}

// Extract returns the content of one section of a PE image, for checks of what
// an image carries.
func Extract(r io.Reader, name string) ([]byte, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("uki: reading the image: %w", err)
	}
	p, err := Parse(raw)
	if err != nil {
		return nil, err
	}
	if p.img.section(name) == nil {
		return nil, fmt.Errorf("uki: no section %s in the image", name)
	}
	return bytes.Clone(p.Content(name)), nil
}
