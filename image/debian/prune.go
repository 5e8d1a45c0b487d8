package debian

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// inUse is how long after its last use a package is left alone: a build that has
// found it still has to read it.
const inUse = time.Hour

// markUsed notes that a package was used now: Prune removes those first whose last
// use is longest ago. A store that can only be read serves as well.
func markUsed(name string, info fs.FileInfo) {
	const often = time.Minute // more exact than pruning needs, and no write for each look
	if now := time.Now(); now.Sub(info.ModTime()) > often {
		_ = os.Chtimes(name, now, now)
	}
}

// Pruned says what a prune did.
type Pruned struct {
	Removed, Left           int
	RemovedBytes, LeftBytes int64
}

// Prune removes packages, those not used for longest first, until the store has at
// most bound bytes. Packages of keep stay, and those used within the last hour,
// even if they take more than that. Temporary files of interrupted downloads go.
func (s *Store) Prune(ctx context.Context, bound int64, keep []Package) (Pruned, error) {
	var done Pruned
	if err := s.sweep(); err != nil {
		return done, err
	}
	names, err := filepath.Glob(filepath.Join(s.dir, "??", "*.deb"))
	if err != nil {
		return done, fmt.Errorf("package cache: %w", err)
	}
	kept := map[string]bool{}
	for _, p := range keep {
		kept[s.Path(p)] = true
	}
	type stored struct {
		name string
		size int64
		used time.Time
	}
	var free []stored // may go
	for _, name := range names {
		info, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // another prune
		}
		if err != nil {
			return done, fmt.Errorf("package cache: %w", err)
		}
		done.Left++
		done.LeftBytes += info.Size()
		if !kept[name] && time.Since(info.ModTime()) > inUse {
			free = append(free, stored{name, info.Size(), info.ModTime()})
		}
	}
	slices.SortFunc(free, func(a, b stored) int {
		if c := a.used.Compare(b.used); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	for _, f := range free {
		if done.LeftBytes <= bound {
			break
		}
		if err := ctx.Err(); err != nil {
			return done, err
		}
		if err := os.Remove(f.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return done, fmt.Errorf("package cache: %w", err)
		}
		done.Removed++
		done.RemovedBytes += f.size
		done.Left--
		done.LeftBytes -= f.size
	}
	return done, nil
}
