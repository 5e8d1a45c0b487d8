package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
	"trunkline/image/debian"
)

// cacheHelp is what a command's --cache means.
const cacheHelp = "`DIR` of the cache (default: $" + debian.CacheVariable + ", else trunkline in the user's cache directory)"

// defaultCacheBound is what cache prune leaves of packages: about twenty locks of a
// virtual machine, which share most of their packages.
const defaultCacheBound = "1GiB"

func (a *app) cache() *cobra.Command {
	c := &cobra.Command{
		Use:   "cache",
		Short: "Carry packages to where there is no network, and bound their room",
		Long: `Builds take packages from a cache, by the digests in the lock file, and ask the mirror
only for those that are not there. With all of them there, no network is used.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.cacheExport(), a.cacheImport(), a.cachePrune())
	return c
}

func (a *app) cacheExport() *cobra.Command {
	var dir, mirror string
	var offline bool
	c := &cobra.Command{
		Use:   "export FILE LOCK...",
		Short: "Write the packages of lock files to one file",
		Long: `Write the packages of lock files to FILE, a tar archive, for "cache import" on a machine
without a network. LOCK is a lock file or the directory of a spec that has one. What
the cache lacks is fetched from the mirror first, unless --offline is given.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) < 2 {
				return seeHelp(c, errors.New("two arguments or more are wanted: the file to write, and lock files"))
			}
			return nil
		},
		RunE: a.does(func(ctx context.Context, args []string) error {
			return a.runCacheExport(ctx, args[0], args[1:], dir, mirror, offline)
		}),
	}
	c.Flags().StringVar(&dir, "cache", "", cacheHelp)
	c.Flags().StringVar(&mirror, "mirror", "", mirrorHelp)
	c.Flags().BoolVar(&offline, "offline", false, "use the package cache alone")
	return c
}

func (a *app) cacheImport() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Take the packages of an exported file into the cache",
		Long: `Take the packages of a file that "cache export" wrote into the cache. Each is checked
against the digest it is named by; builds check again, against their lock file.`,
		Args: oneArg("the exported file"),
		RunE: a.does(func(ctx context.Context, args []string) error { return a.runCacheImport(ctx, args[0], dir) }),
	}
	c.Flags().StringVar(&dir, "cache", "", cacheHelp)
	return c
}

func (a *app) cachePrune() *cobra.Command {
	var dir, bound string
	c := &cobra.Command{
		Use:   "prune [LOCK...]",
		Short: "Remove the packages that were not used for longest",
		Long: `Remove packages from the cache, those not used for longest first, until they take no
more room than --max-size. Packages of the lock files named stay in any case, and so
do those used within the last hour, for builds under way. LOCK is a lock file or the
directory of a spec that has one. Base layers are no matter of this command: builds
keep the eight used last.`,
		RunE: a.does(func(ctx context.Context, args []string) error { return a.runCachePrune(ctx, args, dir, bound) }),
	}
	c.Flags().StringVar(&dir, "cache", "", cacheHelp)
	c.Flags().StringVar(&bound, "max-size", defaultCacheBound, "room that packages may take, a `SIZE` such as 500MiB")
	return c
}

func (a *app) store(dir string) (*debian.Store, error) {
	cache, err := debian.CacheDir(dir, a.Getenv(debian.CacheVariable))
	if err != nil {
		return nil, err
	}
	return debian.NewStore(cache), nil
}

// lockedPackages are those of lock files, or of the specs in directories.
func lockedPackages(names []string) ([]debian.Package, error) {
	var out []debian.Package
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			name = filepath.Join(name, debian.LockName)
		}
		l, err := debian.ReadLock(name)
		if err != nil {
			return nil, err
		}
		out = append(out, l.Packages...)
	}
	return out, nil
}

func (a *app) runCacheExport(ctx context.Context, file string, locks []string, dir, mirror string, offline bool) error {
	pkgs, err := lockedPackages(locks)
	if err != nil {
		return err
	}
	s, err := a.store(dir)
	if err != nil {
		return err
	}
	u, noMirror := a.findMirror(mirror)
	if noMirror != nil && !errors.Is(noMirror, debian.ErrNoMirror) {
		return noMirror
	}
	progress := a.progress()
	_, err = s.Fetch(ctx, u, pkgs, debian.FetchOptions{Offline: offline, Progress: progress})
	progress.done(err == nil)
	if err != nil {
		return withoutMirror(err, noMirror, offline)
	}
	size, err := writeStream(file, func(w io.Writer) error { return s.Export(ctx, w, pkgs) })
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	fmt.Fprintf(a.Stdout, "%s: %s, %s. `trunkline cache import` takes them into another cache.\n", file, count(contents(pkgs), "package"), sizing.Bytes(float64(size)))
	return nil
}

// contents counts packages, each content once.
func contents(pkgs []debian.Package) int {
	seen := map[string]bool{}
	for _, p := range pkgs {
		seen[p.SHA256] = true
	}
	return len(seen)
}

func (a *app) runCacheImport(ctx context.Context, file, dir string) error {
	s, err := a.store(dir)
	if err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("import: %w: name the file that `trunkline cache export` wrote", err)
	}
	defer f.Close()
	done, err := s.Import(ctx, bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	fmt.Fprintf(a.Stdout, "%s: %s added (%s), %d there already\n", file, count(done.Added, "package"), sizing.Bytes(float64(done.Bytes)), done.Present)
	return nil
}

func (a *app) runCachePrune(ctx context.Context, locks []string, dir, bound string) error {
	most, err := spec.ParseSize(bound)
	if err != nil {
		return fmt.Errorf("--max-size: %w", err)
	}
	keep, err := lockedPackages(locks)
	if err != nil {
		return err
	}
	s, err := a.store(dir)
	if err != nil {
		return err
	}
	done, err := s.Prune(ctx, int64(most), keep)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Stdout, "%s removed (%s), %s left (%s)\n", count(done.Removed, "package"), sizing.Bytes(float64(done.RemovedBytes)),
		count(done.Left, "package"), sizing.Bytes(float64(done.LeftBytes)))
	return nil
}
