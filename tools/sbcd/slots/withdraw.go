package slots

import (
	"fmt"
	"path/filepath"
)

// Withdraw removes an image that waits for its first start. What runs, was found good or
// has been started stays.
func (e *ESP) Withdraw(i Image) error {
	if i.Booted || i.Good() || i.Done > 0 || i.Left == 0 {
		return fmt.Errorf("version %s does not wait for its first start: it stays", i.Version)
	}
	if err := e.remove(filepath.Join(e.dir, i.File)); err != nil {
		return err
	}
	return e.sync()
}
