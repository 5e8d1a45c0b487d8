package runtime

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
)

// BootPath is where an appliance keeps what is known of its boot until the next one.
const BootPath = "/run/trunkline/boot.json"

// States of an image on trial.
const (
	TrialRunning = "running" // not found good yet
	TrialPassed  = "passed"
)

// Boot is what is known of the image that was booted.
type Boot struct {
	Version string `json:"version"`         // of the image
	Trial   string `json:"trial,omitempty"` // "running", "passed"; empty: it was found good before
	// StartsLeft is how often an image on trial is started again before the machine falls back.
	StartsLeft int `json:"starts_left,omitempty"`
	// FellBackFrom is the version that was tried and failed, and Reason why; empty: there is
	// none, or a newer one has been found good since.
	FellBackFrom string `json:"fell_back_from,omitempty"`
	Reason       string `json:"reason,omitempty"`
}

// WriteBoot writes it whole, for everybody to read. It lies in memory (/run), so that nothing is to
// be synced, and this package imports nothing but the standard library.
func WriteBoot(path string, b Boot) error {
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// ReadBoot reads what WriteBoot wrote; nil: nothing is known.
func ReadBoot(path string) (*Boot, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	b := new(Boot)
	if err := json.Unmarshal(text, b); err != nil {
		return nil, err
	}
	return b, nil
}
