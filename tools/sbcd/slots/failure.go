package slots

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"trunkline/image/entry"
)

// failureFile holds the last failure, beside the boot loader's configuration.
const failureFile = "trunkline-failure.json"

// Bounds of what is kept, bytes.
const (
	maxReason      = 1000
	maxFailureFile = 8192
)

// usedUp is the reason of an image that left none: its kernel did not come up, or it was
// switched off each time.
const usedUp = "it did not come up: all its starts are used up"

// Failure is why an image on trial was not found good.
type Failure struct {
	Version string `json:"version"`
	Reason  string `json:"reason"` // one line
}

func (e *ESP) failurePath() string {
	return filepath.Join(e.dir, "..", "..", "loader", failureFile)
}

// Fail keeps why the image on trial failed, in place of what was kept before. A power cut
// leaves the one or the other.
func (e *ESP) Fail(f Failure) error {
	f.Reason = strings.Join(strings.Fields(f.Reason), " ")
	f.Reason = strings.ToValidUTF8(f.Reason[:min(len(f.Reason), maxReason)], "")
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	path := e.failurePath()
	part := path + partial
	w, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("ESP: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	if err = errors.Join(err, w.Sync(), w.Close()); err != nil {
		return fmt.Errorf("ESP: %w", err)
	}
	e.step("failure")
	if err := os.Rename(part, path); err != nil {
		return fmt.Errorf("ESP: %w", err)
	}
	return e.sync()
}

// Failure is the last one that matters: of an image newer than the one that runs, or of one
// that is still there and whose starts are used up; false: there is none. An image that left
// no reason has one all the same.
func (e *ESP) Failure() (Failure, bool, error) {
	images, err := e.Images()
	if err != nil {
		return Failure{}, false, err
	}
	kept, err := e.kept()
	if err != nil {
		return Failure{}, false, err
	}
	i := slices.IndexFunc(images, func(i Image) bool { return i.Failed() && !i.Booted })
	switch {
	case i >= 0 && images[i].Version != kept.Version:
		return Failure{images[i].Version, usedUp}, true, nil
	case i >= 0, kept.Version != "" && entry.CompareVersions(kept.Version, e.version) > 0:
		return kept, true, nil
	}
	return Failure{}, false, nil
}

// kept reads what Fail wrote; the zero value when there is nothing, or nothing of use.
func (e *ESP) kept() (Failure, error) {
	f, err := os.Open(e.failurePath())
	if errors.Is(err, os.ErrNotExist) {
		return Failure{}, nil
	}
	if err != nil {
		return Failure{}, fmt.Errorf("ESP: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	b, err := io.ReadAll(io.LimitReader(f, maxFailureFile))
	if err != nil {
		return Failure{}, fmt.Errorf("ESP: %w", err)
	}
	var out Failure
	if json.Unmarshal(b, &out) != nil || entry.CheckVersion(out.Version) != nil {
		return Failure{}, nil // anybody may have written there
	}
	return out, nil
}

// forget drops what Fail kept.
func (e *ESP) forget() error {
	if err := os.Remove(e.failurePath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("ESP: %w", err)
	}
	return nil
}
